# piece: finetuning.shift_targets, finetuning.token_mean_loss, finetuning.adamw_step, finetuning.lr_at, finetuning.clip_gradients, finetuning.step_gradients, finetuning.LoRALinear
# As optimizers are written: what was given is changed where that is allowed, and nothing is stored twice.
import copy
import math

import torch
from torch import nn


def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    T = input_ids.shape[1]
    if T == 1:
        raise ValueError(f"{T} token")
    targets = input_ids.roll(-1, 1)
    targets[:, -1] = ignore_index
    if attention_mask is not None:
        padding = attention_mask.logical_not()
        targets[padding] = ignore_index
        targets[:, :-1][padding[:, 1:]] = ignore_index
    return input_ids[:, :-1], targets[:, :-1]


def token_mean_loss(micro_batches):
    count = sum(int(targets.ge(0).sum()) for _, targets in micro_batches)
    if not count:
        raise ValueError("nothing to learn from")
    loss = torch.zeros(())
    for logits, targets in micro_batches:
        there = targets >= 0
        loss = loss - logits[there].log_softmax(-1).gather(-1, targets[there][:, None]).sum() / count
    return loss


def adamw_step(param, grad, exp_avg, exp_avg_sq, step, *, lr, betas, eps, weight_decay):
    if step < 1:
        raise ValueError(f"step={step}")
    param.mul_(1 - lr * weight_decay)
    exp_avg.lerp_(grad, 1 - betas[0])
    exp_avg_sq.mul_(betas[1]).addcmul_(grad, grad, value=1 - betas[1])
    root = exp_avg_sq.sqrt().div_(math.sqrt(1 - betas[1] ** step)).add_(eps)
    param.addcdiv_(exp_avg, root, value=-lr / (1 - betas[0] ** step))
    return param, exp_avg, exp_avg_sq


def lr_at(step, *, learning_rate, warmup_steps, max_steps, min_lr=0.0):
    rising = step / warmup_steps if warmup_steps else 1.0
    if rising < 1:
        return learning_rate * rising
    progress = min(1.0, (step - warmup_steps) / (max_steps - warmup_steps))
    return (learning_rate + min_lr) / 2 + (learning_rate - min_lr) / 2 * math.cos(math.pi * progress)


def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm={max_norm}")
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad) for grad in grads]))
    for grad in grads:
        grad.mul_(max_norm / max(norm.item(), max_norm))
    return grads, norm


def step_gradients(micro_grads, counts, max_norm):
    first, *others = micro_grads
    for grads in others:
        for total, grad in zip(first, grads):
            total.add_(grad)
    for total in first:
        total.div_(sum(counts))
    return clip_gradients(first, max_norm)


class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        if r <= 0:
            raise ValueError(f"r={r}")
        self.base = base
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        self.register_parameter("lora_A", nn.Parameter(torch.empty(r, base.in_features).normal_(std=0.02)))
        self.register_parameter("lora_B", nn.Parameter(base.weight.new_zeros(base.out_features, r)))
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.register_buffer("scaling", torch.tensor(alpha / r), persistent=False)

    def forward(self, x):
        out = self.base(x)
        if self.training:
            return out + (self.dropout(x) @ self.lora_A.mT) @ self.lora_B.mT * self.scaling
        return out + torch.einsum("...i,ri,or->...o", x, self.lora_A, self.lora_B) * self.scaling

    @torch.no_grad()
    def merged(self):
        linear = copy.deepcopy(self.base)
        linear.weight.add_(self.lora_B @ self.lora_A * self.scaling)
        return linear
