# piece: sampling.left_pad_positions
# mistake: one row for all
import torch


def left_pad_positions(attention_mask, past_length=0):
    positions = (attention_mask[:1].expand_as(attention_mask).cumsum(-1) - 1).clamp(min=0)
    return positions[:, past_length:]
