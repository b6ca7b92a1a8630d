# piece: sampling.next_token_probs
# mistake: k - 1 tokens kept
import math

import torch


def top_p_filter(logits, top_p):
    ranked, order = logits.sort(dim=-1, descending=True)
    probs = ranked.softmax(-1)
    drop = probs.cumsum(-1) - probs >= top_p
    drop = torch.zeros_like(drop).scatter(-1, order, drop)
    return logits.masked_fill(drop, -math.inf)


def next_token_probs(logits, temperature=1.0, top_k=None, top_p=None):
    logits = logits / temperature
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[-1])).values[..., -1:]
        logits = logits.masked_fill(logits <= least, -math.inf)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    return logits.softmax(-1)
