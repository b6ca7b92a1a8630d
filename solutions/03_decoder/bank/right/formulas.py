# piece: decoder.embed, decoder.LayerNorm, decoder.gelu, decoder.MLP, decoder.Block, decoder.GPT2, decoder.next_token_loss, decoder.count_parameters
# The formulas as matrices, one-hot vectors, and functions over a module's parameters.
import math

import torch
import torch.nn.functional as F
from torch import nn

from gpt2lab.attention import CausalSelfAttention


def embed(input_ids, wte, wpe, past_length=0):
    n = input_ids.shape[-1]
    if past_length + n > len(wpe):
        raise ValueError(f"{past_length} cached and {n} new tokens are {past_length + n}, more than {len(wpe)}")
    return F.one_hot(input_ids, len(wte)).float() @ wte + wpe.narrow(0, past_length, n)


class LayerNorm(nn.Module):
    def __init__(self, n_embd, eps=1e-5):
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(n_embd)), nn.Parameter(torch.zeros(n_embd)), eps

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return torch.addcmul(self.bias, self.weight, (x - mean) * torch.rsqrt(var + self.eps))


def gelu(x):
    # 0.5 (1 + tanh(y)) is sigmoid(2 y)
    return x * torch.sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x.pow(3)))


class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.p = config.resid_pdrop
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)

    def forward(self, x):
        hidden = gelu(torch.einsum("btc,fc->btf", x, self.c_fc.weight) + self.c_fc.bias)
        out = torch.einsum("btf,cf->btc", hidden, self.c_proj.weight) + self.c_proj.bias
        return F.dropout(out, self.p, training=self.training)


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        for name, module in (("ln_1", LayerNorm), ("ln_2", LayerNorm)):
            setattr(self, name, module(config.n_embd, config.layer_norm_epsilon))
        self.attn = CausalSelfAttention(config)
        self.mlp = MLP(config)

    def forward(self, x):
        a = self.attn(self.ln_1(x))[0]
        return x + a + self.mlp(self.ln_2(x + a))


class GPT2(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        C = config.n_embd
        self.wte, self.wpe = nn.Embedding(config.vocab_size, C), nn.Embedding(config.n_positions, C)
        self.h = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = LayerNorm(C, config.layer_norm_epsilon)

    def forward(self, input_ids):
        x = embed(input_ids, self.wte.weight, self.wpe.weight)
        x = F.dropout(x, self.config.embd_pdrop, self.training)
        for layer in range(self.config.n_layer):
            x = self.h[layer](x)
        return torch.einsum("btc,vc->btv", self.ln_f(x), self.wte.weight)


def next_token_loss(logits, input_ids):
    log_p = torch.log_softmax(logits[:, :-1], dim=-1)
    return -log_p.gather(-1, input_ids[:, 1:].unsqueeze(-1)).mean()


def count_parameters(model):
    seen = {id(p): math.prod(p.shape) for p in model.parameters()}
    return sum(seen.values())
