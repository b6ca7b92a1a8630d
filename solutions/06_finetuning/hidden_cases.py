"""Cases of exercise 06 that a learner does not see: other sizes, other settings."""

from gpt2lab.grading import Case, args, exact, raises
from gpt2lab.grading.checks.finetuning import (
    CLIPPED,
    SHIFTED,
    STATE,
    adam_args,
    clip_args,
    lora_case,
    micro_batches,
    normal,
    rates,
    step_args,
    texts,
)

HIDDEN = {
    "finetuning.shift_targets": (
        Case("many texts", texts(7, 2, 9, 5), points=2, **SHIFTED),
        Case("many texts padded on the left", texts(6, 8, 3, left=True, pad=4), **SHIFTED),
        Case("an ignore_index of 99", texts(3, 5, 2, ignore_index=99), points=0.5, **SHIFTED),
        Case("three texts of one token", texts(1, 1, 1), points=0.5, driver="finetuning.shift", compare=raises("ValueError", ("1",))),
    ),
    "finetuning.token_mean_loss": (
        Case("five micro-batches", micro_batches((9, 2), (1,), (4, 4, 7), (3,), (8,), V=11), points=2, driver="finetuning.loss"),
        Case("the first one all padding", micro_batches((0, 0), (5, 2)), driver="finetuning.loss"),
        Case("larger logits", micro_batches((4, 1), (6,), scale=1500), driver="finetuning.loss"),
        Case("one text of nothing", micro_batches((0,)), points=0.5, driver="finetuning.loss", compare=raises("ValueError")),
    ),
    "finetuning.adamw_step": (
        Case("a larger matrix", adam_args(5, 7, step=4, lr=0.2, betas=(0.8, 0.95), weight_decay=0.3), points=2, compare=STATE),
        Case("the first step with decay", adam_args(2, 2, 2, step=1, lr=0.4, weight_decay=0.25), compare=STATE),
        Case("tinier gradients", adam_args(3, step=3, eps=1e-4, scale=1e-4, weight_decay=0.2), compare=STATE),
        Case("step 0 with decay", adam_args(3, step=0, weight_decay=0.1), points=0.5, compare=raises("ValueError", ("0",))),
    ),
    "finetuning.lr_at": (
        Case("a long run", rates(range(0, 131, 7), 0.6, 30, 120, min_lr=0.06), points=2, driver="finetuning.rates"),
        Case("a warm-up of one step", rates(range(6), 0.25, 1, 5), driver="finetuning.rates"),
        Case("a constant rate at last", rates(range(3, 9), 0.5, 3, 7, min_lr=0.5), points=0.5, driver="finetuning.rates"),
    ),
    "finetuning.clip_gradients": (
        Case("many tensors", clip_args((4, 3), (2,), (6, 1), (3, 3), (5,), norm=9, max_norm=0.5), points=2, compare=CLIPPED),
        Case("far below", clip_args((3, 2), (4,), norm=0.05, max_norm=3.0), compare=CLIPPED),
        Case("just above", clip_args((2, 2), (3,), norm=1.1, max_norm=1.0, sizes=(0.2, 1)), compare=CLIPPED),
        Case("a limit below 0", lambda rng: args([normal(rng, 2)], -2.0), points=0.5, compare=raises("ValueError", ("-2",))),
    ),
    "finetuning.step_gradients": (
        Case("five micro-batches", step_args(4, 9, 1, 6, 3, norm=7, max_norm=1.0, shapes=((3, 4), (2,), (5, 1))), points=2, compare=CLIPPED),
        Case("below the limit", step_args(2, 5, norm=0.3, max_norm=6.0), compare=CLIPPED),
        Case("the last one all padding", step_args(8, 3, 0, norm=2, max_norm=1.2), compare=CLIPPED),
    ),
    "finetuning.LoRALinear": (
        Case("larger", lora_case(9, 12, 4, 16, 2, 5), points=2, driver="finetuning.lora"),
        Case("another fresh adapter", lora_case(6, 6, 3, 1, 2), points=0.5, driver="finetuning.fresh lora", compare=exact()),
        Case("what a step teaches, square", lora_case(4, 4, 2, 3, 3, bias=False), driver="finetuning.lora learns"),
        Case("merged without a bias", lora_case(6, 4, 3, 5, 2, bias=False), driver="finetuning.lora merged"),
        Case("a rank below 0", lora_case(3, 2, -1, 8, 1), points=0.5, driver="finetuning.fresh lora", compare=raises("ValueError", ("-1",))),
    ),
}  # fmt: skip
