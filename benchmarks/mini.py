"""What mini has learned: its held-out text beside an n-gram model and compressors, its heads, and its use of examples.

    python benchmarks/mini.py [--model DIR] [--episodes 200] [--card]

Held-out text is the part of `gpt2lab.corpus` that mini never trained on, on this machine. Everything is bits a byte of the
same text: a trigram model of the same tokens (Witten-Bell smoothing, trained on the same training text), gzip and xz of
the held-out text alone, and xz of it after the training text, which lets xz look back at that.
"""
from __future__ import annotations

import argparse
import gzip
import lzma
import math
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import torch

import gpt2lab
from gpt2lab import corpus, practice
from gpt2lab.lab import Lab
from gpt2lab.weights import find_model
from gpt2lab.widgets.head_finder import head_scores


def trigram_bits(train: list[int], text: list[int]) -> float:
    """Bits that a trigram model of tokens needs for `text`: each order falls back on the one below (Witten & Bell 1991)."""
    counts: list[defaultdict[tuple[int, ...], Counter]] = [defaultdict(Counter) for _ in range(3)]
    for i, token in enumerate(train):
        for order in range(3):
            if i >= order:
                counts[order][tuple(train[i - order:i])][token] += 1
    totals = [{context: counter.total() for context, counter in table.items()} for table in counts]
    n_vocab = max(max(train), max(text)) + 1

    def probability(i: int, order: int) -> float:
        if order < 0:
            return 1 / n_vocab
        context = tuple(text[i - order:i])
        lower = probability(i, order - 1)
        if context not in counts[order]:
            return lower
        seen, total, kinds = counts[order][context][text[i]], totals[order][context], len(counts[order][context])
        return (seen + kinds * lower) / (total + kinds)
    return -sum(math.log2(probability(i, min(i, 2))) for i in range(len(text)))


@torch.inference_mode()
def model_bits(lab: Lab, ids: list[int]) -> float:
    """Bits that the model needs for `ids`, in windows of its whole context."""
    size, nats = lab.model.config.n_positions, 0.0
    windows = torch.tensor(ids[:len(ids) // (size + 1) * (size + 1)], device=lab.device).view(-1, size + 1)
    for rows in windows.split(8):
        logits = lab.model(rows[:, :-1]).logits
        nats += torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum").item()
    return nats / math.log(2) * len(ids) / (len(windows) * size)


@torch.inference_mode()
def best_heads(lab: Lab, period: int = 24, sequences: int = 32) -> dict[str, tuple[float, int, int]]:
    """kind -> (score, layer, head): the strongest, as a mean over sequences of random tokens shown twice."""
    generator = torch.Generator().manual_seed(0)
    block = torch.randint(lab.tokenizer.eot_token, (sequences, period), generator=generator)
    start = torch.full((sequences, 1), lab.tokenizer.eot_token)
    attentions = lab.model(torch.cat([start, block, block], 1).to(lab.device), output_attentions=True).attentions
    scores = head_scores(torch.stack(attentions).float().mean(1), period)      # (3, layers, heads)
    found = {}
    for kind, table in zip(("previous token", "first token", "induction"), scores):
        layer, head = divmod(int(table.argmax()), table.shape[1])
        found[kind] = (table.max().item(), layer, head)
    return found


@torch.inference_mode()
def mapping_accuracy(lab: Lab, examples: int, episodes: int, arrow: str = "") -> tuple[float, float]:
    """Share of episodes in which the right answer, of four, is the likeliest after `examples` lines; and its standard error.

    A line is a made-up name and its answer, `vodu mek`, or with an arrow, `vodu -> mek`. Both are made up anew in each
    episode, so that nothing but the lines before can tell. They go through the four names in turn; one of them is asked for.
    """
    right = 0
    for episode in range(episodes):
        rng = Random(episode)
        table = practice.made_up_table(rng, 4)
        names = list(table)
        asked = rng.choice(names)
        shown = [names[i % 4] for i in range(examples)]
        rng.shuffle(shown)
        prompt = "".join(f"{name}{arrow} {table[name]}\n" for name in shown) + f"{asked}{arrow}"
        right += max(table.values(), key=lambda answer: answer_score(lab, prompt, f" {answer}\n")) == table[asked]
    share = right / episodes
    return share, math.sqrt(share * (1 - share) / episodes)


def answer_score(lab: Lab, prompt: str, answer: str) -> float:
    """Mean log-probability of the answer's tokens after the prompt."""
    first, rest = lab.encode(prompt), lab.encode(answer)
    ids = torch.cat([first, rest], 1)
    log_probs = lab.model(ids).logits[0, first.shape[1] - 1:-1].log_softmax(-1)
    return log_probs.gather(1, rest[0, :, None]).mean().item()


def seconds_to_first_token(model: str) -> float:
    """A new Python: import torch, open the model, produce one token; the best of five."""
    program = f"import time; t = time.perf_counter(); import gpt2lab; lab = gpt2lab.open_lab({model!r}, 'cpu'); " \
              "next(iter(lab.stream('The function returns'))); print('SECONDS', time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout for _ in range(5)]
    return min(float(run.split("SECONDS")[1]) for run in runs)


def write_into_card(card: Path, report: str) -> None:
    """Put the report into the model card, before its limits, in place of an older one."""
    before, limits = card.read_text(encoding="utf-8").split("## Limits")
    before = before.split("## What it has learned")[0]
    card.write_text(f"{before}## What it has learned\n`python benchmarks/mini.py` measured:\n\n```text\n{report}\n```\n\n## Limits{limits}",
                    encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--card", action="store_true", help="write the report into the model card, too")
    arguments = parser.parse_args()
    lab = gpt2lab.open_lab(arguments.model, "cpu")

    train, held_out = ("\n\n".join(texts) for texts in corpus.split())
    size = len(held_out.encode())
    train_ids, held_ids = (lab.tokenizer.encode(text, disallowed_special=()) for text in (train, held_out))
    before, alone, both = (len(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
                           for text in (train, held_out, train + held_out))
    table = {"mini": model_bits(lab, held_ids), "trigrams of the same tokens": trigram_bits(train_ids, held_ids),
             "xz after the training text": 8 * (both - before), "xz": 8 * alone, "gzip": 8 * len(gzip.compress(held_out.encode(), 9))}
    report = [f"held-out documentation, {size:,} bytes: bits a byte"]
    report += [f"  {name:28} {bits / size:5.3f}   {bits / table['mini']:.2f} times mini's" for name, bits in table.items()]
    report += ["strongest heads on random tokens shown twice"]
    report += [f"  {kind:28} {score:5.2f}   layer {layer}, head {head}" for kind, (score, layer, head) in best_heads(lab).items()]
    report += [f"made-up pairs, the right one of four answers, {arguments.episodes} episodes"]
    for arrow in ("", " ->"):
        for examples in (0, 1, 2, 4, 8, 16):
            share, error = mapping_accuracy(lab, examples, arguments.episodes, arrow)
            report.append(f"  {examples:2} examples, vodu{arrow + ' mek':10}{100 * share:5.1f} % +- {196 * error:.1f}")
    print("\n".join(report))
    if arguments.card:
        write_into_card(find_model(arguments.model) / "README.md", "\n".join(report))
    print(f"from nothing to the first token, import torch counted: {seconds_to_first_token(arguments.model):.2f} s")


if __name__ == "__main__":
    main()
