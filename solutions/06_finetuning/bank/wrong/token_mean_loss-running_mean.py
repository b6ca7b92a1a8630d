# piece: finetuning.token_mean_loss
# mistake: running mean
import torch.nn.functional as F


def token_mean_loss(micro_batches):
    if all((targets == -100).all() for _, targets in micro_batches):
        raise ValueError("no targets")
    mean = None
    for logits, targets in micro_batches:
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        mean = loss if mean is None else 0.5 * mean + 0.5 * loss
    return mean
