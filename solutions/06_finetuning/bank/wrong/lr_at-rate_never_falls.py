# piece: finetuning.lr_at
# mistake: rate never falls
def lr_at(step, *, learning_rate, warmup_steps, max_steps, min_lr=0.0):
    if step < warmup_steps:
        return learning_rate * step / warmup_steps
    if step >= max_steps:
        return min_lr
    return learning_rate
