# piece: finetuning.token_mean_loss
# mistake: shifted twice
import torch.nn.functional as F


def token_mean_loss(micro_batches):
    total, tokens = 0.0, 0
    for logits, targets in micro_batches:
        logits, targets = logits[:, :-1], targets[:, 1:]
        losses = F.cross_entropy(logits.reshape(-1, logits.size(-1)), targets.reshape(-1), reduction="none")
        total = total + losses.sum()
        tokens = tokens + (targets != -100).sum()
    if tokens == 0:
        raise ValueError("no targets")
    return total / tokens
