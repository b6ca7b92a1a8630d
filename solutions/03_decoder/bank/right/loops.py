# piece: decoder.embed, decoder.LayerNorm, decoder.gelu, decoder.MLP, decoder.Block, decoder.GPT2, decoder.next_token_loss, decoder.count_parameters
# One token, one number, one tensor at a time.
import math

import torch
from torch import nn

from gpt2lab.attention import CausalSelfAttention


def embed(input_ids, wte, wpe, past_length=0):
    B, T = input_ids.shape
    if past_length + T > wpe.shape[0]:
        raise ValueError("%d tokens are more than %d positions" % (past_length + T, wpe.shape[0]))
    rows = []
    for b in range(B):
        rows.append(torch.stack([wte[int(input_ids[b, t])] + wpe[past_length + t] for t in range(T)]))
    return torch.stack(rows)


class LayerNorm(nn.Module):
    def __init__(self, n_embd, eps=1e-5):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_embd))
        self.weight = nn.Parameter(torch.ones(n_embd))
        self.eps = eps

    def forward(self, x):
        flat = x.reshape(-1, x.shape[-1])
        rows = []
        for row in flat:
            mean = sum(row) / len(row)
            var = sum((number - mean) ** 2 for number in row) / len(row)
            rows.append((row - mean) / (var + self.eps) ** 0.5)
        return torch.stack(rows).reshape(x.shape) * self.weight + self.bias


def gelu(x):
    def one(number):
        return number / 2 * (1 + math.tanh((2 / math.pi) ** 0.5 * (number + 0.044715 * number * number * number)))

    return torch.tensor([one(float(number)) for number in x.flatten()]).reshape(x.shape)


class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, config.n_embd * 4)
        self.c_proj = nn.Linear(config.n_embd * 4, config.n_embd)
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x):
        tokens = [self.c_proj(gelu(self.c_fc(x[:, t]))) for t in range(x.shape[1])]
        return self.dropout(torch.stack(tokens, dim=1))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1 = LayerNorm(config.n_embd, config.layer_norm_epsilon)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = LayerNorm(config.n_embd, config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, x):
        found, weights = self.attn(self.ln_1(x))
        x = x + found
        thought = self.mlp(self.ln_2(x))
        x = x + thought
        return x


class GPT2(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = nn.Dropout(config.embd_pdrop)
        blocks = []
        for _ in range(config.n_layer):
            blocks.append(Block(config))
        self.h = nn.ModuleList(blocks)
        self.ln_f = LayerNorm(config.n_embd, config.layer_norm_epsilon)

    def forward(self, input_ids):
        x = self.drop(embed(input_ids, self.wte.weight, self.wpe.weight))
        for block in self.h:
            x = block(x)
        x = self.ln_f(x)
        return torch.stack([(x * row).sum(-1) for row in self.wte.weight], dim=-1)


def next_token_loss(logits, input_ids):
    total, bets = 0.0, 0
    for row, ids in zip(logits, input_ids):
        for t in range(len(ids) - 1):
            total = total + torch.logsumexp(row[t], 0) - row[t, ids[t + 1]]
            bets += 1
    return total / bets


def count_parameters(model):
    total = 0
    for parameter in model.parameters():
        numbers = 1
        for size in parameter.shape:
            numbers *= size
        total += numbers
    return total
