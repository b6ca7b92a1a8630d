# piece: attention.CausalSelfAttention
# mistake: two mistakes: no 1/sqrt(d_head); no mask
import math

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.attn_pdrop)
        self.resid_dropout = nn.Dropout(config.resid_pdrop)

    def split(self, x):
        B, T, C = x.shape
        return x.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.c_attn(x).chunk(3, dim=-1)
        q, k, v = self.split(q), self.split(k), self.split(v)
        scores = q @ k.transpose(-2, -1)
        mask = torch.ones(T, T, dtype=torch.bool).tril()
        weights = scores.softmax(dim=-1)
        out = self.attn_dropout(weights) @ v
        out = out.transpose(1, 2).reshape(B, T, C)
        return self.resid_dropout(self.c_proj(out)), weights
