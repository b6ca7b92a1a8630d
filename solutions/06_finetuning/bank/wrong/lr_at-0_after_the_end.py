# piece: finetuning.lr_at
# mistake: 0 after the end
import math


def lr_at(step, *, learning_rate, warmup_steps, max_steps, min_lr=0.0):
    if step < warmup_steps:
        return learning_rate * step / warmup_steps
    if step >= max_steps:
        return 0.0
    progress = (step - warmup_steps) / (max_steps - warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return min_lr + cosine * (learning_rate - min_lr)
