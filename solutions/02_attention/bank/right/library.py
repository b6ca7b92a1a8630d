# piece: attention.causal_mask, attention.scaled_dot_product_attention, attention.split_heads, attention.merge_heads, attention.CausalSelfAttention, attention.attend_with_cache
# PyTorch's own functions, in training mode with dropout inside; weights recovered by attending to the identity.
import torch
import torch.nn.functional as F
from torch import nn


def causal_mask(T, S=None):
    S = T if S is None else S
    if not T <= S:
        raise ValueError(f"got T={T} and S={S}")
    return ~torch.triu(torch.ones((T, S)), diagonal=S - T + 1).to(torch.bool)


def scaled_dot_product_attention(q, k, v, mask=None):
    eye = torch.eye(k.shape[-2]).expand(*k.shape[:-2], -1, -1)
    weights = F.scaled_dot_product_attention(q, k, eye, attn_mask=mask)
    return weights.matmul(v), weights


def split_heads(x, n_head):
    channels = x.shape[-1]
    if channels / n_head != channels // n_head:
        raise ValueError(f"cannot split {channels} into {n_head}")
    return torch.stack(x.chunk(n_head, dim=-1), dim=-3)


def merge_heads(x):
    return x.swapaxes(-3, -2).flatten(-2)


class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.n_head, self.p, self.p_out = config.n_head, config.attn_pdrop, config.resid_pdrop
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)

    def forward(self, x):
        q, k, v = (split_heads(y, self.n_head) for y in self.c_attn(x).tensor_split(3, -1))
        _, weights = scaled_dot_product_attention(q, k, v, causal_mask(x.shape[1]))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=self.p if self.training else 0.0)
        return F.dropout(self.c_proj(merge_heads(y)), self.p_out, self.training), weights


def attend_with_cache(q, k, v, past=None):
    past_k, past_v = past or (k.new_zeros(0), v.new_zeros(0))
    k, v = (torch.cat([old, new], -2) if old.numel() else new for old, new in ((past_k, k), (past_v, v)))
    mask = causal_mask(k.shape[-2])[-q.shape[-2] :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask), (k, v)
