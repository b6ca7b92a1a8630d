# piece: finetuning.token_mean_loss
# mistake: nothing can be learned from it
import torch
import torch.nn.functional as F


@torch.no_grad()
def token_mean_loss(micro_batches):
    logits = torch.cat([logits.flatten(0, 1) for logits, _ in micro_batches])
    targets = torch.cat([targets.flatten() for _, targets in micro_batches])
    if (targets == -100).all():
        raise ValueError("no targets")
    return F.cross_entropy(logits, targets)
