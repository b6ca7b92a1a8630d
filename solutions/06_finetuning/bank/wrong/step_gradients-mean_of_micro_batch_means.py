# piece: finetuning.step_gradients
# mistake: mean of micro-batch means
import torch


def step_gradients(micro_grads, counts, max_norm):
    weights = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in micro_grads[0]]
    for weight, *parts in zip(weights, *micro_grads):
        weight.grad = sum(part / count for part, count in zip(parts, counts)) / len(counts)
    norm = torch.nn.utils.clip_grad_norm_(weights, max_norm)
    return [weight.grad for weight in weights], norm
