# piece: finetuning.clip_gradients
# mistake: gradients of zero divide by zero
import math


def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    norm = math.sqrt(sum((grad**2).sum().item() for grad in grads))
    factor = min(1.0, max_norm / norm)
    return [grad * factor for grad in grads], norm
