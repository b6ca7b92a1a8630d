"""The decoder: embeddings, blocks of attention and MLP, and a head that predicts the next token. Stands on `attention`."""
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt2lab.attention import CausalSelfAttention, KVCache, causal_mask


@dataclass(frozen=True)
class GPT2Config:
    """The numbers that define a GPT-2, under Hugging Face's names (Radford et al. 2019, table 2)."""
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    n_positions: int = 1024
    vocab_size: int = 50257
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    resid_pdrop: float = 0.1

    @classmethod
    def named(cls, name: str) -> GPT2Config:
        """The config of a published size or of the course's own "mini". ValueError for any other name."""
        if name not in SIZES:
            raise ValueError(f"no model is called {name!r}: choose one of {', '.join(SIZES)}")
        return cls(**SIZES[name])


SIZES = {
    "mini": dict(n_layer=6, n_head=8, n_embd=256, n_positions=512, vocab_size=4096),
    "gpt2": dict(n_layer=12, n_head=12, n_embd=768),
    "gpt2-medium": dict(n_layer=24, n_head=16, n_embd=1024),
    "gpt2-large": dict(n_layer=36, n_head=20, n_embd=1280),
    "gpt2-xl": dict(n_layer=48, n_head=25, n_embd=1600),
}


class LayerNorm(nn.Module):
    """Give each token mean 0 and variance 1 over its channels, then a learned gain and bias (Ba et al. 2016)."""

    def __init__(self, n_embd: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_embd))
        self.bias = nn.Parameter(torch.zeros(n_embd))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C); the variance divides by C, not C - 1, and eps stands inside the root."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class MLP(nn.Module):
    """What each token does by itself: four times wider, tanh-GELU (Hendrycks & Gimpel 2016), and back."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))


class Block(nn.Module):
    """Attention, then MLP; each reads a normalised copy and adds its answer to the residual stream (pre-LN)."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(config.n_embd, config.layer_norm_epsilon)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = LayerNorm(config.n_embd, config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, mask: Tensor | None = None, cache: KVCache | None = None,
                output_attentions: bool = False) -> tuple[Tensor, Tensor | None]:
        """(B, T, C) -> (B, T, C) and the attention weights (B, H, T, S) if asked for, else None."""
        attended, weights = self.attn(self.ln_1(x), mask, cache, output_attentions)
        x = x + attended
        return x + self.mlp(self.ln_2(x)), weights


class GPT2Output(NamedTuple):
    """What `GPT2.forward` returns: logits (B, T, V); per layer attentions (B, H, T, S); L + 1 hidden states (B, T, C)."""
    logits: Tensor
    attentions: tuple[Tensor, ...] | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class GPT2(nn.Module):
    """GPT-2 (Radford et al. 2019): token and position embeddings, `n_layer` blocks, a last LayerNorm, a tied head."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = nn.Dropout(config.embd_pdrop)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = LayerNorm(config.n_embd, config.layer_norm_epsilon)
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        """Normal weights, zero biases; the two projections into the residual stream start smaller (section 2.3)."""
        std = self.config.initializer_range
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
        if isinstance(module, Block):                              # visited after its children
            for projection in (module.attn.c_proj, module.mlp.c_proj):
                nn.init.normal_(projection.weight, std=std / (2 * self.config.n_layer) ** 0.5)

    def new_cache(self) -> list[KVCache]:
        """An empty cache, one `KVCache` a layer, to hand to `forward` again and again."""
        return [KVCache() for _ in self.h]

    def forward(self, input_ids: Tensor, *, attention_mask: Tensor | None = None, position_ids: Tensor | None = None,
                cache: list[KVCache] | None = None, output_attentions: bool = False,
                output_hidden_states: bool = False) -> GPT2Output:
        """Predict the next token at every position.

        input_ids: integers (B, T); with a cache, only the tokens it has not seen.
        attention_mask: (B, S), 1 = token, 0 = padding, S counting cached tokens; position_ids: (B, T), by default
        counted from the first unpadded token, so that left padding shifts nothing.
        hidden_states are the embeddings and the output of each block, the last one after ln_f (as in Hugging Face).
        Raises ValueError for ids of a wrong shape, dtype or range, for a mask that does not fit, and past n_positions.
        """
        past = cache[0].length if cache else 0
        self._check(input_ids, attention_mask, past, cache)
        T, S = input_ids.shape[1], past + input_ids.shape[1]
        mask = None
        if attention_mask is not None:
            mask = self._padding_mask(attention_mask.bool(), T)
        if position_ids is None:
            position_ids = (torch.arange(past, S, device=input_ids.device)[None] if attention_mask is None
                            else (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, past:])
        x = self.drop(self.wte(input_ids) + self.wpe(position_ids))    # (B, T, C)
        attentions, hidden_states = [], []
        for layer, block in enumerate(self.h):
            hidden_states.append(x)
            x, weights = block(x, mask, cache[layer] if cache else None, output_attentions)
            attentions.append(weights)
        x = self.ln_f(x)
        hidden_states.append(x)
        logits = F.linear(x, self.wte.weight)                          # the head is the embedding (Press & Wolf 2017)
        return GPT2Output(logits, tuple(attentions) if output_attentions else None,
                          tuple(hidden_states) if output_hidden_states else None)

    @staticmethod
    def _padding_mask(real: Tensor, T: int) -> Tensor:
        """(B, S) of real tokens -> (B, 1, T, S); a padding row sees itself, so that its softmax has one key."""
        S = real.shape[1]
        mask = causal_mask(T, S, device=real.device) & real[:, None, None, :]
        return mask | torch.eye(S, dtype=torch.bool, device=real.device)[S - T:]

    def _check(self, input_ids: Tensor, attention_mask: Tensor | None, past: int, cache: list[KVCache] | None) -> None:
        if input_ids.dim() != 2 or 0 in input_ids.shape:
            raise ValueError(f"input_ids has shape {tuple(input_ids.shape)}: pass (batch, tokens) with at least one token, "
                             "for one sequence input_ids[None]")
        if input_ids.dtype not in (torch.int64, torch.int32):
            raise ValueError(f"input_ids has dtype {input_ids.dtype}: token ids are torch.long")
        if cache is not None and len(cache) != len(self.h):
            raise ValueError(f"the cache has {len(cache)} layers but the model {len(self.h)}: make it with model.new_cache()")
        S, limit = past + input_ids.shape[1], self.config.n_positions
        if S > limit:
            raise ValueError(f"input has {S:,} tokens but the model has {limit:,} positions: pass at most {limit:,}, "
                             f"or crop with input_ids[:, -{limit}:]")
        if attention_mask is not None and attention_mask.shape != (input_ids.shape[0], S):
            raise ValueError(f"attention_mask has shape {tuple(attention_mask.shape)} but the tokens, cached ones counted, "
                             f"are {(input_ids.shape[0], S)}")
        low, high = int(input_ids.min()), int(input_ids.max())
        if low < 0 or high >= self.config.vocab_size:
            raise ValueError(f"token id {low if low < 0 else high} is outside 0..{self.config.vocab_size - 1}: "
                             "was the text encoded with another tokenizer?")


def cross_entropy_loss(logits: Tensor, targets: Tensor, ignore_index: int = -100) -> Tensor:
    """Mean negative log-probability of the targets, in nats per token.

    logits: (..., V); targets: (...), already shifted: targets[t] is the token that follows position t. Targets equal to
    `ignore_index` (padding) do not count. Raises ValueError when shapes disagree or no target counts.
    """
    if logits.shape[:-1] != targets.shape:
        raise ValueError(f"logits {tuple(logits.shape)} need targets {tuple(logits.shape[:-1])}, got {tuple(targets.shape)}")
    if (targets == ignore_index).all():
        raise ValueError(f"every target is {ignore_index}: there is nothing to average over")
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=ignore_index)


def count_parameters(model: nn.Module) -> int:
    """How many numbers the model learns; a shared tensor counts once."""
    return sum(p.numel() for p in model.parameters())
