# piece: attention.causal_mask
# mistake: mask not made for S keys
import torch


def causal_mask(T, S=None):
    S = T if S is None else S
    if T > S:
        raise ValueError(f"T={T}, S={S}")
    return torch.ones(T, T, dtype=torch.bool).tril()
