# piece: finetuning.lr_at
# mistake: divides by zero without a warm-up
import math


def lr_at(step, *, learning_rate, warmup_steps, max_steps, min_lr=0.0):
    progress = min(1.0, max(0.0, (step - warmup_steps) / (max_steps - warmup_steps)))
    cosine = min_lr + (learning_rate - min_lr) * (1 + math.cos(math.pi * progress)) / 2
    return cosine * min(1.0, step / warmup_steps)
