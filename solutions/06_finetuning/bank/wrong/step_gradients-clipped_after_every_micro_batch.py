# piece: finetuning.step_gradients
# mistake: clipped after every micro-batch
import torch


def step_gradients(micro_grads, counts, max_norm):
    """As with loss.backward() and clip_grad_norm_ side by side in the loop."""
    weights = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in micro_grads[0]]
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    for grads in micro_grads:
        for weight, grad in zip(weights, grads):
            weight.grad += grad / sum(counts)
        norm = torch.nn.utils.clip_grad_norm_(weights, max_norm)
    return [weight.grad for weight in weights], norm
