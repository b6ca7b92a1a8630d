# piece: finetuning.clip_gradients
# mistake: nothing clipped
def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    norm = sum(grad.square().sum() for grad in grads) ** 0.5
    if norm > max_norm:
        for grad in grads:
            grad = grad * max_norm / norm
    return grads, norm
