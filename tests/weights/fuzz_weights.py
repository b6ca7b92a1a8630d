"""Damages checkpoints in every layout and loads them: only a clear error or a whole model may come out.

    python tests/weights/fuzz_weights.py [--cases 2400] [--seed 0]
prints one line with the counts; the first outcome of another kind ends it with a traceback.
"""
from __future__ import annotations

import argparse
import collections
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.weights import PREFIX, from_pretrained, save_pretrained

CONFIG = GPT2Config(n_layer=1, n_head=2, n_embd=4, n_positions=3, vocab_size=5)
SLOWEST = 10.0                             # seconds for one case: hundreds of times what it takes
NUMBERS = (0, -1, 1, 2, 7, 8, 255, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 2 ** 63, 2 ** 64 - 1, 10 ** 30)


def layouts(folder: Path) -> dict[str, list[str]]:
    """A small model in each layout: folder name -> the files to damage."""
    torch.manual_seed(0)
    model = GPT2(CONFIG)
    save_pretrained(model, folder / "safetensors")
    state = load_file(folder / "safetensors" / "model.safetensors")
    for name in ("pickle", "legacy", "shards"):
        (folder / name).mkdir()
        shutil.copy(folder / "safetensors" / "config.json", folder / name)
    torch.save(state, folder / "pickle" / "pytorch_model.bin")
    torch.save(state, folder / "legacy" / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    halves = {"one.safetensors": {k: v for k, v in state.items() if k < PREFIX + "h.0.m"}}
    halves["two.safetensors"] = {k: v for k, v in state.items() if k not in halves["one.safetensors"]}
    for file, half in halves.items():
        save_file(half, folder / "shards" / file)
    index = {"metadata": {}, "weight_map": {k: file for file, half in halves.items() for k in half}}
    (folder / "shards" / "model.safetensors.index.json").write_text(json.dumps(index))
    return {"safetensors": ["model.safetensors", "config.json"], "pickle": ["pytorch_model.bin"], "legacy": ["pytorch_model.bin"],
            "shards": ["model.safetensors.index.json", "one.safetensors", "two.safetensors"]}


def flip_bits(data: bytearray, at: random.Random) -> bytes:
    """One to four bits, three times in four near the start, where headers are."""
    for _ in range(at.randint(1, 4)):
        end = min(len(data), 1500) if at.random() < 0.75 else len(data)
        data[at.randrange(end)] ^= 1 << at.randrange(8)
    return bytes(data)


def random_bytes(data: bytearray, at: random.Random) -> bytes:
    start = at.randrange(len(data))
    length = at.randint(1, 16)
    data[start:start + length] = at.randbytes(length)
    return bytes(data)


def cut(data: bytearray, at: random.Random) -> bytes:
    return bytes(data[:at.randrange(len(data))])


def lengthen(data: bytearray, at: random.Random) -> bytes:
    return bytes(data) + at.randbytes(at.randint(1, 100))


def drop_piece(data: bytearray, at: random.Random) -> bytes:
    start = at.randrange(len(data))
    del data[start:start + at.randint(1, 40)]
    return bytes(data)


def claim_length(data: bytearray, at: random.Random) -> bytes:
    """Another number in the first eight bytes, where safetensors keeps the length of its header."""
    return (at.choice(NUMBERS) % 2 ** 64).to_bytes(8, "little") + bytes(data[8:])


def change_number(data: bytearray, at: random.Random) -> bytes:
    """Another number in place of one that is written out in the text, as headers and configs have them."""
    spots = [i for i in range(min(len(data), 4000)) if 48 <= data[i] <= 57]
    if spots:
        i = at.choice(spots)
        data[i:i + 1] = str(at.choice(NUMBERS)).encode()
    return bytes(data)


DAMAGES: tuple[Callable[[bytearray, random.Random], bytes], ...] = (flip_bits, flip_bits, random_bytes, cut, lengthen, drop_piece,
                                                                     claim_length, change_number, change_number)


def run(cases: int, seed: int, folder: Path) -> collections.Counter:
    """Every case ends as "loaded" or as the name of a permitted error; anything else is raised."""
    at, outcomes = random.Random(seed), collections.Counter()
    files = [(folder / name, file) for name, names in layouts(folder).items() for file in names]
    for case in range(cases):
        directory, file = files[case % len(files)]
        damage = at.choice(DAMAGES)
        whole = (directory / file).read_bytes()
        (directory / file).unlink()        # never written in place: an earlier model may still be mapped to it
        (directory / file).write_bytes(damage(bytearray(whole), at))
        start = time.monotonic()
        try:
            model = from_pretrained(directory)
            assert all(parameter.isfinite().all() and not parameter.is_meta for parameter in model.parameters())
            outcomes["loaded"] += 1
        except (ValueError, FileNotFoundError) as error:
            assert str(directory) in str(error) or file in str(error), f"names no file: {error}"
            assert len(str(error)) < 1000 + 2 * len(str(folder)), "an error is no place for the whole file"
            outcomes[type(error).__name__] += 1
        except BaseException:
            print(f"case {case}, seed {seed}: {damage.__name__} on {directory.name}/{file}", file=sys.stderr)
            raise
        assert time.monotonic() - start < SLOWEST, f"case {case}: {damage.__name__} on {directory.name}/{file} hung"
        (directory / file).unlink()
        (directory / file).write_bytes(whole)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        import resource
        def peak() -> int:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    except ImportError:                    # Windows has no such count
        def peak() -> int:
            return 0
    with tempfile.TemporaryDirectory() as folder:
        run(20, 1, Path(folder) / "warm")  # what the libraries take once
        before = peak()
        outcomes = run(arguments.cases, arguments.seed, Path(folder) / "cases")
    print(json.dumps({"cases": sum(outcomes.values()), **outcomes, "grown_bytes": peak() - before}))


if __name__ == "__main__":
    main()
