# piece: finetuning.clip_gradients
# mistake: largest norm of a tensor
def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    norm = max(grad.norm() for grad in grads)
    if norm <= max_norm:
        return grads, norm
    return [grad * max_norm / norm for grad in grads], norm
