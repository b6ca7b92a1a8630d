# piece: decoder.next_token_loss
# mistake: no shift
import torch.nn.functional as F


def next_token_loss(logits, input_ids):
    targets = input_ids
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
