# piece: finetuning.token_mean_loss
# mistake: a micro-batch of padding gives nan
import torch.nn.functional as F


def token_mean_loss(micro_batches):
    """Means weighted by their tokens: right, but for the mean of nothing."""
    counts = [(targets != -100).sum() for _, targets in micro_batches]
    if sum(counts) == 0:
        raise ValueError("no targets")
    means = [F.cross_entropy(logits.flatten(0, 1), targets.flatten()) for logits, targets in micro_batches]
    return sum(mean * count for mean, count in zip(means, counts)) / sum(counts)
