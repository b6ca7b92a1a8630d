# piece: finetuning.clip_gradients
# mistake: norm after clipping returned
import torch


def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    norm = torch.stack([grad.norm() for grad in grads]).norm()
    if norm <= max_norm:
        return grads, norm
    grads = [grad * max_norm / norm for grad in grads]
    return grads, torch.stack([grad.norm() for grad in grads]).norm()
