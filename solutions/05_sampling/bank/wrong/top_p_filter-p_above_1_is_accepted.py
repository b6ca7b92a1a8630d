# piece: sampling.top_p_filter
# mistake: p above 1 is accepted
import math

import torch


def top_p_filter(logits, top_p):
    ranked, order = logits.sort(dim=-1, descending=True)
    probs = ranked.softmax(-1)
    drop = probs.cumsum(-1) - probs >= top_p
    drop[..., 0] = False
    drop = torch.zeros_like(drop).scatter(-1, order, drop)
    return logits.masked_fill(drop, -math.inf)
