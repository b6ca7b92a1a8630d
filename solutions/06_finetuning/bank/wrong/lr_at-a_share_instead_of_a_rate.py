# piece: finetuning.lr_at
# mistake: a share instead of a rate
import math


def lr_at(step, *, learning_rate, warmup_steps, max_steps, min_lr=0.0):
    """As torch.optim.lr_scheduler.LambdaLR would like it."""
    least = min_lr / learning_rate
    if step < warmup_steps:
        return step / warmup_steps
    progress = min(1.0, (step - warmup_steps) / (max_steps - warmup_steps))
    return least + (1 - least) * (1 + math.cos(math.pi * progress)) / 2
