# piece: attention.attend_with_cache
# mistake: cache not used
import math

import torch


def attend_with_cache(q, k, v, past=None):
    T = q.shape[2]
    mask = torch.ones(T, T, dtype=torch.bool).tril()
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    out = scores.masked_fill(~mask, -math.inf).softmax(-1) @ v
    if past is not None:
        k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
    return out, (k, v)
