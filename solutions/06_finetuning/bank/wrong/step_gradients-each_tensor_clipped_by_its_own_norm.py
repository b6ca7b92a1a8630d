# piece: finetuning.step_gradients
# mistake: each tensor clipped by its own norm
import torch


def step_gradients(micro_grads, counts, max_norm):
    total = [sum(parts) / sum(counts) for parts in zip(*micro_grads)]
    norm = torch.cat([grad.flatten() for grad in total]).norm()
    clipped = []
    for grad in total:
        clipped.append(grad * min(1.0, max_norm / grad.norm().item()))
    return clipped, norm
