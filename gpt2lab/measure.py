"""What a call costs: its time and the most memory it holds at once, on the CPU or a GPU. For cost sections and benchmarks."""
from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.profiler import ProfilerActivity, profile


def seconds(call: Callable[[], object], *, repeats: int = 5, device: torch.device | str = "cpu", threads: int = 1) -> float:
    """The fastest of `repeats` runs of `call`, after one that warms up, in seconds: the rest is other programs' noise.

    On the CPU one thread works unless `threads` says otherwise: on a busy machine several wait for each other, and a
    short call would measure the waiting.
    """
    wait, before = _barrier(device), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        call()
        best = float("inf")
        for _ in range(repeats):
            wait()
            start = time.perf_counter()
            call()
            wait()                                         # a GPU call returns before its work is done
            best = min(best, time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return best


def peak_bytes(call: Callable[[], object], *, device: torch.device | str = "cpu") -> int:
    """The most bytes of tensors, scratch space of kernels counted, that `call` holds at once beyond what was there before."""
    device = torch.device(device)
    if device.type == "cuda":
        call()                                             # the first call may set up a library's workspace
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if device.type != "cpu":
        raise ValueError(f"peak memory is known for cpu and cuda, not for {device.type}: measure on the cpu")
    with _quiet_stderr(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":                     # one event an allocation (positive) or a release (negative)
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def _barrier(device: torch.device | str) -> Callable[[], None]:
    kind = torch.device(device).type
    return {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(kind, lambda: None)


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """PyTorch 2.13's profiler writes a line of its own to the process's stderr at each start and stop."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
