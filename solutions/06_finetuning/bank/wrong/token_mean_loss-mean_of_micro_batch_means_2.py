# piece: finetuning.token_mean_loss
# mistake: mean of micro-batch means
import torch.nn.functional as F


def token_mean_loss(micro_batches):
    """As loss / accumulation_steps does it in many a training loop."""
    if not any((targets >= 0).any() for _, targets in micro_batches):
        raise ValueError("no targets")
    loss = 0
    for logits, targets in micro_batches:
        loss = loss + F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-100) / len(micro_batches)
    return loss
