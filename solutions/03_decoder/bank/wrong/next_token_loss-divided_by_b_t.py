# piece: decoder.next_token_loss
# mistake: divided by B * T
import torch.nn.functional as F


def next_token_loss(logits, input_ids):
    logits, targets = logits[:, :-1], input_ids[:, 1:]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction='sum') / input_ids.numel()
