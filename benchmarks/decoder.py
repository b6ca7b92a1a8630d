"""How fast a prompt of 1,024 tokens is read at the shape of the 124M GPT-2, beside Hugging Face on the same weights' shape.

Runs alternate, so that a machine that slows down slows both; the figure is the ratio of the medians (below 1: ours is faster).
    python benchmarks/decoder.py [--runs 7] [--tokens 1024] [--threads 2] [--device cpu]
"""
from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "2")
import torch
from transformers import GPT2Config as TheirConfig
from transformers import GPT2LMHeadModel

from gpt2lab.decoder import GPT2, GPT2Config


def seconds(call: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)

    ours = GPT2(GPT2Config.named("gpt2")).eval().to(device)
    theirs = GPT2LMHeadModel(TheirConfig(attn_implementation="sdpa")).eval().to(device)
    ids = torch.randint(50257, (1, arguments.tokens), device=device)
    contestants = {"gpt2lab": lambda: ours(ids), "Hugging Face (sdpa)": lambda: theirs(ids, use_cache=False)}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    with torch.inference_mode():
        for run in range(arguments.runs + 1):
            for name, call in contestants.items():
                took = seconds(call, device)
                if run:                                    # the first round warms up
                    times[name].append(took)
    medians = {name: statistics.median(all_runs) for name, all_runs in times.items()}
    print(f"prefill of {arguments.tokens:,} tokens, 124M shape, float32, {device}, {arguments.threads} threads, "
          f"median of {arguments.runs} runs")
    for name, median in medians.items():
        print(f"  {name:<20} {median * 1e3:9.1f} ms   (from {min(times[name]) * 1e3:.1f} to {max(times[name]) * 1e3:.1f})")
    print(f"  ratio gpt2lab / Hugging Face: {medians['gpt2lab'] / medians['Hugging Face (sdpa)']:.3f}")


if __name__ == "__main__":
    main()
