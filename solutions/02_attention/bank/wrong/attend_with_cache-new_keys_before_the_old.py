# piece: attention.attend_with_cache
# mistake: new keys before the old
import math

import torch


def attend_with_cache(q, k, v, past=None):
    if past is not None:
        k = torch.cat([k, past[0]], dim=2)
        v = torch.cat([v, past[1]], dim=2)
    T, S = q.shape[2], k.shape[2]
    mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
    return weights @ v, (k, v)
