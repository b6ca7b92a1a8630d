# piece: sampling.left_pad_positions
# mistake: left padding with plain arange positions
import torch


def left_pad_positions(attention_mask, past_length=0):
    positions = torch.arange(attention_mask.shape[1]).repeat(len(attention_mask), 1)
    return positions[:, past_length:]
