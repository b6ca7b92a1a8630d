# piece: finetuning.clip_gradients
# mistake: multiplied by the limit
import torch


def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    norm = torch.stack([grad.norm() for grad in grads]).norm()
    if norm <= max_norm:
        return grads, norm
    return [grad * max_norm for grad in grads], norm
