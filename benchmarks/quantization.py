"""Every scheme of chapter 07 in one run: bytes on disk and in memory, tokens at batch 1, and what the small numbers cost in quality.

Speed and size at the shape of the 124M GPT-2 (random weights, on which speed does not depend), the contestants taking turns, since other
programs only ever slow one down. Quality on mini and the part of `gpt2lab.corpus` that it never trained on: perplexity, and how far the
predictions moved from float32's (Kullback-Leibler divergence), which luck does not hide.
    python benchmarks/quantization.py [--part speed|quality|all] [--rounds 5] [--threads 2] [--device cpu] [--windows 64] [--qat-steps 100]
"""
from __future__ import annotations

import argparse
import copy
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_NUM_THREADS", "2")
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt2lab import corpus
from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.lab import Lab, open_lab
from gpt2lab.quantization import (FILE, SCHEMES, QuantizedGPT2, convert_qat, dequantize, kernels, model_bytes, prepare_qat, quantize_model,
                                  quantize_tensor, save_quantized)
from gpt2lab.sampling import generate
from gpt2lab.weights import save_pretrained


def token_times(models: dict[str, GPT2], options: argparse.Namespace) -> dict[str, float]:
    """Seconds from one call of the model to the next within `generate`, one text behind 16 tokens: the fastest tenth counts."""
    ids = torch.randint(50257, (1, 16), device=options.device)
    times: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(options.rounds + 1):
        for name, model in models.items():
            stamps: list[float] = []
            called = type(model).__call__
            type(model).__call__ = lambda self, *a, called=called, stamps=stamps, **k: (stamps.append(time.perf_counter()), called(self, *a, **k))[1]
            try:
                generate(model, ids, max_new_tokens=options.new + 2)
            finally:
                type(model).__call__ = called
            if turn:                                       # the first round warms up
                times[name] += [after - before for before, after in zip(stamps[1:], stamps[2:])]         # the first call reads the prompt
    return {name: sorted(values)[len(values) // 10] for name, values in times.items()}


def bytes_on_disk(model: GPT2) -> int:
    with tempfile.TemporaryDirectory() as folder:
        quantized = isinstance(model, QuantizedGPT2)
        (save_quantized if quantized else save_pretrained)(model, folder)
        return (Path(folder) / (FILE if quantized else "model.safetensors")).stat().st_size


@torch.inference_mode()
def speed(options: argparse.Namespace) -> None:
    """The table of sizes and tokens at the 124M shape."""
    torch.manual_seed(0)
    model = GPT2(GPT2Config.named("gpt2")).eval().to(options.device)
    models = {"float32": model, **{scheme: quantize_model(model, scheme) for scheme in SCHEMES}}
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"{platform.machine()} CPU, {options.threads} threads"
    print(f"124M shape, {where}, torch {torch.__version__}; batch 1, milliseconds a token of `generate`, ratios to float32 in the same run", flush=True)
    for scheme, kernel in kernels(options.device).items():
        print(f"  {scheme:<13}{kernel}")
    times = token_times(models, options)
    disk, memory = ({name: measure(each) for name, each in models.items()} for measure in (bytes_on_disk, model_bytes))
    print(f"{'':<13}{'MB on disk':>11}{'of float32':>12}{'MB in memory':>14}{'of float32':>12}{'ms a token':>12}{'float32 / it':>14}")
    for name in models:
        print(f"{name:<13}{disk[name] / 1e6:>11.1f}{disk[name] / disk['float32']:>12.3f}{memory[name] / 1e6:>14.1f}"
              f"{memory[name] / memory['float32']:>12.3f}{1e3 * times[name]:>12.2f}{times['float32'] / times[name]:>13.2f}x")


class Quality:
    """Perplexity of held-out windows, and how far a model's predictions moved from those of the float32 model."""

    def __init__(self, lab: Lab, windows: Tensor) -> None:
        self.lab, self.windows = lab, windows
        self.reference = list(self._log_probs(lab.model))
        self.float32, _ = self(lab.model)

    @torch.inference_mode()
    def _log_probs(self, model: GPT2) -> Iterator[Tensor]:
        for rows in self.windows.split(8):
            yield model(rows[:, :-1]).logits.float().log_softmax(-1)

    def __call__(self, model: GPT2) -> tuple[float, float]:
        nats = moved = 0.0
        for ours, theirs, rows in zip(self._log_probs(model), self.reference, self.windows.split(8)):
            nats -= ours.gather(-1, rows[:, 1:, None]).sum().item()
            moved += (theirs.exp() * (theirs - ours)).sum().item()
        return torch.tensor(nats / self.windows[:, 1:].numel()).exp().item(), moved / self.windows[:, 1:].numel()

    def row(self, name: str, model: GPT2) -> tuple[float, float]:
        perplexity, moved = self(model)
        print(f"{name:<48}{perplexity:>10.3f}{perplexity / self.float32 - 1:>+11.3%}{moved:>12.6f}", flush=True)
        return perplexity, moved


def rounded(model: GPT2, **how) -> GPT2:
    """A copy whose matrices went through `quantize_tensor` and back: the quality of ways that have no kernel of their own."""
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for module in copied.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)) and module is not copied.wpe:
                module.weight.copy_(dequantize(quantize_tensor(module.weight, **how)))
    return copied


def train(trained: GPT2, teacher: GPT2 | None, rows: Tensor, steps: int, lr: float = 1.5e-4) -> GPT2:
    """`steps` steps of 8 rows: towards the teacher's distributions, or without one towards the text itself."""
    trained.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 5) * (1 - step / steps))
    for step in range(steps):
        batch = rows[torch.arange(8 * step, 8 * step + 8) % len(rows)]
        log_probs = trained(batch[:, :-1]).logits.log_softmax(-1)
        if teacher is None:
            loss = F.nll_loss(log_probs.flatten(0, 1), batch[:, 1:].flatten())
        else:
            with torch.no_grad():
                target = teacher(batch[:, :-1]).logits.log_softmax(-1)
            loss = F.kl_div(log_probs, target, log_target=True, reduction="none").sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return trained.requires_grad_(False)


def windows_of(lab: Lab, texts: list[str], number: int, length: int) -> Tensor:
    ids = lab.tokenizer.encode("\n\n".join(texts)[:12 * number * length], disallowed_special=())
    return torch.tensor(ids[:len(ids) // (length + 1) * (length + 1)]).view(-1, length + 1)[:number].to(lab.device)


def quality(options: argparse.Namespace) -> None:
    """The table of perplexities on mini, and training through the rounding."""
    lab = open_lab("mini", options.device)
    train_texts, held_out = corpus.split()
    measured = Quality(lab, windows_of(lab, held_out, options.windows, 256))
    print(f"held-out documentation, {measured.windows[:, 1:].numel():,} tokens{'':<12}{'perplexity':>10}{'change':>11}{'moved':>12}")
    measured.row("float32", lab.model)
    for scheme in SCHEMES[:-1]:
        measured.row(scheme, quantize_model(lab.model, scheme))
    lost, moved = measured.row("int4-group, groups of 64, rounded", quantize_model(lab.model, "int4-group"))
    rows = windows_of(lab, Random(0).sample(train_texts, len(train_texts)), 8 * options.qat_steps, 128)        # of all kinds of text
    start = time.perf_counter()
    tuned, left = measured.row(f"  trained {options.qat_steps} steps towards float32's predictions",
                               convert_qat(train(prepare_qat(lab.model), lab.model, rows, options.qat_steps)))
    print(f"  of what rounding lost: {(lost - tuned) / (lost - measured.float32):.0%} of the perplexity, {1 - left / moved:.0%} of the "
          f"divergence recovered, in {time.perf_counter() - start:.0f} s", flush=True)
    tuned, _ = measured.row(f"  trained {options.qat_steps} steps on the text itself", convert_qat(train(prepare_qat(lab.model), None, rows, options.qat_steps)))
    print(f"  of what rounding lost: {(lost - tuned) / (lost - measured.float32):.0%} of the perplexity, part of it by training longer: see --control", flush=True)
    for bits in (8, 6, 4):
        for name, axis in (("tensor", None), ("channel", 0)):
            measured.row(f"{bits} bits, one scale a {name}, all matrices", rounded(lab.model, bits=bits, axis=axis))
    for group_size in (32, 128):
        measured.row(f"int4-group, groups of {group_size}", quantize_model(lab.model, "int4-group", group_size=group_size))
    if options.control:
        longer = train(copy.deepcopy(lab.model), None, rows, options.qat_steps)
        measured.row("  float32, trained on the text as long", longer)
        measured.row("  and then rounded to 4 bits", quantize_model(longer, "int4-group"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("speed", "quality", "all"), default="all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--new", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--qat-steps", type=int, default=100)
    parser.add_argument("--control", action="store_true", help="also train float32 on the text as long, and round it")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.part in ("speed", "all"):
        speed(options)
    if options.part in ("quality", "all"):
        quality(options)


if __name__ == "__main__":
    main()
