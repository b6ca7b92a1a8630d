"""How long a checkpoint takes to load, beside safetensors' own `load_file`, and the most memory the process held meanwhile.

`load_file` maps the file and reads nothing; `from_pretrained` has looked at every number when it returns (a NaN is an
error), and returns a model, 138 modules at the 124M shape. So there are two rivals: `load_file` and one look at each number,
and the same with a model made of it, on the meta device and by `load_state_dict(assign=True)`, as one would by hand.
Times are medians of runs that alternate, with the file in the system's cache; "from disk", on Linux, is beside `load_file`
and a look with the file put out of that cache before each run. Memory is what the process's resident set grew by at most,
in a process of its own for each line.
    python benchmarks/weights.py [--sizes gpt2 gpt2-xl] [--runs 7] [--threads 2]
Figures to reach at the 124M shape: time <= 1.3 times that of the same result by hand, in float32; memory <= 1.15 times the
weights, also for gpt2-xl in bfloat16, whose 3.1 GB file needs room in the temporary folder.
"""
from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
import torch
from safetensors.torch import load_file

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.weights import PREFIX, conv1d_to_linear, from_pretrained, read_config

KINDS = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
CASES = [("gpt2", "F32", "F32"), ("gpt2", "F32", "BF16"), ("gpt2", "F32", "F16"), ("gpt2", "BF16", "BF16"), ("gpt2-xl", "BF16", "BF16")]
CHILD = """
import sys, torch
from gpt2lab import weights
with open("/proc/self/status") as f: before = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
model = weights.from_pretrained(sys.argv[1], dtype=getattr(torch, sys.argv[2]))
with open("/proc/self/status") as f: after = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
print((after - before) * 1024)
"""


def write(directory: Path, size: str, kind: str) -> int:
    """A checkpoint of that shape filled with small random numbers, without ever holding the model. Returns its bytes of numbers."""
    directory.mkdir(parents=True)
    config, dtype = GPT2Config.named(size), KINDS[kind]
    with torch.device("meta"):
        shapes = {PREFIX + name: tuple(conv1d_to_linear(name, tensor).shape) for name, tensor in GPT2(config).state_dict().items()}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = (torch.randn(1 << 22) * 0.02).to(dtype).view(torch.uint8).numpy().tobytes()
    with (directory / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for start in range(0, end, len(block)):
            file.write(block[:end - start])
    (directory / "config.json").write_text(json.dumps({"model_type": "gpt2", **asdict(config)}))
    return end


def one_look(path: Path) -> None:
    for tensor in load_file(path).values():
        tensor.sum(dtype=torch.float32)


def one_look_and_a_model(directory: Path) -> None:
    state = {name.removeprefix(PREFIX): tensor for name, tensor in load_file(directory / "model.safetensors").items()}
    for tensor in state.values():
        tensor.sum(dtype=torch.float32)
    with torch.device("meta"):
        model = GPT2(read_config(directory))
    model.load_state_dict({name: conv1d_to_linear(name, tensor) for name, tensor in state.items()}, assign=True)


def put_out_of_cache(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def medians(ways: dict[str, Callable[[], object]], runs: int, before: Callable[[], object] = lambda: None) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(runs + 1):
        for name, call in ways.items():
            before()
            start = time.perf_counter()
            call()
            if run:                        # the first round warms up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(all_runs) for name, all_runs in times.items()}


def peak_bytes(directory: Path, dtype: torch.dtype) -> float:
    """How much the resident set of a fresh process grew at most while it loaded; nan where there is no /proc."""
    if not Path("/proc/self/status").exists():
        return float("nan")
    done = subprocess.run([sys.executable, "-c", CHILD, str(directory), str(dtype).removeprefix("torch.")],
                          capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["gpt2"], choices=sorted({size for size, *_ in CASES}))
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"loading, CPU, {arguments.threads} threads, median of {arguments.runs} runs, file in the system's cache, or on disk")
    columns = ("load_file", "and a look", "and a model", "gpt2lab", "/ look", "/ model", "from disk", "memory / weights")
    print(f"{'shape':<9}{'file':<6}{'wanted':<6}" + "".join(f"{name:>{len(name) + 3}}" for name in columns))
    with tempfile.TemporaryDirectory() as folder:
        for size, kind, wanted in CASES:
            if size not in arguments.sizes:
                continue
            directory, dtype = Path(folder) / f"{size}-{kind}", KINDS[wanted]
            if not directory.exists():
                write(directory, size, kind)
            file = directory / "model.safetensors"
            ways = {"look": lambda: one_look(file), "ours": lambda: from_pretrained(directory, dtype=dtype)}
            took = medians({"maps": lambda: load_file(file), "model": lambda: one_look_and_a_model(directory), **ways}, arguments.runs)
            cold = medians(ways, 3, lambda: put_out_of_cache(file)) if hasattr(os, "posix_fadvise") else {"look": 1.0, "ours": float("nan")}
            weights = file.stat().st_size / KINDS[kind].itemsize * dtype.itemsize
            cells = [f"{took[way] * 1e3:.1f} ms" for way in ("maps", "look", "model", "ours")]
            cells += [f"{took['ours'] / took['look']:.2f}", f"{took['ours'] / took['model']:.2f}", f"{cold['ours'] / cold['look']:.2f}",
                      f"{peak_bytes(directory, dtype) / weights:.3f}"]
            print(f"{size:<9}{kind:<6}{wanted:<6}" + "".join(f"{cell:>{len(name) + 3}}" for name, cell in zip(columns, cells)), flush=True)


if __name__ == "__main__":
    main()
