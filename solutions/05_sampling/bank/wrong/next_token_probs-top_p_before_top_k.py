# piece: sampling.next_token_probs
# mistake: top-p before top-k
import math

import torch


def next_token_probs(logits, temperature=1.0, top_k=None, top_p=None):
    logits, order = (logits / temperature).sort(dim=-1, descending=True)
    if top_p is not None:
        probs = logits.softmax(-1)
        logits = logits.masked_fill(probs.cumsum(-1) - probs >= top_p, -math.inf)
    if top_k is not None:
        logits[..., top_k:] = -math.inf
    return torch.zeros_like(logits).scatter(-1, order, logits.softmax(-1))
