# piece: finetuning.step_gradients
# mistake: a micro-batch of padding divides by zero
import torch


def step_gradients(micro_grads, counts, max_norm):
    """Means first, and then their mean, weighted by tokens."""
    means = [[grad / count for grad in grads] for grads, count in zip(micro_grads, counts)]
    total = [sum(part * n for part, n in zip(parts, counts)) / sum(counts) for parts in zip(*means)]
    norm = torch.cat([grad.flatten() for grad in total]).norm()
    return [grad * min(1.0, max_norm / norm.item()) for grad in total], norm
