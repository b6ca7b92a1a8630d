# piece: finetuning.lr_at
# mistake: nothing returned
import math


def lr_at(step, *, learning_rate, warmup_steps, max_steps, min_lr=0.0):
    if step < warmup_steps:
        rate = learning_rate * step / warmup_steps
    elif step >= max_steps:
        rate = min_lr
    else:
        progress = (step - warmup_steps) / (max_steps - warmup_steps)
        rate = min_lr + (learning_rate - min_lr) * (1 + math.cos(math.pi * progress)) / 2
