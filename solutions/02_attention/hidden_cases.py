"""Cases of exercise 02 that a learner does not see: other sizes, other masks, longer sequences in other steps."""

import numpy as np

from gpt2lab.grading import Case, args, exact, raises
from gpt2lab.grading.checks.attention import PAIR, WITH_CACHE, _qkv, counting, layer_case, may_attend, sequence_in_steps, step_args


def random_mask(rng, T: int, S: int) -> np.ndarray:
    return (rng.random((T, S)) < 0.4) | np.eye(T, S, dtype=bool)  # every row has a key


HIDDEN = {
    "attention.causal_mask": (
        Case("seven of nine", lambda rng: args(7, 9), compare=exact()),
        Case("as many keys as queries", lambda rng: args(6, 6), points=0.5, compare=exact()),
        Case("far too many queries", lambda rng: args(20, 4), points=0.5, compare=raises("ValueError", ("20", "4"))),
    ),
    "attention.scaled_dot_product_attention": (
        Case("random mask", lambda rng: _qkv(rng, 2, 4, T=5, S=7, d=3, e=2, mask=random_mask(rng, 5, 7)), points=2, compare=PAIR),
        Case("huge scores without a mask", lambda rng: _qkv(rng, T=6, d=4, scale=80), compare=PAIR),
        Case("one query, many keys", lambda rng: _qkv(rng, 3, 2, T=1, S=8, d=6, mask=may_attend(1, 8)), compare=PAIR),
    ),
    "attention.split_heads": (
        Case("as many heads as tokens", lambda rng: args(counting(2, 4, 8), 4), compare=exact()),
        Case("one head", lambda rng: args(counting(2, 3, 5), 1), points=0.5, compare=exact()),
        Case("more heads than channels", lambda rng: args(counting(1, 2, 3), 5), points=0.5, compare=raises("ValueError", ("3", "5"))),
    ),
    "attention.merge_heads": (
        Case("as many heads as tokens", lambda rng: args(counting(2, 4, 4, 3)), compare=exact()),
        Case("one head", lambda rng: args(counting(2, 1, 3, 5)), points=0.5, compare=exact()),
    ),
    "attention.CausalSelfAttention": (
        Case("six heads, a long text", layer_case(C=24, H=6, B=2, T=16), points=2, driver="attention.layer"),
        Case("as many heads as tokens", layer_case(C=8, H=4, B=3, T=4), driver="attention.layer"),
        Case("more dropout", layer_case(C=12, H=2, B=2, T=6, dropout=0.7), driver="attention.layer"),
    ),
    "attention.attend_with_cache": (
        Case("other steps", sequence_in_steps((1, 4, 1, 1, 3), B=2, H=3, d=4), points=2, driver="attention.steps"),
        Case("more new than old", step_args(B=2, H=3, T=5, d=2, P=1), compare=WITH_CACHE),
    ),
}  # fmt: skip
