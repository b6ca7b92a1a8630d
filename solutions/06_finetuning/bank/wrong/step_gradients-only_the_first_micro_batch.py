# piece: finetuning.step_gradients
# mistake: only the first micro-batch
import torch


def step_gradients(micro_grads, counts, max_norm):
    for grads, count in zip(micro_grads, counts):
        grads = [grad / count for grad in grads]
        norm = torch.cat([grad.flatten() for grad in grads]).norm()
        return [grad * min(1.0, max_norm / norm.item()) for grad in grads], norm
