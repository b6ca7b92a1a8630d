# piece: finetuning.token_mean_loss
# mistake: mean over texts
import torch
import torch.nn.functional as F


def token_mean_loss(micro_batches):
    losses = []
    for logits, targets in micro_batches:
        for row, wanted in zip(logits, targets):
            if (wanted != -100).any():
                losses.append(F.cross_entropy(row, wanted))
    if not losses:
        raise ValueError("no targets")
    return torch.stack(losses).mean()
