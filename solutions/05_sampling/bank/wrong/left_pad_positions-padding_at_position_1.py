# piece: sampling.left_pad_positions
# mistake: padding at position -1
import torch


def left_pad_positions(attention_mask, past_length=0):
    positions = (attention_mask.cumsum(-1) - 1)
    return positions[:, past_length:]
