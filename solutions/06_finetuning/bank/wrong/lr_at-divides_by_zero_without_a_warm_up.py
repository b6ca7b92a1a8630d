# piece: finetuning.lr_at
# mistake: divides by zero without a warm-up
import math


def lr_at(step, *, learning_rate, warmup_steps, max_steps, min_lr=0.0):
    warm = step / warmup_steps
    if warm < 1:
        return learning_rate * warm
    if step >= max_steps:
        return min_lr
    progress = (step - warmup_steps) / (max_steps - warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return min_lr + cosine * (learning_rate - min_lr)
