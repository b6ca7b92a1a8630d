"""Cases of exercise 03 that a learner does not see: other sizes, other numbers."""

from gpt2lab.grading import Case, args, exact, raises
from gpt2lab.grading.checks.decoder import block_case, count_case, embed_args, loss_args, mlp_case, model_case, norm_case, normal

HIDDEN = {
    "decoder.embed": (
        Case("one new token after many", embed_args(B=3, T=1, past=11, V=9, C=5, n_positions=12)),
        Case("a longer text", embed_args(B=2, T=10, V=9, C=3, n_positions=12), points=0.5),
        Case("one cached token too many", embed_args(B=2, T=1, past=12, n_positions=12), points=0.5, compare=raises("ValueError", ("13", "12"))),
    ),
    "decoder.LayerNorm": (
        Case("large and wide", norm_case(2, 4, 24, scale=30, around=-100), driver="decoder.norm"),
        Case("tinier variance", norm_case(2, 2, 8, scale=3e-4, around=0.01), driver="decoder.norm"),
        Case("all the same number", norm_case(1, 2, 4, scale=0, around=2), points=0.5, driver="decoder.norm"),
    ),
    "decoder.gelu": (Case("near its dip", lambda rng: args(normal(rng, 40, scale=0.5, around=-1))),),
    "decoder.MLP": (
        Case("wider", mlp_case(B=2, T=4, C=10), driver="decoder.module"),
        Case("more dropout", mlp_case(B=1, T=3, C=6, dropout=0.8), points=0.5, driver="decoder.module"),
    ),
    "decoder.Block": (
        Case("wider", block_case(B=2, T=7, C=12, H=4), points=2, driver="decoder.module"),
        Case("as many heads as tokens", block_case(B=1, T=2, C=8, H=2), driver="decoder.module"),
    ),
    "decoder.GPT2": (
        Case("four layers", model_case(B=2, T=8, L=4, C=12, H=4, V=21, P=8), points=2, driver="decoder.model"),
        Case("another eps", model_case(B=1, T=5, layer_norm_epsilon=0.2), driver="decoder.model"),
        Case("far too long", model_case(B=1, T=30), points=0.5, driver="decoder.model", compare=raises("ValueError", ("30", "9"))),
    ),
    "decoder.next_token_loss": (
        Case("a longer batch", loss_args(B=4, T=9, V=13), points=2),
        Case("larger logits", loss_args(B=1, T=8, scale=2000)),
    ),
    "decoder.count_parameters": (
        Case("all together", count_case(V=11, C=3, tied=True, buffer=True), driver="decoder.count", compare=exact()),
    ),
}  # fmt: skip
