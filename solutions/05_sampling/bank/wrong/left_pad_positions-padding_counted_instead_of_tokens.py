# piece: sampling.left_pad_positions
# mistake: padding counted instead of tokens
import torch


def left_pad_positions(attention_mask, past_length=0):
    positions = ((1 - attention_mask).cumsum(-1) - 1).clamp(min=0)
    return positions[:, past_length:]
