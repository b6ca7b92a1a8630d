# piece: finetuning.clip_gradients
# mistake: a limit of 0 is accepted
import torch


def clip_gradients(grads, max_norm):
    norm = torch.stack([grad.norm() for grad in grads]).norm()
    if norm <= max_norm:
        return grads, norm
    return [grad * max_norm / norm for grad in grads], norm
