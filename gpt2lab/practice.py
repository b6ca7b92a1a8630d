"""Practice tasks for mini: short made-up episodes that reward looking back, mixed into the documentation it learns from.

Documentation rarely repeats fresh material word for word, so a small model trained on nothing else hardly learns to copy.
An episode shows something made up on the spot and then asks for it again: only looking back answers it, nothing remembered
from another episode does.
"""
from __future__ import annotations

import math
from random import Random

from gpt2lab.tokenizer import Tokenizer

CONSONANTS, VOWELS = "bdfghjklmnprstvwz", "aeiou"


def repeated_tokens(rng: Random, tokenizer: Tokenizer, length: int) -> tuple[list[int], int]:
    """Random tokens, then the same ones again and again: what an induction head completes (Olsson et al. 2022).

    Returns the ids and the length of the first showing, in which nothing can be foreseen.
    """
    period = round(math.exp(rng.uniform(math.log(8), math.log(length // 2))))        # as many short ones as long ones
    block = [rng.randrange(tokenizer.eot_token) for _ in range(period)]
    return [block[i % period] for i in range(length)], period


def mapping(rng: Random, length: int) -> str:
    """Lines such as `vodu -> mek`: a few made-up words, each always with its own answer, in random order."""
    table = made_up_table(rng, rng.randint(2, 8))
    names = list(table)
    return "".join(f"{name} -> {table[name]}\n" for name in (rng.choice(names) for _ in range(length // 6)))


def made_up_table(rng: Random, size: int) -> dict[str, str]:
    """At most `size` made-up words, each with another as its answer."""
    return {_word(rng): _word(rng) for _ in range(size)}


def question(rng: Random, length: int) -> str:
    """A list of facts, then questions about them: `The zuba is red.` ... `Q: What colour is the zuba?  A: red`."""
    colours = ["red", "blue", "green", "white", "black", "yellow"]
    facts = {_word(rng): rng.choice(colours) for _ in range(rng.randint(2, 6))}
    lines = [f"The {name} is {colour}." for name, colour in facts.items()]
    names = [rng.choice(list(facts)) for _ in range(max(1, length // 16 - len(lines)))]
    return "\n".join(lines + [f"Q: What colour is the {name}? A: {facts[name]}" for name in names]) + "\n"


def episode(rng: Random, tokenizer: Tokenizer, length: int) -> tuple[list[int], int]:
    """`length` token ids of practice, the kind drawn at random, and how many of the first ones nothing could foresee."""
    if length < 16:
        raise ValueError(f"length={length}: nothing can be shown and asked for again in fewer than 16 tokens")
    kind = rng.random()
    if kind < 0.6:
        return repeated_tokens(rng, tokenizer, length)
    ids: list[int] = []
    while len(ids) < length:                               # token counts of made-up words vary
        ids += [*tokenizer.encode((mapping if kind < 0.85 else question)(rng, length // 2)), tokenizer.eot_token]
    return ids[:length], 0


def _word(rng: Random) -> str:
    return "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(rng.randint(1, 3))) + rng.choice(CONSONANTS)
