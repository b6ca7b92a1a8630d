# piece: sampling.left_pad_positions
# mistake: counted from the right
import torch


def left_pad_positions(attention_mask, past_length=0):
    positions = (attention_mask.flip(1).cumsum(1) - 1).clamp(min=0).flip(1)
    return positions[:, past_length:]
