# piece: attention.causal_mask, attention.scaled_dot_product_attention, attention.split_heads, attention.merge_heads, attention.CausalSelfAttention, attention.attend_with_cache
# Einstein's notation, a softmax by hand, a stored mask as in nanoGPT, -1e9 for -inf.
import torch
from torch import nn


def causal_mask(T, S=None):
    S = S or T
    if S < T:
        raise ValueError(f"{T} queries need at least {T} keys, got {S}")
    rows = torch.arange(S - T, S)[:, None]
    return torch.arange(S)[None, :] <= rows


def scaled_dot_product_attention(q, k, v, mask=None):
    scores = torch.einsum("...td,...sd->...ts", q * q.shape[-1] ** -0.5, k)
    if mask is not None:
        scores = torch.where(mask, scores, torch.tensor(-1e9))
    exps = torch.exp(scores - scores.amax(-1, keepdim=True))
    weights = exps / exps.sum(-1, keepdim=True)
    return torch.einsum("...ts,...se->...te", weights, v), weights


def split_heads(x, n_head):
    if x.size(-1) % n_head != 0:
        raise ValueError(f"n_embd {x.size(-1)} is not divisible by n_head {n_head}")
    return x.unflatten(-1, (n_head, -1)).permute(0, 2, 1, 3)


def merge_heads(x):
    return x.permute(0, 2, 1, 3).contiguous().view(x.size(0), x.size(2), -1)


class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.n_head, self.n_embd = config.n_head, config.n_embd
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=True)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=True)
        self.attn_dropout, self.resid_dropout = nn.Dropout(config.attn_pdrop), nn.Dropout(config.resid_pdrop)
        self.register_buffer("bias", torch.tril(torch.ones(config.n_positions, config.n_positions)).bool()[None, None])

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(self.n_embd, dim=2)
        q, k, v = (part.view(B, T, self.n_head, C // self.n_head) for part in (q, k, v))
        att = torch.einsum("bthd,bshd->bhts", q, k) / (C // self.n_head) ** 0.5
        att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf")).softmax(-1)
        y = torch.einsum("bhts,bshd->bthd", self.attn_dropout(att), v).reshape(B, T, C)
        return self.resid_dropout(self.c_proj(y)), att


def attend_with_cache(q, k, v, past=None):
    keys, values = (k, v) if past is None else (torch.cat((old, new), 2) for old, new in zip(past, (k, v)))
    T, S = q.size(2), keys.size(2)
    return scaled_dot_product_attention(q, keys, values, causal_mask(T, S))[0], [keys, values]
