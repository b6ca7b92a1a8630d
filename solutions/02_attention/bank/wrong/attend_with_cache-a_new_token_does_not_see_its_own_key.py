# piece: attention.attend_with_cache
# mistake: a new token does not see its own key
import math

import torch


def attend_with_cache(q, k, v, past=None):
    new_k, new_v = k, v
    if past is not None:
        k, v = past
    T, S = q.shape[2], k.shape[2]
    mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    out = scores.masked_fill(~mask, -math.inf).softmax(-1) @ v
    if past is None:
        return out, (k, v)
    return out, (torch.cat([k, new_k], dim=2), torch.cat([v, new_v], dim=2))
