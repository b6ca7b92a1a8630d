# piece: decoder.embed, decoder.LayerNorm, decoder.gelu, decoder.MLP, decoder.Block, decoder.GPT2, decoder.next_token_loss, decoder.count_parameters
# PyTorch's own layers; the head is a module that shares its weight with wte.
import torch
import torch.nn.functional as F
from torch import nn

from gpt2lab.attention import CausalSelfAttention


def embed(input_ids, wte, wpe, past_length=0):
    positions = torch.arange(past_length, past_length + input_ids.size(1))
    if positions[-1] >= wpe.size(0):
        raise ValueError(f"length {len(positions) + past_length} is beyond n_positions {wpe.size(0)}")
    return F.embedding(input_ids, wte) + F.embedding(positions, wpe)


class LayerNorm(nn.LayerNorm):
    def __init__(self, n_embd, eps=1e-5):
        super().__init__(n_embd, eps=eps)


gelu = nn.GELU(approximate="tanh")


class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.act = nn.GELU("tanh")
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn, self.mlp = CausalSelfAttention(config), MLP(config)

    def forward(self, x):
        x = self.attn(self.ln_1(x))[0] + x
        return self.mlp(self.ln_2(x)) + x


class GPT2(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = nn.Dropout(config.embd_pdrop)
        self.h = nn.Sequential(*(Block(config) for _ in range(config.n_layer)))
        self.ln_f = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon)
        self.lm_head.weight = self.wte.weight

    def forward(self, input_ids):
        T, limit = input_ids.size(1), self.wpe.num_embeddings
        if T > limit:
            raise ValueError(f"{T} tokens, but n_positions is {limit}")
        x = self.drop(self.wte(input_ids) + self.wpe(torch.arange(T)))
        return self.lm_head(self.ln_f(self.h(x)))


def next_token_loss(logits, input_ids):
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), input_ids[:, 1:])


def count_parameters(model):
    return nn.utils.parameters_to_vector(model.parameters()).numel()
