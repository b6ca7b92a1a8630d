# piece: finetuning.shift_targets, finetuning.token_mean_loss, finetuning.adamw_step, finetuning.lr_at, finetuning.clip_gradients, finetuning.step_gradients, finetuning.LoRALinear
# One row, one token, one number at a time.
import math

import torch
from torch import nn


def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    inputs, targets = [], []
    for i, row in enumerate(input_ids.tolist()):
        if len(row) < 2:
            raise ValueError(f"row {i} has {len(row)} tokens")
        mask = [1] * len(row) if attention_mask is None else attention_mask[i].tolist()
        inputs.append(row[:-1])
        targets.append([row[t + 1] if mask[t] and mask[t + 1] else ignore_index for t in range(len(row) - 1)])
    return torch.tensor(inputs), torch.tensor(targets)


def token_mean_loss(micro_batches):
    losses = []
    for logits, targets in micro_batches:
        for row, wanted in zip(logits, targets.tolist()):
            for t, token in enumerate(wanted):
                if token >= 0:
                    losses.append(torch.logsumexp(row[t], 0) - row[t][token])
    if not losses:
        raise ValueError("no token to predict")
    return sum(losses) / len(losses)


def adamw_step(param, grad, exp_avg, exp_avg_sq, step, *, lr, betas, eps, weight_decay):
    if step < 1:
        raise ValueError(f"step is {step}")
    new = [[], [], []]
    for w, g, m, v in zip(*(x.flatten().tolist() for x in (param, grad, exp_avg, exp_avg_sq))):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        w -= lr * weight_decay * w
        w -= lr * (m / (1 - betas[0] ** step)) / (math.sqrt(v / (1 - betas[1] ** step)) + eps)
        for values, value in zip(new, (w, m, v)):
            values.append(value)
    return tuple(torch.tensor(values).reshape(param.shape) for values in new)


def lr_at(step, *, learning_rate, warmup_steps, max_steps, min_lr=0.0):
    if warmup_steps > step:
        return step * (learning_rate / warmup_steps)
    left = max(0, max_steps - step) / (max_steps - warmup_steps)
    return min_lr + (learning_rate - min_lr) * math.sin(math.pi / 2 * left) ** 2


def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    total = 0.0
    for grad in grads:
        for number in grad.flatten().tolist():
            total += number * number
    norm = math.sqrt(total)
    if norm > max_norm:
        grads = [grad * (max_norm / norm) for grad in grads]
    return grads, norm


def step_gradients(micro_grads, counts, max_norm):
    total, tokens = [0 for _ in micro_grads[0]], 0
    for grads, count in zip(micro_grads, counts):
        tokens += count
        for i, grad in enumerate(grads):
            total[i] = total[i] + grad
    return clip_gradients([grad / tokens for grad in total], max_norm)


class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        if r < 1:
            raise ValueError(f"r is {r}")
        self.base, self.r, self.alpha, self.p = base, r, alpha, dropout
        for parameter in base.parameters():
            parameter.requires_grad = False
        self.lora_A = nn.Parameter(torch.rand(r, base.in_features) - 0.5)
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, r))

    def forward(self, x):
        out = self.base(x)
        dropped = nn.functional.dropout(x, self.p, training=self.training)
        for i in range(self.r):  # one rank at a time: how much of direction A[i] is in x goes into direction B[:, i]
            share = (dropped * self.lora_A[i]).sum(-1, keepdim=True)
            out = out + self.alpha / self.r * share * self.lora_B[:, i]
        return out

    def merged(self):
        weight = self.base.weight.detach().clone()
        for i in range(self.r):
            weight += self.alpha / self.r * torch.outer(self.lora_B[:, i], self.lora_A[i]).detach()
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=self.base.bias is not None)
        linear.weight = nn.Parameter(weight)
        if self.base.bias is not None:
            linear.bias = nn.Parameter(self.base.bias.detach().clone())
        return linear
