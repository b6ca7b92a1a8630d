# piece: sampling.left_pad_positions
# mistake: padding counted behind the cache
import torch


def left_pad_positions(attention_mask, past_length=0):
    positions = (attention_mask.cumsum(-1) - 1).clamp(min=0)
    if past_length:
        T = attention_mask.shape[1]
        return torch.arange(past_length, T).repeat(len(attention_mask), 1)
    return positions
