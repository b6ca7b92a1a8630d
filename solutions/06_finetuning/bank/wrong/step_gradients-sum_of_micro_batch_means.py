# piece: finetuning.step_gradients
# mistake: sum of micro-batch means
import torch


def step_gradients(micro_grads, counts, max_norm):
    total = None
    for grads, count in zip(micro_grads, counts):
        mean = [grad / count for grad in grads]
        total = mean if total is None else [a + b for a, b in zip(total, mean)]
    norm = torch.stack([grad.norm() for grad in total]).norm()
    return [grad * (max_norm / norm).clamp(max=1) for grad in total], norm
