# piece: sampling.left_pad_positions
# mistake: padding below position 0
import torch


def left_pad_positions(attention_mask, past_length=0):
    positions = torch.arange(attention_mask.shape[1]) - (attention_mask == 0).sum(1, keepdim=True)
    return positions[:, past_length:]
