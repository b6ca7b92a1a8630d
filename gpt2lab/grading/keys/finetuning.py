"""Chapter 06: references of the exercise's pieces, and their wrong versions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IGNORE = -100

# --- shift_targets ------------------------------------------------------------------------------------------------

Pair = tuple[Tensor, Tensor]


def _both_are_tokens(mask: Tensor) -> Tensor:
    """Which predictions count: the token that is read and the one that is asked for are no padding."""
    return (mask[:, 1:] == 1) & (mask[:, :-1] == 1)


def _shift(
    input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE, *, by: int = 1, cut: bool = True,
    counts: Callable[[Tensor], Tensor] | None = _both_are_tokens, fill: int | None = None, check: bool = True,
) -> Pair:  # fmt: skip
    """`counts`: from the mask, which targets stay; `fill`: instead of ignore_index; `cut` False: as long as before."""
    B, T = input_ids.shape
    if check and T < 2:
        raise ValueError(f"a text of {T} token has nothing to predict: give at least 2")
    gone = ignore_index if fill is None else fill
    targets = input_ids[:, by:] if by else input_ids[:, :-1]
    if attention_mask is not None and counts is not None:
        stays = counts(attention_mask)[:, -targets.shape[1] :] if T > by else targets.new_zeros(B, 0, dtype=torch.bool)
        targets = targets.masked_fill(~stays, gone)
    if not cut:
        return input_ids, torch.cat([targets, targets.new_full((B, 1), ignore_index)], dim=1)
    return input_ids[:, : T - max(by, 1)], targets


shift_targets = _shift
shift_none = partial(_shift, by=0)
shift_twice = partial(_shift, by=2)
shift_not_cut = partial(_shift, cut=False)
shift_pads_are_targets = partial(_shift, counts=None)
shift_by_mask_of_inputs = partial(_shift, counts=lambda mask: mask[:, :-1] == 1)
shift_first_from_padding = partial(_shift, counts=lambda mask: mask[:, 1:] == 1)
shift_mask_turned_round = partial(_shift, counts=lambda mask: (mask[:, 1:] == 0) & (mask[:, :-1] == 0))
shift_pads_filled_with_zero = partial(_shift, fill=0)
shift_always_100 = partial(_shift, fill=IGNORE)
shift_unchecked = partial(_shift, check=False)


def shift_whole(input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE) -> Pair:
    """Labels as Hugging Face's models take them: they are shifted there."""
    labels = input_ids if attention_mask is None else input_ids.masked_fill(attention_mask == 0, ignore_index)
    _shift(input_ids)
    return input_ids, labels


def shift_twice_filled(input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE) -> Pair:
    """Two tokens ahead, in the right shape."""
    inputs, targets = _shift(input_ids, attention_mask, ignore_index)
    return inputs, torch.cat([targets[:, 1:], torch.full_like(targets[:, :1], ignore_index)], dim=1)


def shift_backwards(input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE) -> Pair:
    _shift(input_ids)
    targets = input_ids[:, :-1]
    return input_ids[:, 1:], targets if attention_mask is None else targets.masked_fill(~_both_are_tokens(attention_mask), ignore_index)


def shift_rolled(input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE) -> Pair:
    """The first token comes round again as the last one's target."""
    _shift(input_ids)
    targets = input_ids.roll(-1, dims=1)
    if attention_mask is not None:
        targets = targets.masked_fill((attention_mask.roll(-1, dims=1) == 0) | (attention_mask == 0), ignore_index)
    return input_ids, targets


def shift_along_batch(input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE) -> Pair:
    _shift(input_ids)
    targets = input_ids[1:]
    return input_ids[:-1], targets if attention_mask is None else targets.masked_fill(attention_mask[1:] == 0, ignore_index)


def shift_pads_by_id(input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE, *, pad: int = 0) -> Pair:
    """Takes a certain id for padding, wherever it stands, and asks no mask."""
    inputs, targets = _shift(input_ids)
    return inputs, targets.masked_fill(targets == pad, ignore_index)


def shift_writes_into_inputs(input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE) -> Pair:
    """The targets are a view of the inputs."""
    inputs, targets = _shift(input_ids)
    if attention_mask is not None:
        targets[~_both_are_tokens(attention_mask)] = ignore_index
    return inputs, targets


def shift_writes_into_ids(input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE) -> Pair:
    """The inputs are saved, what was handed in is not."""
    inputs, targets = input_ids[:, :-1].clone(), _shift(input_ids)[1]
    if attention_mask is not None:
        targets[~_both_are_tokens(attention_mask)] = ignore_index
    return inputs, targets


def shift_whole_numbers(input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE) -> Pair:
    """~1 is -2 and ~0 is -1: taken as an index, these are rows from the end."""
    inputs, targets = _shift(input_ids)
    if attention_mask is not None:
        targets = targets.clone()
        targets[~(attention_mask[:, 1:] & attention_mask[:, :-1])] = ignore_index
    return inputs, targets


def shift_swapped(input_ids: Tensor, attention_mask: Tensor | None = None, ignore_index: int = IGNORE) -> Pair:
    inputs, targets = _shift(input_ids, attention_mask, ignore_index)
    return targets, inputs


# --- token_mean_loss ----------------------------------------------------------------------------------------------

MicroBatch = tuple[Tensor, Tensor]  # logits (B, T, V), targets (B, T)
Part = tuple[Tensor, int, int, int]  # summed loss, targets that count, all positions, rows


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Of every position; 0 where there is no target."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="none")


def _over_all_tokens(parts: list[Part]) -> Tensor:
    return sum(part[0] for part in parts) / sum(part[1] for part in parts)


def _token_mean(
    micro_batches: list[MicroBatch], *, mean: Callable[[list[Part]], Tensor] = _over_all_tokens,
    each: Callable[[Tensor, Tensor], Tensor] = _cross_entropy, first: int = 0, check: bool = True,
) -> Tensor:  # fmt: skip
    """`each`: the loss of every position; `mean`: what is made of the parts of the micro-batches; `first`: shifted once more."""
    parts = []
    for logits, targets in micro_batches:
        logits, targets = logits[:, : logits.shape[1] - first], targets[:, first:]
        parts.append((each(logits, targets).sum(), int((targets != IGNORE).sum()), targets.numel(), len(targets)))
    if check and not sum(part[1] for part in parts):
        raise ValueError("there is not one target: all is padding")
    return mean(parts)


def _mean_of(values: list[Tensor]) -> Tensor:
    return sum(values) / len(values)


def _running(parts: list[Part]) -> Tensor:
    loss = parts[0][0] / parts[0][1]
    for summed, count, _, _ in parts[1:]:
        loss = (loss + summed / count) / 2
    return loss


def _pads_as_zero(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten().clamp(min=0), reduction="none")


def _divided_exponentials(logits: Tensor, targets: Tensor) -> Tensor:
    probabilities = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return -probabilities.gather(-1, targets.clamp(min=0)[..., None])[..., 0].log() * (targets != IGNORE)


def _log_of_softmax(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits.softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0].log() * (targets != IGNORE)


token_mean_loss = _token_mean
loss_mean_of_means = partial(_token_mean, mean=lambda parts: _mean_of([s / n for s, n, _, _ in parts]))
loss_sum_of_means = partial(_token_mean, mean=lambda parts: sum(s / n for s, n, _, _ in parts))
loss_pads_counted = partial(_token_mean, mean=lambda parts: sum(p[0] for p in parts) / sum(p[2] for p in parts))
loss_weighted_by_positions = partial(
    _token_mean, mean=lambda parts: sum(s / n * size for s, n, size, _ in parts) / sum(p[2] for p in parts)
)
loss_over_micro_batches = partial(_token_mean, mean=lambda parts: _mean_of([p[0] for p in parts]))
loss_over_rows = partial(_token_mean, mean=lambda parts: sum(p[0] for p in parts) / sum(p[3] for p in parts))
loss_summed = partial(_token_mean, mean=lambda parts: sum(p[0] for p in parts))
loss_of_last = partial(_token_mean, mean=lambda parts: parts[-1][0] / parts[-1][1])
loss_last_count = partial(_token_mean, mean=lambda parts: sum(p[0] for p in parts) / parts[-1][1])
loss_last_sum = partial(_token_mean, mean=lambda parts: parts[-1][0] / sum(p[1] for p in parts))
loss_running = partial(_token_mean, mean=_running)
loss_pads_as_zero = partial(
    _token_mean, each=_pads_as_zero, mean=lambda parts: sum(p[0] for p in parts) / sum(p[2] for p in parts), check=False
)
loss_shifted_twice = partial(_token_mean, first=1)
loss_overflows = partial(_token_mean, each=_divided_exponentials)
loss_log_of_zero = partial(_token_mean, each=_log_of_softmax)
loss_of_probabilities = partial(_token_mean, each=lambda logits, targets: _cross_entropy(logits.softmax(-1), targets))
loss_in_bits = partial(_token_mean, each=lambda logits, targets: _cross_entropy(logits, targets) / math.log(2))
loss_negative = partial(_token_mean, each=lambda logits, targets: -_cross_entropy(logits, targets))


def loss_mean_of_rows(micro_batches: list[MicroBatch]) -> Tensor:
    """Each text by itself, then the mean over the texts."""
    _token_mean(micro_batches)
    rows = [(logits[i : i + 1], targets[i : i + 1]) for logits, targets in micro_batches for i in range(len(targets))]
    return _mean_of([_token_mean([row]) for row in rows if (row[1] != IGNORE).any()])


def loss_as_perplexity(micro_batches: list[MicroBatch]) -> Tensor:
    return _token_mean(micro_batches).exp()


def loss_as_number(micro_batches: list[MicroBatch]) -> float:
    return _token_mean(micro_batches).item()


# --- clip_gradients -----------------------------------------------------------------------------------------------

Clipped = tuple[list[Tensor], Tensor]


def _global_norm(grads: list[Tensor]) -> Tensor:
    return torch.cat([grad.flatten() for grad in grads]).norm()


def _down_only(norm: Tensor, max_norm: float) -> Tensor:
    return (max_norm / (norm + 1e-6)).clamp(max=1.0)


def _clip(
    grads: list[Tensor], max_norm: float, *, norm: Callable[[list[Tensor]], Tensor] = _global_norm,
    factor: Callable[[Tensor, float], Tensor] = _down_only, check: bool = True,
) -> Clipped:  # fmt: skip
    if check and max_norm <= 0:
        raise ValueError(f"max_norm={max_norm} must be above 0")
    total = norm(grads)
    return [grad * factor(total, max_norm) for grad in grads], total


def _only_above(norm: Tensor, max_norm: float, factor: Tensor) -> Tensor:
    return torch.where(norm > max_norm, factor, torch.ones_like(norm))


clip_gradients = _clip
clip_scales_up = partial(_clip, factor=lambda norm, limit: limit / norm)
clip_divides_zero = partial(_clip, factor=lambda norm, limit: norm.clamp(max=limit) / norm)
clip_to_one = partial(_clip, factor=lambda norm, limit: _only_above(norm, limit, 1 / norm.clamp(min=1e-6)))
clip_turned_round = partial(_clip, factor=lambda norm, limit: _only_above(norm, limit, norm / limit))
clip_by_limit = partial(_clip, factor=lambda norm, limit: _only_above(norm, limit, torch.full_like(norm, limit)))
clip_never = partial(_clip, factor=lambda norm, limit: torch.ones_like(norm))
clip_squared_norm = partial(_clip, norm=lambda grads: _global_norm(grads) ** 2)
clip_sum_of_norms = partial(_clip, norm=lambda grads: sum(grad.norm() for grad in grads))
clip_sum_of_sizes = partial(_clip, norm=lambda grads: sum(grad.abs().sum() for grad in grads))
clip_largest_entry = partial(_clip, norm=lambda grads: torch.stack([grad.abs().max() for grad in grads]).max())
clip_largest_norm = partial(_clip, norm=lambda grads: torch.stack([grad.norm() for grad in grads]).max())
clip_root_mean_square = partial(_clip, norm=lambda grads: torch.cat([g.flatten() for g in grads]).square().mean().sqrt())
clip_mean_of_norms = partial(_clip, norm=lambda grads: torch.stack([grad.norm() for grad in grads]).mean())
clip_first_norm = partial(_clip, norm=lambda grads: grads[0].norm())
clip_last_norm = partial(_clip, norm=lambda grads: grads[-1].norm())
clip_unchecked = partial(_clip, check=False)


def clip_each(grads: list[Tensor], max_norm: float) -> Clipped:
    """Every tensor by its own norm."""
    _clip(grads, max_norm)
    return [_clip([grad], max_norm)[0][0] for grad in grads], _global_norm(grads)


def clip_large_only(grads: list[Tensor], max_norm: float) -> Clipped:
    """By the global norm, but tensors that are small by themselves are spared."""
    clipped, norm = _clip(grads, max_norm)
    return [new if old.norm() > max_norm else old for old, new in zip(grads, clipped, strict=True)], norm


def clip_entries(grads: list[Tensor], max_norm: float) -> Clipped:
    _clip(grads, max_norm)
    return [grad.clamp(-max_norm, max_norm) for grad in grads], _global_norm(grads)


def clip_norm_after(grads: list[Tensor], max_norm: float) -> Clipped:
    clipped, _ = _clip(grads, max_norm)
    return clipped, _global_norm(clipped)


def clip_no_norm(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    return _clip(grads, max_norm)[0]


# --- step_gradients -----------------------------------------------------------------------------------------------

Micro = list[list[Tensor]]  # a micro-batch's gradients of its summed loss, tensor by tensor


def _added(micro_grads: Micro) -> list[Tensor]:
    return [sum(parts) for parts in zip(*micro_grads, strict=True)]


def _over(grads: list[Tensor], number: float) -> list[Tensor]:
    return [grad / number for grad in grads]


def _step_gradients(
    micro_grads: Micro, counts: list[int], max_norm: float, *,
    gather: Callable[[Micro, list[int]], list[Tensor]] = lambda grads, counts: _over(_added(grads), sum(counts)),
    clip: Callable[[list[Tensor], float], Clipped] = _clip,
) -> Clipped:  # fmt: skip
    return clip(gather(micro_grads, counts), max_norm)


def _means(micro_grads: Micro, counts: list[int]) -> Micro:
    return [_over(grads, n) for grads, n in zip(micro_grads, counts, strict=True)]


step_gradients = _step_gradients
step_mean_of_means = partial(_step_gradients, gather=lambda grads, counts: _over(_added(_means(grads, counts)), len(counts)))
step_sum_of_means = partial(_step_gradients, gather=lambda grads, counts: _added(_means(grads, counts)))
step_over_micro_batches = partial(_step_gradients, gather=lambda grads, counts: _over(_added(grads), len(counts)))
step_not_divided = partial(_step_gradients, gather=lambda grads, counts: _added(grads))
step_last_only = partial(_step_gradients, gather=lambda grads, counts: _over(grads[-1], counts[-1]))
step_first_only = partial(_step_gradients, gather=lambda grads, counts: _over(grads[0], counts[0]))
step_last_count = partial(_step_gradients, gather=lambda grads, counts: _over(_added(grads), counts[-1]))
step_last_of_all = partial(_step_gradients, gather=lambda grads, counts: _over(grads[-1], sum(counts)))
step_clips_each_tensor = partial(_step_gradients, clip=clip_each)
step_scales_up = partial(_step_gradients, clip=clip_scales_up)
step_never_clipped = partial(_step_gradients, clip=clip_never)
step_norm_after = partial(_step_gradients, clip=clip_norm_after)


def step_clips_each_micro_batch(micro_grads: Micro, counts: list[int], max_norm: float) -> Clipped:
    """Every micro-batch's sum is clipped before it is added."""
    added = _over(_added([_clip(grads, max_norm)[0] for grads in micro_grads]), sum(counts))
    return added, _global_norm(added)


def step_clips_each_share(micro_grads: Micro, counts: list[int], max_norm: float) -> Clipped:
    """Every micro-batch's share of the mean is clipped, and then they are added."""
    added = _added([_clip(_over(grads, sum(counts)), max_norm)[0] for grads in micro_grads])
    return added, _global_norm(added)


def step_clips_while_adding(micro_grads: Micro, counts: list[int], max_norm: float) -> Clipped:
    """What has been added so far is clipped after every micro-batch: clip_grad_norm_ inside the loop."""
    so_far, norm = _clip(_over(micro_grads[0], sum(counts)), max_norm)
    for grads in micro_grads[1:]:
        so_far, norm = _clip(_added([so_far, _over(grads, sum(counts))]), max_norm)
    return so_far, norm


def step_clipped_before_dividing(micro_grads: Micro, counts: list[int], max_norm: float) -> Clipped:
    clipped, norm = _clip(_added(micro_grads), max_norm)
    return _over(clipped, sum(counts)), norm


# --- adamw_step ---------------------------------------------------------------------------------------------------

State = tuple[Tensor, Tensor, Tensor]


def _adam_update(m: Tensor, v: Tensor, first: float, second: float, eps: float) -> Tensor:
    """`first` and `second`: the bias corrections 1 - beta ** step."""
    return (m / first) / ((v / second).sqrt() + eps)


def _adamw(
    param: Tensor, grad: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, step: int, *, lr: float, betas: tuple[float, float],
    eps: float, weight_decay: float, update: Callable[[Tensor, Tensor, float, float, float], Tensor] = _adam_update,
    average: Callable[[Tensor, Tensor, float], Tensor] = lambda old, new, beta: beta * old + (1 - beta) * new,
    square: Callable[[Tensor], Tensor] = lambda grad: grad * grad, count: Callable[[int], int] = lambda step: step,
    correct: tuple[bool, bool] = (True, True), decay: Callable[[float, float], float] = lambda lr, wd: 1 - lr * wd,
    l2: bool = False, late: bool = False, old_moments: bool = False, keep: bool = True, corrected_state: bool = False,
) -> State:  # fmt: skip
    """`decay`: what the weights are multiplied by; `late`: after the step; `old_moments`: the step does not know this gradient."""
    if step < 1:
        raise ValueError(f"step={step}: the first step is 1")
    g = grad + weight_decay * param if l2 else grad
    m, v = average(exp_avg, g, betas[0]), average(exp_avg_sq, square(g), betas[1])
    first, second = (1 - beta ** count(step) if on else 1.0 for beta, on in zip(betas, correct, strict=True))
    change = lr * (update(exp_avg, exp_avg_sq, first, second, eps) if old_moments else update(m, v, first, second, eps))
    shrink = 1.0 if l2 else decay(lr, weight_decay)
    new = (param - change) * shrink if late else param * shrink - change
    if corrected_state:
        m, v = m / first, v / second
    return (new, m, v) if keep else (new, exp_avg, exp_avg_sq)


adamw_step = _adamw
adamw_l2 = partial(_adamw, l2=True)
adamw_no_correction = partial(_adamw, correct=(False, False))
adamw_first_uncorrected = partial(_adamw, correct=(False, True))
adamw_second_uncorrected = partial(_adamw, correct=(True, False))
adamw_late_count = partial(_adamw, count=lambda step: step + 1)
adamw_early_count = partial(_adamw, count=lambda step: max(step - 1, 1))
adamw_eps_in_root = partial(_adamw, update=lambda m, v, first, second, eps: m / first / (v / second + eps).sqrt())
adamw_eps_before_correction = partial(_adamw, update=lambda m, v, first, second, eps: m / first * second**0.5 / (v.sqrt() + eps))
adamw_no_eps = partial(_adamw, update=lambda m, v, first, second, eps: m / first / (v / second).sqrt())
adamw_no_root = partial(_adamw, update=lambda m, v, first, second, eps: m / first / (v / second + eps))
adamw_no_scale = partial(_adamw, update=lambda m, v, first, second, eps: m / first)
adamw_ascends = partial(_adamw, update=lambda *given: -_adam_update(*given))
adamw_sum_of_gradients = partial(_adamw, average=lambda old, new, beta: beta * old + new)
adamw_beta_turned_round = partial(_adamw, average=lambda old, new, beta: (1 - beta) * old + beta * new)
adamw_not_squared = partial(_adamw, square=lambda grad: grad.abs())
adamw_mean_square = partial(_adamw, square=lambda grad: (grad * grad).mean().expand_as(grad))
adamw_no_decay = partial(_adamw, decay=lambda lr, wd: 1.0)
adamw_decay_without_lr = partial(_adamw, decay=lambda lr, wd: 1 - wd)
adamw_decay_grows = partial(_adamw, decay=lambda lr, wd: 1 + lr * wd)
adamw_late_decay = partial(_adamw, late=True)
adamw_old_moments = partial(_adamw, old_moments=True)
adamw_moments_not_kept = partial(_adamw, keep=False)
adamw_corrected_state = partial(_adamw, corrected_state=True)


def adamw_betas_swapped(*given: Tensor, betas: tuple[float, float], **settings: float) -> State:
    return _adamw(*given, betas=betas[::-1], **settings)


def adamw_decay_scaled(
    param: Tensor, grad: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, step: int, *, weight_decay: float, **settings: float
) -> State:
    """Not in the moments, yet divided by the root like the gradient."""

    def update(m: Tensor, v: Tensor, first: float, second: float, eps: float) -> Tensor:
        return (m / first + weight_decay * param) / ((v / second).sqrt() + eps)

    return _adamw(param, grad, exp_avg, exp_avg_sq, step, weight_decay=0.0, update=update, **settings)


def adamw_in_another_order(*given: Tensor, **settings: float) -> State:
    new, m, v = _adamw(*given, **settings)
    return m, v, new


def adamw_only_param(*given: Tensor, **settings: float) -> Tensor:
    return _adamw(*given, **settings)[0]


# --- lr_at --------------------------------------------------------------------------------------------------------

Warm = Callable[[int, int], float]


def _half_cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * progress)) / 2


def _progress(step: int, warmup: int, end: int) -> float:
    return (step - warmup) / (end - warmup)


def _lr(
    step: int, *, learning_rate: float, warmup_steps: int, max_steps: int, min_lr: float = 0.0,
    warm: Warm = lambda step, warmup: step / warmup, progress: Callable[[int, int, int], float] = _progress,
    shape: Callable[[float], float] = _half_cosine, end: Callable[[float], float] = lambda least: least, clamp: bool = True,
    between: Callable[[float, float, float], float] = lambda most, least, share: least + (most - least) * share,
) -> float:  # fmt: skip
    """`warm`: share of the rate while it rises; `progress` (0 to 1), `shape` (1 to 0), `between`: how it falls; `end`: behind."""
    if step < warmup_steps:
        return learning_rate * warm(step, warmup_steps)
    if clamp and step >= max_steps:
        return end(min_lr)
    return between(learning_rate, min_lr, shape(progress(step, warmup_steps, max_steps)))


lr_at = _lr
lr_warm_from_one = partial(_lr, warm=lambda step, warmup: (step + 1) / warmup)
lr_warm_too_long = partial(_lr, warm=lambda step, warmup: step / (warmup + 1))
lr_no_warmup = partial(_lr, warm=lambda step, warmup: 1.0)
lr_cosine_warmup = partial(_lr, warm=lambda step, warmup: 1 - _half_cosine(step / warmup))
lr_whole_division = partial(_lr, warm=lambda step, warmup: step // warmup)
lr_ends_late = partial(_lr, progress=lambda step, warmup, end: (step - warmup) / end)
lr_starts_at_zero = partial(_lr, progress=lambda step, warmup, end: step / end)
lr_ends_one_early = partial(_lr, progress=lambda step, warmup, end: (step - warmup) / (end - warmup - 1))
lr_linear = partial(_lr, shape=lambda progress: 1 - progress)
lr_quarter_period = partial(_lr, shape=lambda progress: math.cos(math.pi / 2 * progress))
lr_whole_period = partial(_lr, shape=lambda progress: _half_cosine(2 * progress))
lr_cosine_itself = partial(_lr, shape=lambda progress: math.cos(math.pi * progress))
lr_degrees = partial(_lr, shape=lambda progress: (1 + math.cos(180 * progress)) / 2)
lr_rises = partial(_lr, shape=lambda progress: 1 - _half_cosine(progress))
lr_no_decay = partial(_lr, shape=lambda progress: 1.0)
lr_min_on_top = partial(_lr, between=lambda most, least, share: least + most * share)
lr_min_as_floor = partial(_lr, between=lambda most, least, share: max(least, most * share))
lr_min_ignored = partial(_lr, between=lambda most, least, share: most * share, end=lambda least: 0.0)
lr_zero_behind = partial(_lr, end=lambda least: 0.0)
lr_rises_again = partial(_lr, clamp=False)


def lr_from_min(step: int, *, learning_rate: float, warmup_steps: int, max_steps: int, min_lr: float = 0.0) -> float:
    """The warm-up begins at min_lr."""
    if step < warmup_steps:
        return min_lr + (learning_rate - min_lr) * step / warmup_steps
    return _lr(step, learning_rate=learning_rate, warmup_steps=warmup_steps, max_steps=max_steps, min_lr=min_lr)


def lr_as_factor(step: int, *, learning_rate: float, warmup_steps: int, max_steps: int, min_lr: float = 0.0) -> float:
    """A share of learning_rate, as LambdaLR wants it."""
    rate = _lr(step, learning_rate=learning_rate, warmup_steps=warmup_steps, max_steps=max_steps, min_lr=min_lr)
    return rate / learning_rate


# --- LoRALinear ---------------------------------------------------------------------------------------------------


class LoRALinear(nn.Module):
    """base(x) + alpha / r * B A x. What can go wrong stands in methods of its own, to be exchanged."""

    def __init__(self, base: nn.Linear, r: int, alpha: float, dropout: float = 0.0):
        super().__init__()
        self.check(r)
        self.base, self.r, self.alpha = base, r, alpha
        self.freeze()
        self.lora_A, self.lora_B = nn.Parameter(self.start(r, base.in_features)), nn.Parameter(torch.zeros(base.out_features, r))
        self.dropout = nn.Dropout(dropout)

    def check(self, r: int) -> None:
        if r < 1:
            raise ValueError(f"r={r}: a rank is at least 1")

    def start(self, *shape: int) -> Tensor:
        return torch.randn(*shape) / shape[-1] ** 0.5

    def freeze(self) -> None:
        self.base.requires_grad_(False)

    @property
    def scaling(self) -> float:
        return self.alpha / self.r

    def delta(self) -> Tensor:
        """(out, in)"""
        return self.scaling * self.lora_B @ self.lora_A

    def low_rank(self, x: Tensor) -> Tensor:
        return self.scaling * (self.dropout(x) @ self.lora_A.T @ self.lora_B.T)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.low_rank(x)

    def linear(self, weight: Tensor, bias: Tensor | None) -> nn.Linear:
        new = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        new.weight.data.copy_(weight)
        if bias is not None:
            new.bias.data.copy_(bias)
        return new

    def merged(self) -> nn.Linear:
        return self.linear(self.base.weight + self.delta(), self.base.bias)


class lora_both_random(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        nn.init.normal_(self.lora_B)


class lora_both_zero(LoRALinear):
    def start(self, *shape):
        return torch.zeros(*shape)


class lora_A_ones(LoRALinear):
    def start(self, *shape):
        return torch.ones(*shape)


class lora_zero_and_random_swapped(LoRALinear):
    """A is zero and B random: nothing changes at the start either, and only A learns in the first step."""

    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        nn.init.zeros_(self.lora_A)
        nn.init.normal_(self.lora_B)


class lora_turned_shapes(LoRALinear):
    """A is (in, r) and B is (r, out)."""

    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.lora_A, self.lora_B = nn.Parameter(self.lora_A.T.detach().clone()), nn.Parameter(self.lora_B.T.detach().clone())

    def low_rank(self, x):
        return self.scaling * (x @ self.lora_A @ self.lora_B)

    def delta(self):
        return self.scaling * (self.lora_A @ self.lora_B).T


class lora_wrong_way_round(LoRALinear):
    """x meets B first: it fits where the layer is square."""

    def low_rank(self, x):
        return self.scaling * (x @ self.lora_B @ self.lora_A)

    def delta(self):
        return self.scaling * (self.lora_B @ self.lora_A).T


class lora_merged_transposed(LoRALinear):
    def merged(self):
        return self.linear(self.base.weight + self.delta().T, self.base.bias)


class lora_alpha_only(LoRALinear):
    scaling = property(lambda self: float(self.alpha))


class lora_root_of_r(LoRALinear):
    scaling = property(lambda self: self.alpha / self.r**0.5)


class lora_not_scaled(LoRALinear):
    scaling = property(lambda self: 1.0)


class lora_r_over_alpha(LoRALinear):
    scaling = property(lambda self: self.r / self.alpha)


class lora_one_over_r(LoRALinear):
    scaling = property(lambda self: 1 / self.r)


class lora_scaled_twice(LoRALinear):
    scaling = property(lambda self: (self.alpha / self.r) ** 2)


class lora_base_learns(LoRALinear):
    def freeze(self):
        self.base.requires_grad_(True)


class lora_bias_learns(LoRALinear):
    def freeze(self):
        self.base.weight.requires_grad_(False)


class lora_nothing_learns(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.requires_grad_(False)


class lora_A_frozen(LoRALinear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base, r, alpha, dropout)
        self.lora_A.requires_grad_(False)


class lora_no_base(LoRALinear):
    def forward(self, x):
        return self.low_rank(x)

    def merged(self):
        return self.linear(self.delta(), self.base.bias)


class lora_no_bias(LoRALinear):
    def forward(self, x):
        return x @ self.base.weight.T + self.low_rank(x)

    def merged(self):
        return self.linear(self.base.weight + self.delta(), None)


class lora_bias_lost_in_merging(LoRALinear):
    def merged(self):
        return self.linear(self.base.weight + self.delta(), None)


class lora_everything_scaled(LoRALinear):
    def forward(self, x):
        return self.scaling * (self.base(x) + self.dropout(x) @ self.lora_A.T @ self.lora_B.T)

    def merged(self):
        bias = None if self.base.bias is None else self.scaling * self.base.bias
        return self.linear(self.scaling * self.base.weight + self.delta(), bias)


class lora_behind_base(LoRALinear):
    """The low-rank part reads what base has made: it fits where the layer is square."""

    def forward(self, x):
        out = self.base(x)
        return out + self.low_rank(out)


class lora_own_linear(LoRALinear):
    """A new layer of the same shape instead of the given one."""

    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(self.linear(torch.zeros_like(base.weight), base.bias), r, alpha, dropout)


class lora_awake(LoRALinear):
    def low_rank(self, x):
        return self.scaling * (F.dropout(x, self.dropout.p, training=True) @ self.lora_A.T @ self.lora_B.T)


class lora_drops_base_too(LoRALinear):
    def forward(self, x):
        x = self.dropout(x)
        return self.base(x) + self.low_rank(x)


class lora_drops_the_sum(LoRALinear):
    def low_rank(self, x):
        return self.scaling * (x @ self.lora_A.T @ self.lora_B.T)

    def forward(self, x):
        return self.dropout(self.base(x) + self.low_rank(x))


class lora_never_drops(LoRALinear):
    def low_rank(self, x):
        return self.scaling * (x @ self.lora_A.T @ self.lora_B.T)


class lora_merges_in_place(LoRALinear):
    """base.weight grows with every call, and forward adds the low-rank part to it once more."""

    def merged(self):
        self.base.weight.data += self.delta()
        return self.linear(self.base.weight, self.base.bias)


class lora_merged_unscaled(LoRALinear):
    def merged(self):
        return self.linear(self.base.weight + self.lora_B @ self.lora_A, self.base.bias)


class lora_merged_with_alpha(LoRALinear):
    def merged(self):
        return self.linear(self.base.weight + self.alpha * self.lora_B @ self.lora_A, self.base.bias)


class lora_merged_delta_only(LoRALinear):
    def merged(self):
        return self.linear(self.delta(), self.base.bias)


class lora_merged_base_only(LoRALinear):
    def merged(self):
        return self.linear(self.base.weight, self.base.bias)


class lora_merged_subtracts(LoRALinear):
    def merged(self):
        return self.linear(self.base.weight - self.delta(), self.base.bias)
