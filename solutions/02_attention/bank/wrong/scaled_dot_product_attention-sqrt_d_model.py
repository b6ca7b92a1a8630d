# piece: attention.scaled_dot_product_attention
# mistake: sqrt(d_model)
import math

import torch


def scaled_dot_product_attention(q, k, v, mask=None):
    d = q.shape[-1] * (q.shape[1] if q.dim() == 4 else 1)
    scores = q @ k.transpose(-2, -1) / math.sqrt(d)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = torch.softmax(scores, dim=-1)
    return weights @ v, weights
