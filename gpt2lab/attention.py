"""Attention: each token looks back at the others and takes what it needs. Stands on PyTorch alone."""
from __future__ import annotations

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def causal_mask(T: int, S: int | None = None, *, device: torch.device | str | None = None) -> Tensor:
    """Which of `S` keys each of the last `T` queries may attend to: bool (T, S), True = may attend.

    Query `i` stands at position `S - T + i` and sees the keys up to and including its own. `S` defaults to `T`;
    it is larger when earlier keys come out of a cache. Raises ValueError unless 1 <= T <= S.
    """
    S = T if S is None else S
    if not 1 <= T <= S:
        raise ValueError(f"causal_mask needs 1 <= T <= S, got T={T}, S={S}: every query is one of the keys")
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(diagonal=S - T)


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mix values by how well each query matches each key (Vaswani et al. 2017, eq. 1).

    q: (..., T, d), k: (..., S, d), v: (..., S, e); mask: bool, broadcastable to (..., T, S), True = may attend.
    Returns the mixed values (..., T, e) and the weights (..., T, S), whose rows sum to 1.
    Raises ValueError when d or S disagree, or when a row may attend to nothing.
    """
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"queries have d={q.shape[-1]} but keys have d={k.shape[-1]}: a dot product needs equal sizes")
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(f"there are S={k.shape[-2]} keys but S={v.shape[-2]} values: each key needs its value")
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])          # (..., T, S)
    if mask is not None:
        if mask.dtype != torch.bool:
            raise ValueError(f"the mask has dtype {mask.dtype}: pass a bool mask, True = may attend")
        if not mask.any(-1).all():
            raise ValueError("a row of the mask is all False: that query may attend to nothing, and a softmax needs one key")
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(-1)                                       # (..., T, S)
    return weights @ v, weights


def split_heads(x: Tensor, n_head: int) -> Tensor:
    """(B, T, C) -> (B, n_head, T, C // n_head): head h owns the channels h*d to (h+1)*d. ValueError if C is no multiple."""
    B, T, C = x.shape
    if C % n_head:
        raise ValueError(f"{C} channels cannot be split into {n_head} equal heads: n_embd must be a multiple of n_head")
    return x.view(B, T, n_head, C // n_head).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, T, d) -> (B, T, H * d): the inverse of `split_heads`."""
    return x.transpose(1, 2).flatten(2)


class KVCache:
    """The keys and values of one attention layer so far, so that a new token costs one row and not a table.

    Room doubles when it runs out, so appending T tokens one by one copies O(T) rows in all.
    """

    def __init__(self) -> None:
        self.length = 0                                                # positions held
        self._keys: Tensor | None = None                               # (B, H, capacity, d)
        self._values: Tensor | None = None

    def update(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append k and v (B, H, T, d); return all keys and values (B, H, length, d) as views of the cache."""
        end = self.length + k.shape[-2]
        if self._keys is None or end > self._keys.shape[-2]:
            self._grow(k, v, max(end, 2 * self.length, 64))
        self._keys[:, :, self.length:end] = k
        self._values[:, :, self.length:end] = v
        self.length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def _grow(self, k: Tensor, v: Tensor, capacity: int) -> None:
        keys, values = (x.new_empty(*x.shape[:2], capacity, x.shape[-1]) for x in (k, v))
        if self._keys is not None:
            keys[:, :, :self.length] = self._keys[:, :, :self.length]
            values[:, :, :self.length] = self._values[:, :, :self.length]
        self._keys, self._values = keys, values


class AttentionConfig(Protocol):
    """The fields of a model's config that attention reads."""
    n_embd: int
    n_head: int
    attn_pdrop: float
    resid_pdrop: float


class CausalSelfAttention(nn.Module):
    """GPT-2's attention layer: one projection to q, k, v, `n_head` heads, one projection back.

    Parameters: c_attn (C -> 3C) and c_proj (C -> C), both with bias. Dropout acts in training only.
    """

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError(f"n_embd={config.n_embd} is no multiple of n_head={config.n_head}: heads must have equal sizes")
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_pdrop = config.attn_pdrop
        self.resid_dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x: Tensor, mask: Tensor | None = None, cache: KVCache | None = None,
                output_attentions: bool = False) -> tuple[Tensor, Tensor | None]:
        """x: (B, T, C) -> (B, T, C) and, if asked for, the weights (B, H, T, S), else None.

        mask: bool, broadcastable to (B, H, T, S); None means causal. With a cache, x holds only the new tokens and
        S counts the cached ones too. Asking for the weights builds the (T, S) table; otherwise PyTorch's fused kernel
        gives the same output without it.
        """
        q, k, v = (split_heads(part, self.n_head) for part in self.c_attn(x).chunk(3, dim=-1))   # (B, H, T, d) each
        if cache is not None:
            k, v = cache.update(k, v)                                  # (B, H, S, d)
        T, S = q.shape[-2], k.shape[-2]
        if output_attentions:
            mask = causal_mask(T, S, device=x.device) if mask is None else mask
            out, weights = scaled_dot_product_attention(q, k, v, mask)
            if self.training and self.attn_pdrop:
                out = F.dropout(weights, self.attn_pdrop) @ v
        else:
            weights = None
            if mask is None and 1 < T < S:
                mask = causal_mask(T, S, device=x.device)
            out = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None and T == S,      # one new token sees every key
                dropout_p=self.attn_pdrop if self.training else 0.0)
        return self.resid_dropout(self.c_proj(merge_heads(out))), weights
