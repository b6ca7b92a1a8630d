# piece: attention.causal_mask
# mistake: True and False swapped
import torch


def causal_mask(T, S=None):
    S = T if S is None else S
    if T > S:
        raise ValueError(f"T={T}, S={S}")
    return torch.ones(T, S, dtype=torch.bool).triu(S - T + 1)
