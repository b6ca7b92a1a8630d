"""Our attention layer beside PyTorch's and Hugging Face's, same weights, same run, as ratios: below 1 ours is faster.

    python benchmarks/attention.py [--device cuda] [--tokens 1024] [--width 768] [--heads 12]
"""
from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import nn
from transformers import DynamicCache, GPT2Config
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

from gpt2lab import measure
from gpt2lab.attention import CausalSelfAttention, KVCache, causal_mask


def side_by_side(calls: dict[str, Callable[[], object]], device: str, rounds: int) -> dict[str, float]:
    """Fastest run of each call, in seconds; the calls take turns, so that a slow moment of the machine hits all of them."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            wait()
            start = time.perf_counter()
            call()
            wait()
            if turn:                                       # the first turn warms up
                times[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in times.items()}


def print_ratios(title: str, ours: float, others: dict[str, float], unit: str, factor: float) -> None:
    print(f"\n{title}: ours {ours * factor:,.3g} {unit}")
    for name, value in others.items():
        print(f"  {name:<34} {value * factor:>9,.3g} {unit}   ours / theirs {ours / value:.2f}")


def copies(width: int, heads: int, device: str) -> tuple[CausalSelfAttention, nn.MultiheadAttention, GPT2Attention, GPT2Attention]:
    """Four layers with the same weights: ours, PyTorch's, Hugging Face's on PyTorch's kernel and its plain one."""
    torch.manual_seed(0)
    ours = CausalSelfAttention(SimpleNamespace(n_embd=width, n_head=heads, attn_pdrop=0.0, resid_pdrop=0.0))
    theirs = nn.MultiheadAttention(width, heads, batch_first=True)
    theirs.load_state_dict({"in_proj_weight": ours.c_attn.weight, "in_proj_bias": ours.c_attn.bias,
                            "out_proj.weight": ours.c_proj.weight, "out_proj.bias": ours.c_proj.bias})
    faces = [GPT2Attention(GPT2Config(n_embd=width, n_head=heads, attn_implementation=kind), layer_idx=0)
             for kind in ("sdpa", "eager")]
    for face in faces:
        for name in ("c_attn", "c_proj"):
            getattr(face, name).weight.data = getattr(ours, name).weight.data.T.contiguous()
            getattr(face, name).bias.data = getattr(ours, name).bias.data
    return tuple(layer.to(device).eval() for layer in (ours, theirs, *faces))


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    T, device = options.tokens, options.device
    print(f"{T} tokens, width {options.width}, {options.heads} heads, {device}, {torch.get_num_threads()} threads, torch {torch.__version__}")

    ours, pytorch, face, eager = copies(options.width, options.heads, device)
    x = torch.randn(1, T + 1, options.width, device=device)
    text, token, forbidden = x[:, :T], x[:, T:], ~causal_mask(T, device=device)
    additive = torch.zeros(1, 1, T, T, device=device).masked_fill(forbidden, torch.finfo(x.dtype).min)
    expected = ours(text)[0]
    prefill = {
        "ours": lambda: ours(text)[0],
        "nn.MultiheadAttention": lambda: pytorch(text, text, text, attn_mask=forbidden, is_causal=True, need_weights=False)[0],
        "GPT2Attention, sdpa": lambda: face(text)[0],
    }
    with_weights = {
        "ours, weights returned": lambda: ours(text, output_attentions=True)[0],
        "nn.MultiheadAttention, need_weights": lambda: pytorch(text, text, text, attn_mask=forbidden, average_attn_weights=False)[0],
        "GPT2Attention, eager": lambda: eager(text, attention_mask=additive)[0],
    }
    for name, call in (prefill | with_weights).items():
        difference = (call() - expected).abs().max().item()
        assert difference < 1e-4, f"{name} is off by {difference}: not the same computation"

    for title, calls in (("whole text", prefill), ("whole text, with the weights", with_weights)):
        first, *rest = calls
        seconds = side_by_side(calls, device, options.rounds)
        print_ratios(f"{title}, time", seconds[first], {name: seconds[name] for name in rest}, "ms", 1e3)
        peaks = {name: measure.peak_bytes(call, device=device) for name, call in calls.items()}
        print_ratios(f"{title}, peak memory", peaks[first], {name: peaks[name] for name in rest}, "MiB", 2**-20)

    decode(ours, face, text, token, device, options.rounds)


def decode(ours: CausalSelfAttention, face: GPT2Attention, text: torch.Tensor, token: torch.Tensor, device: str, rounds: int,
           steps: int = 32) -> None:
    """`steps` tokens, one at a time, behind a cached text."""
    def with_ours() -> torch.Tensor:
        cache = KVCache()
        cache.update(*filled)
        for _ in range(steps):
            out, _ = ours(token, cache=cache)
        return out

    def with_face() -> torch.Tensor:
        cache = DynamicCache()
        cache.update(*filled, 0)
        for _ in range(steps):
            out = face(token, past_key_values=cache)[0]
        return out

    cache = KVCache()
    ours(text, cache=cache)
    filled = [part.clone() for part in (cache._keys[:, :, :cache.length], cache._values[:, :, :cache.length])]
    torch.testing.assert_close(with_ours(), with_face(), rtol=0, atol=1e-4)
    seconds = side_by_side({"ours": with_ours, "theirs": with_face}, device, rounds)
    print_ratios(f"{steps} tokens behind {text.shape[1]} cached ones, time", seconds["ours"],
                 {"GPT2Attention, DynamicCache": seconds["theirs"]}, "ms", 1e3)


if __name__ == "__main__":
    main()
