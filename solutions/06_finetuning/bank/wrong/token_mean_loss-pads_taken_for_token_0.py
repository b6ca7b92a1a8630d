# piece: finetuning.token_mean_loss
# mistake: pads taken for token 0
import torch
import torch.nn.functional as F


def token_mean_loss(micro_batches):
    logits = torch.cat([logits.flatten(0, 1) for logits, _ in micro_batches])
    targets = torch.cat([targets.flatten() for _, targets in micro_batches])
    targets[targets == -100] = 0
    return F.cross_entropy(logits, targets)
