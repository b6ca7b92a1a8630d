# piece: finetuning.clip_gradients
# mistake: mean instead of sum
import torch


def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    norm = torch.cat([grad.flatten() for grad in grads]).pow(2).mean().sqrt()
    if norm <= max_norm:
        return grads, norm
    return [grad * max_norm / norm for grad in grads], norm
