# piece: finetuning.clip_gradients
# mistake: scales small gradients up
import torch


def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    norm = torch.stack([grad.norm() for grad in grads]).norm()
    return [grad * max_norm / (norm + 1e-6) for grad in grads], norm
