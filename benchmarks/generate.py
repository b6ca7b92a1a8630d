"""One table: tokens written by our `generate` and by Hugging Face's, same shape, same run, beside what the machine can do at best.

The model has the shape of the 124M GPT-2 and random weights; its fast path is `FastDecoder` on a CPU, `GraphDecoder` on a GPU.
`limit` is the time in which this machine reads the weights of one token once, at the best rate any of the readers below
reached; a batch of 8 shares that reading. The contestants take turns, and the fastest tenth of the tokens counts, because
other programs only ever slow one down.
    python benchmarks/generate.py [--rounds 5] [--new 24] [--threads 2] [--device cpu] [--context 1000]
"""
from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "2")
import torch
import torch.nn.functional as F
from transformers import GPT2Config as TheirConfig
from transformers import GPT2LMHeadModel

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.fast_decoder import FastDecoder, GraphDecoder
from gpt2lab.sampling import generate

HALVES = (torch.bfloat16, torch.float16)


def models(device: torch.device) -> tuple[GPT2, GPT2LMHeadModel]:
    """The same shape twice; small random weights, since speed does not depend on them."""
    torch.manual_seed(0)
    with torch.device("meta"):
        ours, theirs = GPT2(GPT2Config.named("gpt2")), GPT2LMHeadModel(TheirConfig(bos_token_id=0, eos_token_id=None))
    for model in (ours, theirs):
        model.to_empty(device=device).eval()
        for part in model.state_dict().values():
            if part.is_floating_point():
                part.uniform_(-0.05, 0.05)
    theirs.tie_weights()
    theirs.generation_config.eos_token_id = None
    return ours, theirs


def clock(call: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def fastest(calls: dict[str, Callable[[], object]], rounds: int, device: torch.device) -> dict[str, float]:
    """Seconds of the fastest run of each, taking turns; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            took = clock(call, device)
            if turn:
                times[name].append(took)
    return {name: min(values) for name, values in times.items()}


def read_rate(rounds: int, device: torch.device) -> float:
    """Bytes a second at which memory is read: the best of adding up numbers and of one row times matrices of two formats."""
    many = torch.randn(48 * 2**20, device=device)                      # 192 MiB, more than any processor's cache
    readers = {"sum": (lambda: many.sum(), many.numel() * 4)}
    for dtype in (torch.float32, torch.float16):
        weights, x = many.to(dtype).view(-1, 4096, 768), torch.randn(1, 768, device=device, dtype=dtype)
        readers[str(dtype)] = (lambda w=weights, x=x: [F.linear(x, part) for part in w], weights.numel() * dtype.itemsize)
    seconds = fastest({name: call for name, (call, _) in readers.items()}, rounds, device)
    return max(size / seconds[name] for name, (_, size) in readers.items())


def generator_of(model) -> Callable[..., torch.Tensor]:
    """Our `generate` or Hugging Face's own, with the same arguments."""
    if isinstance(model, GPT2LMHeadModel):
        return lambda ids, new: model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False, pad_token_id=0)
    return lambda ids, new: generate(model, ids, max_new_tokens=new)


def per_token(context: int, batch: int, contestants: dict[str, object], options: argparse.Namespace) -> dict[str, float]:
    """Seconds from the call of the model for one token to that for the next, behind `context` tokens: all of `generate`.

    The contestants take turns; of all the tokens of all rounds the fastest tenth counts, up to its slowest.
    """
    ids = torch.randint(50257, (batch, context), device=options.device)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(options.rounds + 1):
        for name, model in contestants.items():
            stamps: list[float] = []
            called = type(model).__call__
            type(model).__call__ = lambda self, *a, called=called, stamps=stamps, **k: (stamps.append(time.perf_counter()), called(self, *a, **k))[1]
            try:
                generator_of(model)(ids, 3 if turn == 0 else options.new + 2)
            finally:
                type(model).__call__ = called
            if turn:                                       # the first round warms up
                times[name] += [after - before for before, after in zip(stamps[1:], stamps[2:])]     # the first call reads the prompt
    return {name: sorted(values)[len(values) // 10] for name, values in times.items()}


def row(case: str, ours: float, theirs: float | None = None, limit: float | None = None) -> str:
    text = f"{case:<46} {ours * 1e3:8.2f} "
    text += f"{theirs * 1e3:10.2f} " if theirs else f"{'':>10} "
    text += f"{limit * 1e3:8.2f} " if limit else f"{'':>8} "
    text += f"{theirs / ours:9.2f}x " if theirs else f"{'':>10} "
    return text + (f"{limit / ours:8.0%}" if limit else "")


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--new", type=int, default=24)
    parser.add_argument("--context", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    options.context = min(options.context, 1024 - options.new - 2)

    ours, theirs = models(device)
    weights = sum(part.numel() for name, part in ours.named_parameters() if name != "wpe.weight")
    rate = read_rate(options.rounds, device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU, {options.threads} threads"
    print(f"124M shape, {where}, torch {torch.__version__}; memory is read at {rate / 1e9:.1f} GB/s; milliseconds for one more token")
    print(f"{'case':<46} {'ours':>8} {'HF':>10} {'limit':>8} {'HF / ours':>10} {'of limit':>8}")
    limit = {dtype: weights * dtype.itemsize / rate for dtype in (torch.float32, *HALVES)}

    single, exact = {"ours": ours, "theirs": theirs}, FastDecoder(ours, torch.float32) if device.type == "cpu" else GraphDecoder(ours)
    times = per_token(16, 1, single, options)
    print(row("batch 1, float32, the plain model, behind 16", times["ours"], times["theirs"], limit[torch.float32]), flush=True)
    times = per_token(16, 1, {"ours": exact, "theirs": theirs}, options)
    print(row("batch 1, float32, behind 16", times["ours"], times["theirs"], limit[torch.float32]), flush=True)
    long = per_token(options.context, 1, {"ours": exact}, options)["ours"]
    print(row(f"batch 1, float32, behind {options.context}", long, limit=limit[torch.float32]) + f"   {long / times['ours'] - 1:+.0%}", flush=True)
    del exact
    float32 = per_token(16, 8, single, options)

    their_halves = {str(dtype): GPT2LMHeadModel(theirs.config).eval().to(device, dtype) for dtype in HALVES}
    for half in their_halves.values():
        half.generation_config.eos_token_id = None
    quick = {"ours": FastDecoder(ours) if device.type == "cpu" else GraphDecoder(GPT2(ours.config).eval().to(device, torch.float16))}
    times = per_token(16, 1, {**quick, "theirs": theirs, **their_halves}, options)
    best = min((name for name in times if name != "ours"), key=times.get)
    best_name = {"theirs": "float32"}.get(best, best.removeprefix("torch."))
    print(row(f"batch 1, fastest half / HF's fastest, {best_name}", times["ours"], times[best], limit[torch.float16]))
    long = per_token(options.context, 1, quick, options)["ours"]
    print(row(f"batch 1, fastest half, behind {options.context}", long, limit=limit[torch.float16]) + f"   {long / times['ours'] - 1:+.0%}", flush=True)

    print(row("batch 8, float32, behind 16", float32["ours"], float32["theirs"], limit[torch.float32]))
    del quick
    for dtype in HALVES[:1] if device.type == "cpu" else HALVES:       # float16 on eight rows is slow on a CPU, for both
        pair = {"ours": GPT2(ours.config).eval().to(device, dtype), "theirs": their_halves[str(dtype)]}
        times = per_token(16, 8, pair, options)
        print(row(f"batch 8, {str(dtype).removeprefix('torch.')}, behind 16", times["ours"], times["theirs"], limit[dtype]))


if __name__ == "__main__":
    main()
