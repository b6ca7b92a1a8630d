"""The tokenizer's figures: training time, encoding beside tiktoken (ratio, same run), memory of a stream, odd input.

    python benchmarks/tokenizer.py [--megabytes 100]

GPT-2's own vocabulary is measured too where tiktoken's files are at hand (TIKTOKEN_CACHE_DIR).
"""
from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import psutil

from gpt2lab import corpus
from gpt2lab.tokenizer import Tokenizer, train_bpe


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def fastest(calls: dict[str, Callable[[], object]], rounds: int = 9) -> dict[str, float]:
    """Fastest run of each call; the calls take turns, so that a slow moment of the machine hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            spent = seconds(call)
            if turn:                                       # the first turn warms up
                times[name].append(spent)
    return {name: min(values) for name, values in times.items()}


def training(text: str) -> Tokenizer:
    start, cpu = time.perf_counter(), time.process_time()
    tokenizer = train_bpe([text], 4096 + 257)
    print(f"train {len(tokenizer.merges):,} merges on {len(text.encode()) / 1e6:.1f} MB: {time.perf_counter() - start:.1f} s "
          f"({time.process_time() - cpu:.1f} s of one core; limit 15 s)")
    return tokenizer


def encoding(name: str, ours: Tokenizer, theirs, text: str) -> None:
    whole, lines = text[:2_000_000], text[:400_000].splitlines()
    assert ours.encode(whole) == theirs.encode(whole)
    cases = {"2 MB at once": ([whole], 5), f"{len(lines):,} lines one by one": (lines, 15)}
    for case, (texts, rounds) in cases.items():
        spent = fastest({"ours": lambda texts=texts: [ours.encode(t) for t in texts],
                         "tiktoken": lambda texts=texts: [theirs.encode(t) for t in texts]}, rounds)
        print(f"encode, {name}, {case}: ours {spent['ours'] * 1e3:.1f} ms, tiktoken {spent['tiktoken'] * 1e3:.1f} ms, "
              f"ours / tiktoken {spent['ours'] / spent['tiktoken']:.2f} (limit 1.2)")
    by_rank = seconds(lambda: ours.encode_by_rank(whole[:200_000]))
    compiled = seconds(lambda: ours.encode(whole[:200_000]))
    print(f"encode, {name}, by rank in Python / compiled core: {by_rank / compiled:.0f}")


def digest(blocks: Iterable[np.ndarray]) -> tuple[str, int]:
    total, count = hashlib.sha256(), 0
    for block in blocks:
        total.update(block.astype("<u4").tobytes())
        count += len(block)
    return total.hexdigest(), count


def peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def stream(folder: str, path: str, by_lines: bool, answers) -> None:
    """In a process of its own: how far memory rises while the file is encoded, and what came out.

    Memory is looked at after every block of ids: the system's own peak would still hold what the parent process had.
    """
    tokenizer = Tokenizer.load(folder)
    tokenizer.encode("load the compiled core first")
    resident = psutil.Process().memory_info
    before = highest = resident().rss

    def blocks(ids):
        nonlocal highest
        while block := list(islice(ids, 65_536)):
            highest = max(highest, resident().rss)
            yield np.array(block, dtype=np.uint32)

    with open(path, encoding="utf-8", newline="") as file:
        result = digest(blocks(tokenizer.encode_iterable(iter(file) if by_lines else file)))
    answers.put((*result, (highest - before) / 2**20))


def streaming(tokenizer: Tokenizer, text: str, megabytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(folder)
        path = Path(folder, "text.txt")
        size = len(text.encode())
        with path.open("w", encoding="utf-8", newline="") as file:
            for copy in range(-(-megabytes * 10**6 // size)):
                file.write(f"{text}\n\n\n{' ' * (copy % 7)}")
        whole = path.read_bytes().decode()
        expected = digest([tokenizer.to_tiktoken().encode_to_numpy(whole)])
        del whole
        context = multiprocessing.get_context("spawn")
        for by_lines in (False, True):
            answers = context.Queue()
            child = context.Process(target=stream, args=(folder, str(path), by_lines, answers))
            spent = time.perf_counter()
            child.start()
            found, count, grown = answers.get()
            child.join()
            print(f"stream {path.stat().st_size / 1e6:.0f} MB {'by lines' if by_lines else 'from an open file'}: {count:,} ids in "
                  f"{time.perf_counter() - spent:.0f} s, memory grows by {grown:.1f} MB (limit 50), "
                  f"equals whole-text encoding: {(found, count) == expected}")


def odd_input(tokenizer: Tokenizer) -> None:
    rng = random.Random(0)
    for name, text in {"one letter": "a" * 10**7, "spaces, then a word": " " * 10**7 + "x",
                       "random letters": "".join(rng.choices("etaoinshrdlu", k=10**7))}.items():
        spent = seconds(lambda text=text: tokenizer.encode(text))
        print(f"10 MB of {name}: encode {spent:.1f} s, train 300 merges {seconds(lambda text=text: train_bpe([text], 557)):.1f} s, "
              f"peak memory {peak_megabytes():,.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100, help="size of the streamed file")
    arguments = parser.parse_args()
    text = corpus.text(5_000_000)
    tokenizer = training(text)
    encoding("own vocabulary", tokenizer, tokenizer.to_tiktoken(), text)
    try:
        gpt2 = Tokenizer.gpt2()
    except FileNotFoundError as missing:
        print("GPT-2's vocabulary is not measured:", missing)
    else:
        import tiktoken
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(Path(tempfile.gettempdir(), "data-gym-cache")))
        encoding("GPT-2", gpt2, tiktoken.get_encoding("gpt2"), text)
    streaming(tokenizer, text, arguments.megabytes)
    odd_input(tokenizer)


if __name__ == "__main__":
    main()
