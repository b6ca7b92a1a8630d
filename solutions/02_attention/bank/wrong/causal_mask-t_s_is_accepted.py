# piece: attention.causal_mask
# mistake: T > S is accepted
import torch


def causal_mask(T, S=None):
    S = T if S is None else S
    return torch.ones(T, S, dtype=torch.bool).tril(S - T)
