# piece: finetuning.clip_gradients
# mistake: no root
def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    norm = sum((grad**2).sum() for grad in grads)
    if norm <= max_norm:
        return grads, norm
    return [grad * max_norm / norm for grad in grads], norm
