# piece: finetuning.token_mean_loss
# mistake: micro-batch means weighted by positions
import torch.nn.functional as F


def token_mean_loss(micro_batches):
    if all((targets == -100).all() for _, targets in micro_batches):
        raise ValueError("no targets")
    loss, weight = 0, 0
    for logits, targets in micro_batches:
        loss = loss + F.cross_entropy(logits.flatten(0, 1), targets.flatten()) * targets.numel()
        weight += targets.numel()
    return loss / weight
