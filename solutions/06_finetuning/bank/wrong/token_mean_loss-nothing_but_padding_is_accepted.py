# piece: finetuning.token_mean_loss
# mistake: nothing but padding is accepted
import torch.nn.functional as F


def token_mean_loss(micro_batches):
    total, tokens = 0.0, 0
    for logits, targets in micro_batches:
        losses = F.cross_entropy(logits.reshape(-1, logits.size(-1)), targets.reshape(-1), reduction="none")
        total = total + losses.sum()
        tokens = tokens + (targets != -100).sum()
    return total / tokens
