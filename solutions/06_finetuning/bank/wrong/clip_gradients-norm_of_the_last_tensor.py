# piece: finetuning.clip_gradients
# mistake: norm of the last tensor
def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    for grad in grads:
        norm = grad.norm()
    factor = min(1.0, max_norm / (norm.item() + 1e-6))
    return [grad * factor for grad in grads], norm
