# piece: finetuning.step_gradients
# mistake: norm after clipping returned
import torch


def clip(grads, max_norm):
    norm = torch.cat([grad.flatten() for grad in grads]).norm()
    factor = min(1.0, max_norm / (norm.item() + 1e-6))
    grads = [grad * factor for grad in grads]
    return grads, torch.cat([grad.flatten() for grad in grads]).norm()


def step_gradients(micro_grads, counts, max_norm):
    total = [torch.zeros_like(grad) for grad in micro_grads[0]]
    for grads, count in zip(micro_grads, counts):
        total = [old + new for old, new in zip(total, grads)]
    total = [grad / sum(counts) for grad in total]
    return clip(total, max_norm)
