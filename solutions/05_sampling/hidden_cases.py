"""Cases of exercise 05 that a learner does not see: other sizes, other settings."""

import numpy as np

from gpt2lab.grading import Case, args, raises
from gpt2lab.grading.checks.sampling import (
    GROWN,
    STEP,
    beam_args,
    chain,
    grown,
    normal,
    nucleus,
    padded,
    penalised,
    random_history,
    same_positions,
    warm,
)

HIDDEN = {
    "sampling.temperature_probs": (
        Case("lukewarm", warm(0.7, 2, 3, 8), points=2),
        Case("0 in one row", warm(0, 9)),
        Case("far below 0", lambda rng: args(normal(rng, 2, 3), -3.0), points=0.5, compare=raises("ValueError", ("-3",))),
    ),
    "sampling.top_p_filter": (
        Case("a large vocabulary", lambda rng: args(normal(rng, 3, 60, scale=2), 0.9), points=2),
        Case("nearly nothing", lambda rng: args(normal(rng, 4, 7, scale=2), 0.01)),
        Case("two of three", nucleus(0.6, [0.25, 0.3, 0.45])),
        Case("below 0", lambda rng: args(normal(rng, 5), -0.2), points=0.5, compare=raises("ValueError", ("-0.2",))),
    ),
    "sampling.apply_repetition_penalty": (
        Case("many rows", random_history(5, 20, 15, 1.7), points=2),
        Case("a reward, twice seen", penalised(0.8, [[1, 1, 1]], [[2, 3, -1]]), points=0.5),
        Case("below 0", penalised(-1.2, [[0]], [[1, 2]]), points=0.5, compare=raises("ValueError", ("-1.2",))),
    ),
    "sampling.next_token_probs": (
        Case("five rows, all three", lambda rng: args(normal(rng, 5, 40, scale=2), 0.8, 12, 0.85), points=2),
        Case("the best one", chain(top_k=1)),
        Case("hot and narrow", chain([0.02, 0.5, 0.28, 0.15, 0.05], temperature=2.5, top_k=4, top_p=0.8)),
    ),
    "sampling.beam_step": (
        Case("eight beams", beam_args(K=8, V=20, num_beams=8), points=2, compare=STEP),
        Case("five beams that may end", beam_args(K=5, V=4, num_beams=5, eos=1), points=2, compare=STEP),
        Case("greedy", beam_args(K=1, V=9, num_beams=1), points=0.5, compare=STEP),
    ),
    "sampling.left_pad_positions": (
        Case("many lengths", padded(7, 1, 4, 6, 2), points=2, compare=same_positions),
        Case("three new tokens", padded(4, 8, 5, new=3), compare=same_positions),
    ),
    "sampling.cache_step": (
        Case("six beams", grown(B=6, H=4, S=5, d=3, beams=[5, 0, 0, 3, 1, 4]), points=2, compare=GROWN),
        Case("as many beams as heads", grown(B=4, H=4, S=2, d=2, beams=[3, 0, 1, 1]), compare=GROWN),
        Case("reordered before there is a cache", lambda rng: args(None, normal(rng, 2, 1, 1, 2), normal(rng, 2, 1, 1, 2), np.array([1, 0])),
             points=0.5, compare=GROWN),
    ),
}  # fmt: skip
