# piece: finetuning.clip_gradients
# mistake: each tensor clipped by its own norm
import torch


def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    norm = torch.stack([grad.norm() for grad in grads]).norm()
    if not norm:
        return grads, norm
    return [grad * min(1.0, max_norm / grad.norm().item()) for grad in grads], norm
