# piece: sampling.top_p_filter
# mistake: filled with 0 instead of -inf
import math

import torch


def top_p_filter(logits, top_p):
    if not 0 <= top_p <= 1:
        raise ValueError(f"top_p={top_p} is not between 0 and 1")
    ranked, order = logits.sort(dim=-1, descending=True)
    probs = ranked.softmax(-1)
    drop = probs.cumsum(-1) - probs >= top_p
    drop[..., 0] = False
    drop = torch.zeros_like(drop).scatter(-1, order, drop)
    return logits.masked_fill(drop, 0.0)
