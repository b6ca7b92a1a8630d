# piece: finetuning.shift_targets, finetuning.token_mean_loss, finetuning.adamw_step, finetuning.lr_at, finetuning.clip_gradients, finetuning.step_gradients, finetuning.LoRALinear
# PyTorch's functions: cross_entropy, AdamW, SequentialLR, clip_grad_norm_, F.linear.
import torch
import torch.nn.functional as F
from torch import nn


def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    if input_ids.size(-1) < 2:
        raise ValueError(f"{input_ids.size(-1)} token is too little")
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    counts = mask.unfold(1, 2, 1).all(-1)  # (B, T - 1): both of a pair of neighbours
    return input_ids.narrow(1, 0, input_ids.size(1) - 1), torch.where(counts, input_ids[:, 1:], ignore_index)


def token_mean_loss(micro_batches):
    logits = torch.cat([logits.flatten(0, 1) for logits, _ in micro_batches])
    targets = torch.cat([targets.flatten() for _, targets in micro_batches])
    loss = F.cross_entropy(logits, targets)
    if loss.isnan():
        raise ValueError("only padding")
    return loss


def adamw_step(param, grad, exp_avg, exp_avg_sq, step, *, lr, betas, eps, weight_decay):
    if step <= 0:
        raise ValueError(f"step {step} is below 1")
    weight = nn.Parameter(param)
    weight.grad = grad
    optimizer = torch.optim.AdamW([weight], lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    optimizer.state[weight] = {"step": torch.tensor(float(step - 1)), "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
    optimizer.step()
    return weight.detach(), optimizer.state[weight]["exp_avg"], optimizer.state[weight]["exp_avg_sq"]


def lr_at(step, *, learning_rate, warmup_steps, max_steps, min_lr=0.0):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=learning_rate)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max_steps - warmup_steps, eta_min=min_lr)
    if step < warmup_steps:
        return learning_rate / warmup_steps * step
    for _ in range(min(step, max_steps) - warmup_steps):
        optimizer.step()
        cosine.step()
    return cosine.get_last_lr()[0]


def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm {max_norm}")
    weights = [nn.Parameter(torch.empty_like(grad)) for grad in grads]
    for weight, grad in zip(weights, grads):
        weight.grad = grad.clone()
    norm = nn.utils.clip_grad_norm_(weights, max_norm)
    return [weight.grad for weight in weights], norm


def step_gradients(micro_grads, counts, max_norm):
    mean = [torch.stack(parts).sum(0).div(sum(counts)) for parts in zip(*micro_grads)]
    return clip_gradients(mean, max_norm)


class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        if not r > 0:
            raise ValueError(f"rank {r}")
        super().__init__()
        self.base = base
        self.base.requires_grad_(False)
        self.lora_A = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(r, base.in_features), a=5**0.5))
        self.lora_B = nn.Parameter(nn.init.zeros_(torch.empty(base.out_features, r)))
        self.dropout = nn.Dropout(p=dropout)
        self.factor = alpha / r

    def forward(self, x):
        low_rank = F.linear(F.linear(self.dropout(x), self.lora_A), self.lora_B)
        return torch.add(self.base(x), low_rank, alpha=self.factor)

    def merged(self):
        linear = nn.Linear(self.base.in_features, self.base.out_features, bias=self.base.bias is not None)
        linear.load_state_dict(self.base.state_dict())
        linear.weight.data.addmm_(self.lora_B.data, self.lora_A.data, alpha=self.factor)
        return linear
