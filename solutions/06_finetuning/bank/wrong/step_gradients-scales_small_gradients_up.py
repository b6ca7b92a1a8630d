# piece: finetuning.step_gradients
# mistake: scales small gradients up
import torch


def clip(grads, max_norm):
    norm = torch.cat([grad.flatten() for grad in grads]).norm()
    factor = max_norm / norm
    return [grad * factor for grad in grads], norm


def step_gradients(micro_grads, counts, max_norm):
    total = [torch.zeros_like(grad) for grad in micro_grads[0]]
    for grads, count in zip(micro_grads, counts):
        total = [old + new for old, new in zip(total, grads)]
    total = [grad / sum(counts) for grad in total]
    return clip(total, max_norm)
