# piece: finetuning.token_mean_loss
# mistake: pads looked up as tokens
import torch


def token_mean_loss(micro_batches):
    losses = []
    for logits, targets in micro_batches:
        log_probs = logits.log_softmax(-1)
        losses.append(-log_probs.gather(-1, targets[..., None]).flatten())
    return torch.cat(losses).mean()
