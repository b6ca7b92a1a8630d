"""Two models with the same random weights, ours and Hugging Face's, whose choices are worth comparing."""
from __future__ import annotations

import torch
from torch import Tensor
from transformers import GPT2Config as TheirConfig
from transformers import GPT2LMHeadModel

from gpt2lab.decoder import GPT2, GPT2Config

SHAPE = dict(n_layer=2, n_head=2, n_embd=16, n_positions=48, vocab_size=40)
CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
PAD = 39


def twins(seed: int = 0, std: float = 0.3, dtype: torch.dtype = torch.float64, **shape) -> tuple[GPT2, GPT2LMHeadModel]:
    """float64 by default: then no rounding can turn one choice into another. A larger std makes surer models."""
    torch.manual_seed(seed)
    shape = SHAPE | shape
    theirs = GPT2LMHeadModel(TheirConfig(**shape, bos_token_id=0, eos_token_id=None, attn_implementation="eager")).eval()
    theirs.generation_config.eos_token_id = None
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            small = 0.1 if "bias" in name else 1.0     # large ones would make the same token the likeliest everywhere
            parameter.normal_(mean=float("ln_" in name and "weight" in name), std=std * small)
    ours = GPT2(GPT2Config(**shape)).eval()
    ours.load_state_dict({name: tensor.T if name.endswith(CONV1D) else tensor
                          for name, tensor in theirs.transformer.state_dict().items()})
    return ours.to(dtype), theirs.to(dtype)


def texts(rows: int, length: int, seed: int = 0, vocab_size: int = SHAPE["vocab_size"] - 1) -> Tensor:
    """Random ids (rows, length), none of them the padding token."""
    return torch.randint(vocab_size, (rows, length), generator=torch.Generator().manual_seed(seed))


def left_padded(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Texts of these lengths as one batch (B, T) with its mask, and each alone (1, length)."""
    alone = [texts(1, length, seed + i) for i, length in enumerate(lengths)]
    T = max(lengths)
    ids = torch.cat([torch.nn.functional.pad(text, (T - text.shape[1], 0), value=PAD) for text in alone])
    mask = torch.stack([(torch.arange(T) >= T - length).long() for length in lengths])
    return ids, mask, alone
