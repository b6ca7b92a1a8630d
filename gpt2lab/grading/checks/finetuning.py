"""Checks of chapter 06: targets, the loss of a big batch, AdamW, the schedule, clipping, accumulated gradients, and LoRA.

Cases and diagnoses; the wrong versions that the diagnoses name stand in `gpt2lab.grading.keys.finetuning`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..cases import Case, Check, Diagnosis, args, as_tensors, driver
from ..compare import close, exact, raises
from ..modules import NO_SUPER, NOTHING_RETURNED, normal

KEYS = "gpt2lab.grading.keys.finetuning:"
IGNORE = -100
# sections of the chapter
LOSS, ADAMW, SCHEDULE, CLIPPING, ACCUMULATION, LORA = "6.3", "6.5", "6.6", "6.7", "6.8", "6.15"


def _wrong(name: str, says: str, section: str, variant: str) -> Diagnosis:
    return Diagnosis(name, says, section, variant=KEYS + variant)


def _accepted(name: str, says: str, section: str) -> Diagnosis:
    return Diagnosis(name, says, section, when=lambda inputs, expected, got: not expected.ok and got.ok and got.value is not None)


# --- shift_targets ------------------------------------------------------------------------------------------------

@driver("finetuning.shift")
def _shift(piece: Any, inputs: Any) -> Any:
    """Both results, and whether the ids that were handed in are still the same."""
    given = as_tensors(inputs["args"])
    pair = piece(*given, **inputs["kwargs"])
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return pair
    return {"inputs": pair[0], "targets": pair[1], "input_ids_afterwards": given[0]}


def texts(*lengths: int, left: bool = False, pad: int = 0, **named: int):
    """Texts of these lengths, padded on the right or the left with an id that occurs in them too."""

    def inputs(rng: np.random.Generator) -> dict:
        T = max(lengths)
        ids = rng.integers(1, 50, (len(lengths), T))
        ids[:, T // 2] = pad
        mask = np.array([[0] * (T - n) + [1] * n if left else [1] * n + [0] * (T - n) for n in lengths])
        ids[mask == 0] = pad
        return args(ids, mask, **named) if len(set(lengths)) > 1 else args(ids, **named)

    return inputs


def easy_texts(rng: np.random.Generator):
    yield from (texts(*lengths)(rng) for lengths in ((2,), (3,), (2, 2), (3, 2)))
    yield texts(3, 2, left=True)(rng)


SHIFTED = {"driver": "finetuning.shift", "compare": exact()}

SHIFT_TARGETS = Check(
    piece="finetuning.shift_targets",
    section=LOSS,
    reference=KEYS + "shift_targets",
    cases=(
        Case("one text", texts(5), **SHIFTED, smaller=easy_texts),
        Case("three texts", texts(4, 4, 4), points=0.5, **SHIFTED, smaller=easy_texts),
        Case("padding on the right", texts(3, 6, 4), points=2, **SHIFTED, smaller=easy_texts),
        Case("padding on the left", texts(5, 2, left=True), **SHIFTED, smaller=easy_texts),
        Case("another ignore_index", texts(2, 5, ignore_index=-1), **SHIFTED),
        Case("two tokens", texts(2), points=0.5, **SHIFTED),
        Case("one token", texts(1), points=0.5, driver="finetuning.shift", compare=raises("ValueError", ("1",))),
    ),
    diagnoses=(
        _wrong("no shift", "position t is asked for token t + 1: input_ids[:, 1:]; asked for the token it has just read, a model "
               "learns to copy", LOSS, "shift_none"),
        _wrong("shifted twice", "the target is the next token, one further, not two", LOSS, "shift_twice"),
        _wrong("shifted twice, and filled up", "the target is the next token, one further, not two", LOSS, "shift_twice_filled"),
        _wrong("shifted backwards", "the model would be asked for the token before: inputs are [:, :-1], targets [:, 1:]", LOSS,
               "shift_backwards"),
        _wrong("shift left to the model", "Hugging Face's models take labels like that and shift them inside; here the pair comes "
               "shifted: (B, T - 1) each", LOSS, "shift_whole"),
        _wrong("inputs not cut", "the last token has no next one: leave it out of the inputs, and both are (B, T - 1)", LOSS,
               "shift_not_cut"),
        _wrong("the first token comes round again", "roll moves the first token to the end, where it is nobody's next token: cut "
               "instead", LOSS, "shift_rolled"),
        _wrong("shifted along the batch", "time is the second axis: [:, 1:]", LOSS, "shift_along_batch"),
        _wrong("pads are targets", "padding is nothing to learn: write ignore_index where the mask is 0", LOSS,
               "shift_pads_are_targets"),
        _wrong("mask of the inputs, not of the targets", "the last token of a short text would be asked for padding: the mask is "
               "shifted like the ids, attention_mask[:, 1:]", LOSS, "shift_by_mask_of_inputs"),
        _wrong("the first token predicted from padding", "with padding on the left the token before it is no token: a target counts "
               "where both are", LOSS, "shift_first_from_padding"),
        _wrong("mask turned round", "1 is a token, 0 is padding", LOSS, "shift_mask_turned_round"),
        Diagnosis("mask taken for True and False", "it holds whole numbers, and ~1 is -2: compare first, attention_mask == 0", LOSS,
                  variant=KEYS + "shift_whole_numbers", when=lambda inputs, expected, got: "boolean mask" in got.message),
        _wrong("padding known by its id", "the same id may stand in a text, and often does: only the mask knows", LOSS,
               "shift_pads_by_id"),
        _wrong("padding replaced by 0", "0 is a token like any other: write ignore_index", LOSS, "shift_pads_filled_with_zero"),
        _wrong("ignore_index not taken from the argument", "use the ignore_index that was passed", LOSS, "shift_always_100"),
        _wrong("inputs overwritten too", "a slice is a view of the same numbers: clone it before you write into it, or use "
               "masked_fill", LOSS, "shift_writes_into_inputs"),
        _wrong("the caller's ids overwritten", "what was handed in belongs to others, and a slice of it is a view: clone it before you "
               "write into it, or use masked_fill", LOSS, "shift_writes_into_ids"),
        _wrong("results in the wrong order", "return the inputs first", LOSS, "shift_swapped"),
        _accepted("a text of one token is accepted", "it has nothing to predict: raise ValueError and name the length", LOSS),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- token_mean_loss ----------------------------------------------------------------------------------------------


def micro_batches(*batches: tuple[int, ...], V: int = 5, scale: float = 2.0):
    """A tuple a micro-batch: how many targets each of its texts has. Padded on the right to its own longest text, and one more."""

    def inputs(rng: np.random.Generator) -> dict:
        made = []
        for counts in batches:
            B, T = len(counts), max(counts) + 1
            targets = np.full((B, T), IGNORE)
            for row, n in zip(targets, counts, strict=True):
                row[:n] = rng.integers(0, V, n)
            made.append((normal(rng, B, T, V, scale=scale), targets))
        return {"micro_batches": made}

    return inputs


@driver("finetuning.loss")
def _loss(piece: Any, inputs: Any) -> Any:
    """The loss, and what it would teach: the gradients of the logits."""
    batches = [(as_tensors(logits).requires_grad_(), as_tensors(targets)) for logits, targets in inputs["micro_batches"]]
    loss = piece(batches)
    if loss is None:
        return None
    if not getattr(loss, "requires_grad", False):
        return {"loss": loss, "gradients": None}
    if loss.dim() == 0:
        loss.backward()
    return {"loss": loss, "gradients": [logits.detach() * 0 if logits.grad is None else logits.grad for logits, _ in batches]}


def easy_losses(rng: np.random.Generator):
    yield from (micro_batches(*batches, V=2)(rng) for batches in (((1,),), ((1,), (2,)), ((2, 1),), ((1,), (2, 1))))


def _not_learnable(inputs: Any, expected: Any, got: Any) -> bool:
    return expected.ok and got.ok and got.value["gradients"] is None


def _padding_gives_nan(inputs: Any, expected: Any, got: Any) -> bool:
    empty = any((targets == IGNORE).all() for _, targets in inputs["micro_batches"])
    return empty and expected.ok and ("ZeroDivisionError" in got.error or (got.ok and bool(np.isnan(got.value["loss"]))))


TOKEN_MEAN_LOSS = Check(
    piece="finetuning.token_mean_loss",
    section=ACCUMULATION,
    reference=KEYS + "token_mean_loss",
    cases=(
        Case("one micro-batch", micro_batches((4,)), driver="finetuning.loss", smaller=easy_losses),
        Case("two texts, one padded", micro_batches((2, 6)), driver="finetuning.loss", smaller=easy_losses),
        Case("a long and a short micro-batch", micro_batches((7,), (2,)), points=2, driver="finetuning.loss", smaller=easy_losses),
        Case("three of unequal size", micro_batches((3, 1), (5, 4, 2), (6,)), points=2, driver="finetuning.loss", smaller=easy_losses),
        Case("one of them all padding", micro_batches((3, 2), (0,), (4,)), driver="finetuning.loss", smaller=easy_losses),
        Case("huge logits", micro_batches((3,), (2, 4), scale=300), driver="finetuning.loss"),
        Case("nothing but padding", micro_batches((0,), (0, 0)), points=0.5, driver="finetuning.loss", compare=raises("ValueError")),
    ),
    diagnoses=(
        Diagnosis("a micro-batch of padding gives nan", "its mean is 0 / 0, and nan times 0 tokens is nan again: add up sums, not means",
                  ACCUMULATION, when=_padding_gives_nan),
        _wrong("mean of micro-batch means", "a token of a short micro-batch would weigh more than one of a long one: add up the "
               "losses of all tokens, divide once by their number", ACCUMULATION, "loss_mean_of_means"),
        _wrong("sum of micro-batch means", "add up the losses of all tokens, divide once by their number", ACCUMULATION,
               "loss_sum_of_means"),
        _wrong("micro-batch means weighted by positions", "padding has no weight: count the targets that are not -100", ACCUMULATION,
               "loss_weighted_by_positions"),
        _wrong("pads counted in the mean", "divide by the number of targets that are not -100, not by all positions", LOSS,
               "loss_pads_counted"),
        _wrong("pads taken for token 0", "a target of -100 is none: it adds nothing to the sum and nothing to the count", LOSS,
               "loss_pads_as_zero"),
        Diagnosis("pads looked up as tokens", "-100 is no token: leave those targets out, or pass ignore_index=-100 to "
                  "F.cross_entropy", LOSS,
                  when=lambda inputs, expected, got: bool(re.search(r"-100 is out of bounds|Target -100", got.message))),
        _wrong("divided by the number of micro-batches", "divide by the number of tokens", ACCUMULATION, "loss_over_micro_batches"),
        _wrong("divided by the number of texts", "divide by the number of tokens", ACCUMULATION, "loss_over_rows"),
        _wrong("mean over texts", "a token of a short text would weigh more: divide once, by the tokens of all texts", ACCUMULATION,
               "loss_mean_of_rows"),
        _wrong("sum instead of mean", "divide by the number of tokens, or the step grows with the batch", LOSS, "loss_summed"),
        _wrong("only the last micro-batch", "add to what there is: +=", ACCUMULATION, "loss_of_last"),
        _wrong("tokens of the last micro-batch only", "the count grows as well: count += ...", ACCUMULATION, "loss_last_count"),
        _wrong("loss of the last micro-batch over all tokens", "the sum grows as well: total += ...", ACCUMULATION, "loss_last_sum"),
        _wrong("running mean", "half of what there is and half of what is new gives the last micro-batch half of all weight",
               ACCUMULATION, "loss_running"),
        _wrong("shifted twice", "the targets are shifted already: position t of the logits belongs to position t of the targets",
               LOSS, "loss_shifted_twice"),
        _wrong("the softmax overflows", "exp(300) is infinite in float32: F.cross_entropy or log_softmax takes the largest logit "
               "off first", LOSS, "loss_overflows"),
        _wrong("log of 0", "a probability too small for float32 is 0, and its logarithm infinite: use log_softmax", LOSS,
               "loss_log_of_zero"),
        _wrong("probabilities taken for logits", "F.cross_entropy does the softmax itself", LOSS, "loss_of_probabilities"),
        _wrong("in bits", "natural logarithms, as everywhere in PyTorch", LOSS, "loss_in_bits"),
        _wrong("perplexity instead of loss", "return the mean itself, without exp", LOSS, "loss_as_perplexity"),
        _wrong("sign turned round", "a loss is minus the logarithm: small when the model is sure and right", LOSS, "loss_negative"),
        Diagnosis("nothing can be learned from it", "a number has no gradient: return a tensor, without .item(), detach or no_grad",
                  LOSS, when=_not_learnable),
        _accepted("nothing but padding is accepted", "0 / 0 is nan, and one step with it ruins the model: raise ValueError", LOSS),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- adamw_step ---------------------------------------------------------------------------------------------------

STATE = close(names=("param", "exp_avg", "exp_avg_sq"))


def adam_args(
    *shape: int, step: int, lr: float = 0.1, betas: tuple[float, float] = (0.9, 0.99), eps: float = 1e-8, weight_decay: float = 0.0,
    scale: float = 1.0, still: bool = False,
):  # fmt: skip
    """The moments are 0 before step 1, and those of earlier gradients afterwards."""

    def inputs(rng: np.random.Generator) -> dict:
        param = normal(rng, *shape, scale=2)
        grads = normal(rng, 2, *shape, scale=scale)
        grad, earlier = (grads[0] * 0, grads[1]) if still else grads
        seen = float(step > 1)
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        return args(param, grad, 0.4 * seen * earlier, 0.3 * seen * earlier**2, step, **settings)

    return inputs


def easy_steps(rng: np.random.Generator):
    yield from (adam_args(1, step=step, weight_decay=decay)(rng) for decay in (0.0, 0.5) for step in (1, 2))


ADAMW_STEP = Check(
    piece="finetuning.adamw_step",
    section=ADAMW,
    reference=KEYS + "adamw_step",
    cases=(
        Case("the first step", adam_args(4, step=1), compare=STATE, smaller=easy_steps),
        Case("the third step", adam_args(2, 3, step=3), compare=STATE, smaller=easy_steps),
        Case("with weight decay", adam_args(3, 2, step=2, lr=0.3, weight_decay=0.5), points=2, compare=STATE, smaller=easy_steps),
        Case("decay alone", adam_args(3, step=1, lr=0.2, weight_decay=0.4, still=True), compare=STATE),
        Case("tiny gradients", adam_args(5, step=2, eps=1e-3, scale=1e-3), compare=STATE),
        Case("other betas", adam_args(2, 4, step=5, betas=(0.6, 0.8), weight_decay=0.1), compare=STATE, smaller=easy_steps),
        Case("after a thousand steps", adam_args(4, step=1000, weight_decay=0.2), points=0.5, compare=STATE),
        Case("step 0", adam_args(2, step=0), points=0.5, compare=raises("ValueError", ("0",))),
    ),
    diagnoses=(
        _wrong("L2 through the gradient", "that is Adam with L2, where the decay is divided by the root too: shrink the weights by "
               "themselves, param * (1 - lr * weight_decay)", ADAMW, "adamw_l2"),
        _wrong("decay divided by the root", "the decay is no gradient: shrink the weights by themselves, param * (1 - lr * "
               "weight_decay)", ADAMW, "adamw_decay_scaled"),
        _wrong("no weight decay", "multiply the weights by 1 - lr * weight_decay", ADAMW, "adamw_no_decay"),
        _wrong("weight decay without the learning rate", "the factor is 1 - lr * weight_decay: the schedule rules the decay too", ADAMW,
               "adamw_decay_without_lr"),
        _wrong("weight decay makes weights larger", "the factor is 1 - lr * weight_decay", ADAMW, "adamw_decay_grows"),
        _wrong("decay after the step", "torch.optim.AdamW shrinks the old weights and then takes the step, which is not shrunk", ADAMW,
               "adamw_late_decay"),
        _wrong("no bias correction", "both averages begin at 0 and are too small at first: divide them by 1 - beta ** step", ADAMW,
               "adamw_no_correction"),
        _wrong("exp_avg not corrected", "divide it by 1 - beta1 ** step", ADAMW, "adamw_first_uncorrected"),
        _wrong("exp_avg_sq not corrected", "divide it by 1 - beta2 ** step, inside the root", ADAMW, "adamw_second_uncorrected"),
        _wrong("corrected for one step too many", "steps count from 1 already: beta ** step", ADAMW, "adamw_late_count"),
        _wrong("corrected averages kept", "return the averages as they are: the correction is for this step only", ADAMW,
               "adamw_corrected_state"),
        _wrong("eps inside the root", "sqrt(v) + eps, not sqrt(v + eps): it matters where gradients are tiny", ADAMW, "adamw_eps_in_root"),
        _wrong("eps added before the correction", "correct first: sqrt(v / (1 - beta2 ** step)) + eps", ADAMW,
               "adamw_eps_before_correction"),
        _wrong("no eps", "a gradient near 0 must not be blown up: add eps to the root", ADAMW, "adamw_no_eps"),
        _wrong("no root", "divide by the root of the mean square, which has the size of a gradient", ADAMW, "adamw_no_root"),
        _wrong("not divided by the root", "that is momentum: each weight's step is divided by the size of its own gradients", ADAMW,
               "adamw_no_scale"),
        _wrong("uphill", "the loss falls against the gradient: subtract", ADAMW, "adamw_ascends"),
        _wrong("betas swapped", "beta1 is for the gradient, beta2 for its square", ADAMW, "adamw_betas_swapped"),
        _wrong("a beta turned round", "most of the old average stays: beta * old + (1 - beta) * new", ADAMW, "adamw_beta_turned_round"),
        _wrong("gradients summed instead of averaged", "the new gradient comes with a weight of 1 - beta", ADAMW,
               "adamw_sum_of_gradients"),
        _wrong("gradient not squared", "exp_avg_sq is an average of squares", ADAMW, "adamw_not_squared"),
        _wrong("one mean square for the whole tensor", "every weight has a scale of its own: that is the point of Adam", ADAMW,
               "adamw_mean_square"),
        _wrong("step taken with the old averages", "first the averages learn of this gradient, then the step is taken", ADAMW,
               "adamw_old_moments"),
        _wrong("averages not updated", "return the new averages: the next step goes on from them", ADAMW, "adamw_moments_not_kept"),
        _wrong("results in the wrong order", "param, exp_avg, exp_avg_sq", ADAMW, "adamw_in_another_order"),
        _wrong("averages not returned", "return param, exp_avg and exp_avg_sq: the next step needs all three", ADAMW, "adamw_only_param"),
        Diagnosis("step 0 is not refused", "1 - beta ** 0 is 0, and a division by it gives nan: raise ValueError, steps count from 1",
                  ADAMW, when=lambda inputs, expected, got: not expected.ok and "ValueError" not in got.error),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- lr_at --------------------------------------------------------------------------------------------------------


def rates(steps: range | list[int], learning_rate: float, warmup_steps: int, max_steps: int, **named: float):
    settings = {"learning_rate": learning_rate, "warmup_steps": warmup_steps, "max_steps": max_steps, **named}
    return lambda rng: {"steps": list(steps), "settings": settings}


@driver("finetuning.rates")
def _rates(piece: Any, inputs: Any) -> Any:
    return {f"step_{step}": piece(step, **inputs["settings"]) for step in inputs["steps"]}


def _nothing_in_entries(inputs: Any, expected: Any, got: Any) -> bool:
    return got.ok and None in got.value.values()


LR_AT = Check(
    piece="finetuning.lr_at",
    section=SCHEDULE,
    reference=KEYS + "lr_at",
    cases=(
        Case("while it warms up", rates(range(5), 0.5, 5, 20), driver="finetuning.rates"),
        Case("from the top to the end", rates(range(4, 12), 0.1, 4, 12), points=2, driver="finetuning.rates"),
        Case("half-way down", rates([3, 6, 9], 1.0, 3, 9), points=0.5, driver="finetuning.rates"),
        Case("with a least rate", rates(range(2, 10), 0.8, 2, 10, min_lr=0.2), points=2, driver="finetuning.rates"),
        Case("a least rate and a long warm-up", rates(range(6), 0.9, 5, 8, min_lr=0.3), points=0.5, driver="finetuning.rates"),
        Case("the last step and behind it", rates([10, 11, 15, 40], 0.4, 2, 10, min_lr=0.05), driver="finetuning.rates"),
        Case("without a warm-up", rates(range(6), 0.3, 0, 5), points=0.5, driver="finetuning.rates"),
    ),
    diagnoses=(
        _wrong("warm-up one step early", "step counts from 0, and so does the rate: learning_rate * step / warmup_steps; the top is "
               "reached at step warmup_steps", SCHEDULE, "lr_warm_from_one"),
        _wrong("warm-up too long", "learning_rate * step / warmup_steps reaches the top at step warmup_steps", SCHEDULE,
               "lr_warm_too_long"),
        _wrong("no warm-up", "before step warmup_steps the rate rises in a straight line from 0", SCHEDULE, "lr_no_warmup"),
        _wrong("warm-up along a cosine", "the rate rises in a straight line", SCHEDULE, "lr_cosine_warmup"),
        _wrong("warm-up in whole numbers", "step // warmup_steps is 0 until the end: divide with /", SCHEDULE, "lr_whole_division"),
        _wrong("warm-up from min_lr", "it rises from 0: min_lr is where it ends", SCHEDULE, "lr_from_min"),
        _wrong("cosine that ends at the wrong step", "after the warm-up only max_steps - warmup_steps steps are left: progress is (step "
               "- warmup_steps) / (max_steps - warmup_steps)", SCHEDULE, "lr_ends_late"),
        _wrong("cosine that ends one step early", "the end is reached at step max_steps: divide by max_steps - warmup_steps", SCHEDULE,
               "lr_ends_one_early"),
        _wrong("cosine that starts at step 0", "the rate would jump where the warm-up ends: count from warmup_steps", SCHEDULE,
               "lr_starts_at_zero"),
        _wrong("straight line down", "half a cosine: (1 + cos(pi * progress)) / 2", SCHEDULE, "lr_linear"),
        _wrong("a quarter of a cosine", "half a period, moved up and halved: (1 + cos(pi * progress)) / 2 is flat at both ends",
               SCHEDULE, "lr_quarter_period"),
        _wrong("a whole period", "it would come up again: cos(pi * progress), not 2 pi", SCHEDULE, "lr_whole_period"),
        _wrong("cosine not moved up", "a cosine goes down to -1: (1 + cos(pi * progress)) / 2", SCHEDULE, "lr_cosine_itself"),
        _wrong("degrees", "math.cos takes radians: pi, not 180", SCHEDULE, "lr_degrees"),
        _wrong("cosine upside down", "1 + cos, not 1 - cos: it begins at the top", SCHEDULE, "lr_rises"),
        _wrong("rate never falls", "after the warm-up it follows half a cosine down to min_lr", SCHEDULE, "lr_no_decay"),
        _wrong("min_lr added on top", "the cosine runs between the two: min_lr + (learning_rate - min_lr) * cosine", SCHEDULE,
               "lr_min_on_top"),
        _wrong("min_lr as a floor", "max(...) is flat at the end: the cosine runs between learning_rate and min_lr", SCHEDULE,
               "lr_min_as_floor"),
        _wrong("0 after the end", "from step max_steps on it is min_lr", SCHEDULE, "lr_zero_behind"),
        _wrong("min_lr ignored", "the cosine runs between learning_rate and min_lr, and stays there", SCHEDULE, "lr_min_ignored"),
        _wrong("rises again after the end", "a cosine comes back: from step max_steps on it is min_lr", SCHEDULE, "lr_rises_again"),
        _wrong("a share instead of a rate", "multiply by learning_rate", SCHEDULE, "lr_as_factor"),
        Diagnosis("divides by zero without a warm-up", "with warmup_steps=0 there is no such step: ask step < warmup_steps before you "
                  "divide", SCHEDULE, when=lambda inputs, expected, got: "ZeroDivisionError" in got.error),
        Diagnosis("nothing returned", "your function ends without `return`, so its answer is None", SCHEDULE, when=_nothing_in_entries),
    ),
)  # fmt: skip

# --- clip_gradients -----------------------------------------------------------------------------------------------

CLIPPED = close(names=("grads", "norm"))


def scaled_to(grads: list[np.ndarray], norm: float) -> list[np.ndarray]:
    """The same directions, with this norm over all of them."""
    now = np.sqrt(sum(np.square(grad).sum() for grad in grads))
    return [(grad * (norm / now)).astype("float32") for grad in grads]


def clip_args(*shapes: tuple[int, ...], norm: float, max_norm: float, sizes: tuple[float, ...] = ()):
    """Gradients of these shapes with one norm over all; `sizes`: how large they are beside each other."""

    def inputs(rng: np.random.Generator) -> dict:
        grads = [normal(rng, *shape) * size for shape, size in zip(shapes, sizes or (1.0,) * len(shapes), strict=True)]
        return args(scaled_to(grads, norm), max_norm)

    return inputs


def easy_clips(rng: np.random.Generator):
    yield args([np.array([3, 4], dtype="float32")], 10.0)
    yield args([np.array([3, 4], dtype="float32")], 2.0)
    yield args([np.array([3], dtype="float32"), np.array([4], dtype="float32")], 2.0)


def _zero_by_zero(inputs: Any, expected: Any, got: Any) -> bool:
    still = not any(grad.any() for grad in inputs["args"][0])
    return still and ("ZeroDivisionError" in got.error or (got.ok and bool(np.isnan(got.value[0][0]).any())))


CLIP_GRADIENTS = Check(
    piece="finetuning.clip_gradients",
    section=CLIPPING,
    reference=KEYS + "clip_gradients",
    cases=(
        Case("one tensor above the limit", clip_args((4,), norm=5, max_norm=2), compare=CLIPPED, smaller=easy_clips),
        Case("below the limit", clip_args((3,), (2, 2), norm=0.7, max_norm=1.5), compare=CLIPPED, smaller=easy_clips),
        Case("three tensors", clip_args((2, 3), (3,), (4,), norm=6, max_norm=1.5), points=2, compare=CLIPPED, smaller=easy_clips),
        Case("a large one beside a small one", clip_args((3,), (5,), norm=4, max_norm=2.5, sizes=(4, 0.3)), compare=CLIPPED,
             smaller=easy_clips),
        Case("each below, together above", clip_args((2,), (2,), (2,), norm=1.2, max_norm=1.1), compare=CLIPPED, smaller=easy_clips),
        Case("all zero", lambda rng: args([np.zeros(2, "float32"), np.zeros((1, 3), "float32")], 1.0), points=0.5, compare=CLIPPED),
        Case("a limit of 0", lambda rng: args([normal(rng, 3)], 0.0), points=0.5, compare=raises("ValueError", ("0",))),
    ),
    diagnoses=(
        Diagnosis("gradients of zero divide by zero", "their norm is 0: add a little to it, max_norm / (norm + 1e-6), or look first",
                  CLIPPING, variant=KEYS + "clip_divides_zero", when=_zero_by_zero),
        _wrong("scales small gradients up", "a limit is no target: below it the factor is 1, min(1, max_norm / norm)", CLIPPING,
               "clip_scales_up"),
        _wrong("each tensor clipped by its own norm", "that turns the step in another direction: one norm over all tensors, one factor",
               CLIPPING, "clip_each"),
        _wrong("small tensors spared", "one factor for all tensors, or the step turns in another direction", CLIPPING, "clip_large_only"),
        _wrong("each number clipped", "clamp turns the step in another direction: one norm, one factor", CLIPPING, "clip_entries"),
        _wrong("norm after clipping returned", "return the norm from before: it is what one watches during a run", CLIPPING,
               "clip_norm_after"),
        _wrong("norm not returned", "return the gradients and the norm", CLIPPING, "clip_no_norm"),
        _wrong("no root", "the norm is the root of the sum of squares", CLIPPING, "clip_squared_norm"),
        _wrong("norms added up", "square them first: the root of the sum of squared norms", CLIPPING, "clip_sum_of_norms"),
        _wrong("sizes added up", "the norm is the root of the sum of squares", CLIPPING, "clip_sum_of_sizes"),
        _wrong("largest number taken for the norm", "the norm is the root of the sum of squares", CLIPPING, "clip_largest_entry"),
        _wrong("largest norm of a tensor", "one norm over all tensors: the root of the sum of all squares", CLIPPING, "clip_largest_norm"),
        _wrong("norms averaged", "one norm over all tensors: the root of the sum of all squares", CLIPPING, "clip_mean_of_norms"),
        _wrong("mean instead of sum", "the root of the sum of squares, not of their mean", CLIPPING, "clip_root_mean_square"),
        _wrong("norm of the first tensor", "one norm over all tensors: the root of the sum of all squares", CLIPPING, "clip_first_norm"),
        _wrong("norm of the last tensor", "one norm over all tensors: the root of the sum of all squares", CLIPPING, "clip_last_norm"),
        _wrong("scaled to norm 1", "the factor is max_norm / norm", CLIPPING, "clip_to_one"),
        _wrong("factor turned round", "the factor is max_norm / norm", CLIPPING, "clip_turned_round"),
        _wrong("multiplied by the limit", "divide by the norm too: max_norm / norm", CLIPPING, "clip_by_limit"),
        _wrong("nothing clipped", "above the limit multiply every tensor by max_norm / norm, and return what you get", CLIPPING,
               "clip_never"),
        _accepted("a limit of 0 is accepted", "nothing would ever be learned: raise ValueError and name it", CLIPPING),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- step_gradients -----------------------------------------------------------------------------------------------


def step_args(*counts: int, max_norm: float, norm: float, shapes: tuple[tuple[int, ...], ...] = ((2, 3), (4,)), against: int = -1):
    """Gradients that grow with the tokens of their micro-batch; the mean over all tokens has this norm.

    `against`: a micro-batch that pulls the other way, half as strongly as the first.
    """

    def inputs(rng: np.random.Generator) -> dict:
        micro = [[normal(rng, *shape) * n for shape in shapes] for n in counts]
        if against >= 0:
            micro[against] = [-0.5 * grad for grad in micro[0]]
        mean = [sum(parts) / sum(counts) for parts in zip(*micro, strict=True)]
        factor = norm / np.sqrt(sum(np.square(grad).sum() for grad in mean))
        return args([[(grad * factor).astype("float32") for grad in grads] for grads in micro], list(counts), max_norm)

    return inputs


def easy_micro_batches(rng: np.random.Generator):
    one = ((1,),)
    yield step_args(1, max_norm=10.0, norm=1.0, shapes=one)(rng)
    yield step_args(2, max_norm=10.0, norm=1.0, shapes=one)(rng)
    yield step_args(1, 3, max_norm=10.0, norm=1.0, shapes=one)(rng)
    yield step_args(1, 3, max_norm=0.5, norm=1.0, shapes=one)(rng)


def _nothing_by_nothing(inputs: Any, expected: Any, got: Any) -> bool:
    empty = 0 in inputs["args"][1]
    return empty and ("ZeroDivisionError" in got.error or (got.ok and bool(np.isnan(got.value[0][0]).any())))


STEP_GRADIENTS = Check(
    piece="finetuning.step_gradients",
    section=ACCUMULATION,
    reference=KEYS + "step_gradients",
    cases=(
        Case("one micro-batch", step_args(6, norm=0.5, max_norm=1.0), points=0.5, compare=CLIPPED, smaller=easy_micro_batches),
        Case("two of unequal size", step_args(7, 2, norm=0.6, max_norm=4.0), compare=CLIPPED, smaller=easy_micro_batches),
        Case("three of unequal size", step_args(3, 8, 5, norm=2, max_norm=30.0), compare=CLIPPED, smaller=easy_micro_batches),
        Case("above the limit", step_args(3, 8, 5, norm=4, max_norm=1.5), points=2, compare=CLIPPED, smaller=easy_micro_batches),
        Case("two pull against each other", step_args(6, 2, 5, norm=2, max_norm=0.8, against=2), points=2, compare=CLIPPED,
             smaller=easy_micro_batches),
        Case("one of them all padding", step_args(4, 0, 9, norm=3, max_norm=2.0), compare=CLIPPED, smaller=easy_micro_batches),
    ),
    diagnoses=(
        Diagnosis("a micro-batch of padding divides by zero", "it has no tokens and adds nothing: divide once, by the tokens of all",
                  ACCUMULATION, when=_nothing_by_nothing),
        _wrong("clip per micro-batch", "a micro-batch is no step: add up all of them, divide, and clip once", CLIPPING,
               "step_clips_each_micro_batch"),
        _wrong("each share of the mean clipped", "add up all micro-batches first, then clip once", CLIPPING, "step_clips_each_share"),
        _wrong("clipped after every micro-batch", "what has been added so far is no step yet: clip once, at the end", CLIPPING,
               "step_clips_while_adding"),
        _wrong("clipped before dividing", "the limit is meant for the gradients of the mean: divide by the tokens first", CLIPPING,
               "step_clipped_before_dividing"),
        _wrong("each tensor clipped by its own norm", "one norm over all tensors, one factor", CLIPPING, "step_clips_each_tensor"),
        _wrong("scales small gradients up", "a limit is no target: below it the factor is 1", CLIPPING, "step_scales_up"),
        _wrong("not clipped", "clip what you have added up and divided", CLIPPING, "step_never_clipped"),
        _wrong("norm after clipping returned", "return the norm from before: it is what one watches during a run", CLIPPING,
               "step_norm_after"),
        _wrong("mean of micro-batch means", "a token of a small micro-batch would weigh more: add up the gradients, divide once by the "
               "tokens of all", ACCUMULATION, "step_mean_of_means"),
        _wrong("sum of micro-batch means", "add up the gradients, divide once by the tokens of all", ACCUMULATION, "step_sum_of_means"),
        _wrong("divided by the number of micro-batches", "these are gradients of sums over tokens: divide by the tokens of all",
               ACCUMULATION, "step_over_micro_batches"),
        _wrong("not divided", "these are gradients of sums over tokens: divide by the tokens of all", ACCUMULATION, "step_not_divided"),
        _wrong("tokens of the last micro-batch only", "divide by sum(counts)", ACCUMULATION, "step_last_count"),
        _wrong("only the last micro-batch", "gradients add up until the step is taken: zero_grad comes after the step, not between "
               "micro-batches", ACCUMULATION, "step_last_only"),
        _wrong("the last micro-batch over all tokens", "gradients add up until the step is taken", ACCUMULATION, "step_last_of_all"),
        _wrong("only the first micro-batch", "gradients of all micro-batches add up", ACCUMULATION, "step_first_only"),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- LoRALinear ---------------------------------------------------------------------------------------------------


def lora_case(I: int, O: int, r: int, alpha: float, *shape: int, bias: bool = True, dropout: float = 0.0):
    """A layer from I to O, an adapter of rank r with neither matrix zero, and inputs (*shape, I)."""

    def inputs(rng: np.random.Generator) -> dict:
        made = {"r": r, "alpha": alpha, "dropout": dropout, "weight": normal(rng, O, I, scale=0.7), "bias": normal(rng, O)}
        if not bias:
            made["bias"] = None
        return made | {"lora_A": normal(rng, max(r, 0), I), "lora_B": normal(rng, O, max(r, 0)), "x": normal(rng, *shape, I)}

    return inputs


def _base(inputs: Any) -> Any:
    from torch import nn

    O, I = inputs["weight"].shape
    base = nn.Linear(I, O, bias=inputs["bias"] is not None)
    base.weight.data.copy_(as_tensors(inputs["weight"]))
    if inputs["bias"] is not None:
        base.bias.data.copy_(as_tensors(inputs["bias"]))
    return base


def _adapted(piece: Any, inputs: Any) -> tuple[Any, Any]:
    """The learner's layer with the adapter of the case, in eval mode; and the base it was given."""
    base = _base(inputs)
    module = piece(base, inputs["r"], inputs["alpha"], inputs["dropout"])
    for name, parameter in _own_matrices(module, inputs).items():
        parameter.data.copy_(as_tensors(inputs[name]))
    return module.eval(), base


def _own_matrices(module: Any, inputs: Any) -> dict[str, Any]:
    """A and B, under the names and in the shapes that adapter files have; ValueError when there are no such parameters."""
    own = dict(module.named_parameters())
    for name in ("lora_A", "lora_B"):
        if name not in own:
            raise ValueError(f"the module has no parameter {name!r}, it has {sorted(own)}")
        if own[name].shape != inputs[name].shape:
            raise ValueError(f"{name} has shape {tuple(own[name].shape)}, expected {inputs[name].shape}")
    return {name: own[name] for name in ("lora_A", "lora_B")}


@driver("finetuning.lora")
def _lora(piece: Any, inputs: Any) -> Any:
    return _adapted(piece, inputs)[0](as_tensors(inputs["x"]))


def _kind_of(numbers: Any) -> str:
    if not numbers.any():
        return "all zero"
    return "all the same" if numbers.unique().numel() == 1 else "different numbers"


@driver("finetuning.fresh lora")
def _fresh_lora(piece: Any, inputs: Any) -> Any:
    """Before any step: random numbers cannot be compared, what kind they are can."""
    import torch

    x, base = as_tensors(inputs["x"]), _base(inputs)
    right = base(x)
    module = piece(base, inputs["r"], inputs["alpha"])
    found = {name: _kind_of(parameter.detach()) for name, parameter in _own_matrices(module, inputs).items()}
    learns = sorted(name for name, parameter in module.named_parameters() if parameter.requires_grad)
    same = torch.allclose(module.eval()(x), right, atol=1e-5)
    return found | {"answers_like_base": same, "what_learns": learns}


@driver("finetuning.lora learns")
def _lora_learns(piece: Any, inputs: Any) -> Any:
    module, base = _adapted(piece, inputs)
    (module.train()(as_tensors(inputs["x"])) ** 2).sum().backward()
    found = {f"gradient_of_{name}": parameter.grad for name, parameter in _own_matrices(module, inputs).items()}
    return found | {"gradients_of_base": [p.grad for p in base.parameters()]}


@driver("finetuning.lora dropout")
def _lora_dropout(piece: Any, inputs: Any) -> Any:
    """With a dropout of 1 nothing is left to chance: in training the low-rank part is silent."""
    module, _ = _adapted(piece, inputs)
    x = as_tensors(inputs["x"])
    return {"out_in_eval": module(x), "out_in_training": module.train()(x)}


@driver("finetuning.lora merged")
def _lora_merged(piece: Any, inputs: Any) -> Any:
    """Asked twice, and the layer itself before and after."""
    module, base = _adapted(piece, inputs)
    x = as_tensors(inputs["x"])
    found = {"out": module(x).detach().clone()}
    for times in ("merged", "merged_again"):
        linear = module.merged()
        bias = None if linear.bias is None else linear.bias.detach().clone()
        found |= {f"weight_{times}": linear.weight.detach().clone(), f"bias_{times}": bias, f"out_{times}": linear(x).detach()}
    return found | {"out_afterwards": module(x), "base_weight_afterwards": base.weight}


def _lora_error(name: str, says: str, pattern: str) -> Diagnosis:
    return Diagnosis(name, says, LORA, when=lambda inputs, expected, got: expected.ok and bool(re.search(pattern, got.message)))


LORA_LINEAR = Check(
    piece="finetuning.LoRALinear",
    section=LORA,
    reference=KEYS + "LoRALinear",
    cases=(
        Case("a fresh adapter", lora_case(5, 3, 2, 8, 4), points=2, driver="finetuning.fresh lora", compare=exact()),
        Case("wide", lora_case(3, 6, 2, 8, 4), driver="finetuning.lora"),
        Case("square", lora_case(4, 4, 3, 6, 2, 3), driver="finetuning.lora"),
        Case("rank 1, no bias", lora_case(5, 2, 1, 0.5, 3, bias=False), points=0.5, driver="finetuning.lora"),
        Case("what a step teaches", lora_case(3, 4, 2, 5, 2), driver="finetuning.lora learns"),
        Case("merged", lora_case(4, 3, 2, 7, 2), points=2, driver="finetuning.lora merged"),
        Case("merged, square", lora_case(3, 3, 2, 1, 2), driver="finetuning.lora merged"),
        Case("dropout", lora_case(3, 5, 2, 6, 2, dropout=1.0), points=0.5, driver="finetuning.lora dropout"),
        Case("rank 0", lora_case(3, 2, 0, 8, 1), points=0.5, driver="finetuning.fresh lora", compare=raises("ValueError", ("0",))),
    ),
    diagnoses=(
        _wrong("both A and B random", "the layer would change before it has learned anything: B starts at zero", LORA, "lora_both_random"),
        _wrong("both A and B zero", "each one's gradient is a product with the other: from zero and zero nothing ever starts. A is "
               "random", LORA, "lora_both_zero"),
        _wrong("all numbers of A the same", "all r directions would be one and learn the same for ever: A is random", LORA, "lora_A_ones"),
        _wrong("A zero and B random", "it would learn too, but adapters are made the other way: A random, B zero", LORA,
               "lora_zero_and_random_swapped"),
        _wrong("A and B the wrong way round", "the input meets A first: x @ lora_A.T is (..., r), and @ lora_B.T brings it to (..., out)", LORA,
               "lora_wrong_way_round"),
        _wrong("alpha instead of alpha / r", "the sum over r grows with r: divide by it", LORA, "lora_alpha_only"),
        _wrong("alpha / sqrt(r)", "that is rank-stabilised LoRA; plain LoRA divides by r", LORA, "lora_root_of_r"),
        _wrong("not scaled", "the low-rank part is multiplied by alpha / r", LORA, "lora_not_scaled"),
        _wrong("r / alpha", "alpha / r", LORA, "lora_r_over_alpha"),
        _wrong("1 / r", "alpha / r", LORA, "lora_one_over_r"),
        _wrong("scaled twice", "alpha / r comes once, not with A and again with B", LORA, "lora_scaled_twice"),
        _wrong("base not frozen", "only A and B learn: base.requires_grad_(False)", LORA, "lora_base_learns"),
        _wrong("bias of the base not frozen", "all of the base is frozen: base.requires_grad_(False)", LORA, "lora_bias_learns"),
        _wrong("nothing learns", "freeze the base, not the whole layer: A and B are to learn", LORA, "lora_nothing_learns"),
        _wrong("A frozen", "A and B both learn", LORA, "lora_A_frozen"),
        _wrong("base left out", "the layer gives base(x) and the low-rank part on top", LORA, "lora_no_base"),
        _wrong("bias of the base left out", "call base(x), which has its bias", LORA, "lora_no_bias"),
        _wrong("base scaled too", "only the low-rank part is multiplied by alpha / r", LORA, "lora_everything_scaled"),
        _wrong("low-rank part behind the base", "both read the same x: base(x) + scaling * (x @ A.T @ B.T)", LORA, "lora_behind_base"),
        _wrong("another layer instead of the base", "keep the layer that was given, with its weights: self.base = base", LORA,
               "lora_own_linear"),
        _wrong("dropout active in eval", "use nn.Dropout as a module, or pass training=self.training", LORA, "lora_awake"),
        _wrong("dropout on the base", "only what goes into A is dropped: the base must see all of x", LORA, "lora_drops_base_too"),
        _wrong("dropout on the whole answer", "only what goes into A is dropped", LORA, "lora_drops_the_sum"),
        _wrong("dropout ignored", "drop from x on its way into A, while training", LORA, "lora_never_drops"),
        _wrong("merged twice", "merged() must leave the layer alone: with base.weight += ... the next call adds it once more, and so "
               "does forward", LORA, "lora_merges_in_place"),
        _wrong("merged without alpha / r", "what is merged is what forward adds: alpha / r * B @ A", LORA, "lora_merged_unscaled"),
        _wrong("merged with alpha", "what is merged is what forward adds: alpha / r * B @ A", LORA, "lora_merged_with_alpha"),
        _wrong("merged transposed", "B @ A is (out, in) like the weight; where it does not fit, nothing must be transposed", LORA,
               "lora_merged_transposed"),
        _wrong("merged without the base", "the merged weight is base.weight + alpha / r * B @ A", LORA, "lora_merged_delta_only"),
        _wrong("merged without the adapter", "the merged weight is base.weight + alpha / r * B @ A", LORA, "lora_merged_base_only"),
        _wrong("merged with a minus", "the merged weight is base.weight + alpha / r * B @ A", LORA, "lora_merged_subtracts"),
        _wrong("bias lost in merging", "the merged layer has the bias of the base, where there is one", LORA,
               "lora_bias_lost_in_merging"),
        _lora_error("A and B of other shapes", "lora_A is (r, in), lora_B is (out, r), as in adapter files", r"^lora_[AB] has shape"),
        _lora_error("A and B are layers", "they learn, but under other names than adapter files have: self.lora_A = nn.Parameter(...), of "
                    "shape (r, in)", "has no parameter.*'lora_A.weight'"),
        _lora_error("A and B are no parameters", "only nn.Parameter is found by the optimizer: self.lora_A = nn.Parameter(...)",
                    "has no parameter 'lora_"),
        _lora_error("merged() returns no layer", "return an nn.Linear with the merged weight and the bias of the base",
                    r"object has no attribute '(weight|bias)'"),
        Diagnosis("a rank of 0 is not refused", "there is nothing to learn in it: raise ValueError and name it", LORA,
                  when=lambda inputs, expected, got: not expected.ok and "ValueError" not in got.error),
        NO_SUPER,
        NOTHING_RETURNED,
    ),
)  # fmt: skip

CHECKS = (SHIFT_TARGETS, TOKEN_MEAN_LOSS, ADAMW_STEP, LR_AT, CLIP_GRADIENTS, STEP_GRADIENTS, LORA_LINEAR)
