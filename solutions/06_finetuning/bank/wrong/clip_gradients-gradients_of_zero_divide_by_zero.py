# piece: finetuning.clip_gradients
# mistake: gradients of zero divide by zero
import torch


def clip_gradients(grads, max_norm):
    if max_norm <= 0:
        raise ValueError(f"max_norm is {max_norm}")
    norm = torch.stack([grad.norm() for grad in grads]).norm()
    kept = norm.clamp(max=max_norm)
    return [grad * kept / norm for grad in grads], norm
