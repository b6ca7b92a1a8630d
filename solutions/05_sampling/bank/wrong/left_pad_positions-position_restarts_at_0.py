# piece: sampling.left_pad_positions
# mistake: position restarts at 0
import torch


def left_pad_positions(attention_mask, past_length=0):
    attention_mask = attention_mask[:, past_length:]
    positions = (attention_mask.cumsum(-1) - 1).clamp(min=0)
    return positions
