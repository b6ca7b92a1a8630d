# piece: attention.causal_mask, attention.scaled_dot_product_attention, attention.split_heads, attention.merge_heads, attention.CausalSelfAttention, attention.attend_with_cache
# One number, one row, one head at a time.
import math

import torch
from torch import nn


def causal_mask(T, S=None):
    if S is None:
        S = T
    if T > S:
        raise ValueError("T = %d > S = %d" % (T, S))
    mask = torch.zeros(T, S, dtype=torch.bool)
    for i in range(T):
        for j in range(S):
            mask[i, j] = j <= S - T + i
    return mask


def softmax(row):
    big = max(row)
    exps = [math.exp(x - big) for x in row]
    return [e / sum(exps) for e in exps]


def scaled_dot_product_attention(q, k, v, mask=None):
    T, S, d = q.shape[-2], k.shape[-2], q.shape[-1]
    batch = q.shape[:-2]
    if mask is not None:
        mask = mask.expand(*batch, T, S).reshape(-1, T, S)
    qs, ks, vs = q.reshape(-1, T, d), k.reshape(-1, S, d), v.reshape(-1, S, v.shape[-1])
    weights = torch.zeros(len(qs), T, S)
    for b in range(len(qs)):
        for i in range(T):
            row = []
            for j in range(S):
                seen = mask is None or mask[b, i, j]
                row.append((qs[b, i] @ ks[b, j]).item() / math.sqrt(d) if seen else -math.inf)
            weights[b, i] = torch.tensor(softmax(row))
    out = torch.stack([w @ x for w, x in zip(weights, vs)])
    return out.reshape(*batch, T, -1), weights.reshape(*batch, T, S)


def split_heads(x, n_head):
    size, left = divmod(x.shape[-1], n_head)
    if left:
        raise ValueError(f"{x.shape[-1]} channels, {n_head} heads")
    return torch.stack([x[:, :, h * size : (h + 1) * size] for h in range(n_head)], dim=1)


def merge_heads(x):
    return torch.cat([x[:, h] for h in range(x.shape[1])], dim=-1)


class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.c_attn = nn.Linear(config.n_embd, config.n_embd * 3)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.drop = nn.Dropout(config.attn_pdrop)
        self.out_drop = nn.Dropout(config.resid_pdrop)

    def forward(self, x):
        C, H = self.config.n_embd, self.config.n_head
        d = C // H
        qkv = self.c_attn(x)
        outs, maps = [], []
        for h in range(H):
            q, k, v = (qkv[:, :, part * C + h * d : part * C + (h + 1) * d] for part in range(3))
            out, weights = scaled_dot_product_attention(q, k, v, causal_mask(x.shape[1]))
            outs.append(self.drop(weights) @ v)
            maps.append(weights)
        return self.out_drop(self.c_proj(torch.cat(outs, dim=-1))), torch.stack(maps, dim=1)


def attend_with_cache(q, k, v, past=None):
    if past is None:
        past = (k[:, :, :0], v[:, :, :0])
    outs = []
    for t in range(q.shape[2]):
        keys = torch.cat([past[0], k[:, :, : t + 1]], dim=2)
        values = torch.cat([past[1], v[:, :, : t + 1]], dim=2)
        outs.append(scaled_dot_product_attention(q[:, :, t : t + 1], keys, values)[0])
    return torch.cat(outs, dim=2), (keys, values)
