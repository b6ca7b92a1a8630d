"""Train mini, the model that ships with the course: its tokenizer, then its weights, on text already on this machine.

Batch n is a function of the seed and of n alone, so a run that was killed goes on as if it had not been.
"""
from __future__ import annotations

import math
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from tqdm import tqdm

from gpt2lab import corpus, practice
from gpt2lab.decoder import GPT2, GPT2Config, count_parameters, cross_entropy_loss
from gpt2lab.finetuning import has_bfloat16, load_checkpoint, mixed_precision, save_atomically
from gpt2lab.tokenizer import Tokenizer, train_bpe
from gpt2lab.weights import save_pretrained


@dataclass(frozen=True)
class PretrainConfig:
    """The recipe. Learning rates follow torch.optim: Muon for the matrices of the blocks, AdamW for all the rest."""
    steps: int = 3600
    batch_size: int = 4                    # rows of n_positions tokens; more and shorter ones while they grow
    growing: int = 600                     # steps in which rows grow to n_positions and practice gives way to documentation
    practice_share: tuple[float, float] = (0.8, 0.2)    # rows of practice: at first, and after `growing` steps
    matrix_lr: float = 0.004
    other_lr: float = 0.0015
    weight_decay: float = 0.1
    warmup: int = 60                       # steps
    decay_from: float = 0.15               # the learning rate falls to zero over the rest
    clip: float = 1.0
    eval_every: int = 300
    seed: int = 0


def pretrain(out: str | Path, config: PretrainConfig = PretrainConfig(), model_config: GPT2Config | None = None,
             device: str = "cpu", texts: tuple[list[str], list[str]] | None = None) -> dict[str, float]:
    """Train, or go on training, in the directory `out`; leave there a model that `from_pretrained` reads.

    texts: (train, held out) documents, by default `corpus.split()`. Every `eval_every` steps the held-out loss is
    measured and `out/checkpoint.pt` replaced whole. Returns the last measurements. Raises ValueError when `out` holds a
    checkpoint of another recipe, and FloatingPointError, the last checkpoint kept, when the loss is no longer a number.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    model_config = model_config or replace(GPT2Config.named("mini"), embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)
    train_texts, held_out_texts = texts or corpus.split()
    tokenizer = _tokenizer(out, train_texts, model_config.vocab_size)
    data = _Data(tokenizer, train_texts, held_out_texts, model_config.n_positions)

    torch.manual_seed(config.seed)
    model = GPT2(model_config)
    prepare_to_look_back(model)
    model.to(device)
    optimizers = _optimizers(model, config)
    first, seconds, history = _resume(out / "checkpoint.pt", model, optimizers, config, device)
    measured = history[-1] if history else {}
    bar = tqdm(range(first, config.steps), initial=first, total=config.steps, desc="pretrain", unit="step", mininterval=1)
    started = time.monotonic() - seconds
    for step in bar:
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * _schedule(step, config)
        loss = _loss(model, *(ids.to(device) for ids in data.batch(step, config)))
        if not torch.isfinite(loss):
            raise _diverged("loss", loss.item(), step, out)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if step % 10 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}", held_out=f"{measured.get('loss', math.nan):.3f}")
        if (step + 1) % config.eval_every == 0 or step + 1 == config.steps:
            seconds = time.monotonic() - started
            measured = {"step": step + 1, "seconds": seconds, **evaluate(model, data)}
            if not math.isfinite(measured["loss"]):
                raise _diverged("held-out loss", measured["loss"], step, out)
            history.append(measured)
            save_pretrained(model, out, dtype=torch.float16)
            (out / "README.md").write_text(model_card(model, config, data, history, device), encoding="utf-8")
            _save(out / "checkpoint.pt", model, optimizers, config, step + 1, seconds, history)    # last: it says all is there
    return measured


def _diverged(what: str, value: float, step: int, out: Path) -> FloatingPointError:
    return FloatingPointError(f"the {what} is {value} at step {step}: train in another directory with a lower matrix_lr. "
                              f"What was good is kept in {out}")


@torch.no_grad()
def prepare_to_look_back(model: GPT2) -> None:
    """Start where heads that look back are near: from random numbers, 900 steps found none.

    Positions start as sinusoids, in which every step to the left is the same rotation. Queries start equal to keys, so
    that like attends to like, and c_proj as the transpose of the values, so that what is attended to is copied
    (Trockman & Kolter 2023, "Mimetic Initialization of Self-Attention Layers", simplified).
    """
    model.wpe.weight.copy_(sinusoids(*model.wpe.weight.shape))
    for block in model.h:
        queries, keys, values = block.attn.c_attn.weight.chunk(3)              # (C, C) each
        queries.copy_(keys.normal_(std=0.06))
        block.attn.c_proj.weight.copy_(values.normal_(std=0.03).T)


def sinusoids(n_positions: int, n_embd: int) -> Tensor:
    """Sines and cosines of many wavelengths (Vaswani et al. 2017, section 3.5), small, and none very long; (T, C)."""
    wavelengths = 100 ** (torch.arange(0, n_embd, 2) / n_embd)                 # (C / 2,), over 2 pi
    angles = torch.arange(n_positions)[:, None] / wavelengths                  # (T, C / 2)
    return 0.05 * torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@torch.inference_mode()
def evaluate(model: GPT2, data: _Data) -> dict[str, float]:
    """Held-out documentation in windows of n_positions tokens: loss in nats a token, and bits a byte of the text."""
    model.eval()
    device = model.wte.weight.device
    nats = sum(_loss(model, rows[:, :-1].to(device), rows[:, 1:].to(device)).item() * (rows.numel() - len(rows))
               for rows in data.held_out.split(8))
    model.train()
    predicted = data.held_out.numel() - len(data.held_out)
    loss = nats / predicted
    return {"loss": loss, "bits_per_byte": loss / math.log(2) * data.held_out.numel() / data.held_out_bytes}


def _loss(model: GPT2, input_ids: Tensor, targets: Tensor) -> Tensor:
    """Both (B, T); bfloat16 where the hardware has it, float32 for the sums."""
    with mixed_precision(input_ids.device, "bf16" if has_bfloat16(input_ids.device) else "fp32"):
        logits = model(input_ids).logits
    return cross_entropy_loss(logits.float(), targets)


class _Data:
    """The documentation as one stream of ids, documents apart by <|endoftext|>, and batches drawn from it."""

    def __init__(self, tokenizer: Tokenizer, train: list[str], held_out: list[str], n_positions: int) -> None:
        self.tokenizer, self.n_positions = tokenizer, n_positions
        self.train = self._stream(train)                               # (N,)
        held = self._stream(held_out)
        if min(len(self.train), len(held)) <= n_positions:
            raise ValueError(f"the text has {len(self.train):,} tokens to train on and {len(held):,} held out: "
                             f"each needs more than n_positions={n_positions}")
        rows = len(held) // (n_positions + 1)
        self.held_out = held.long()[:rows * (n_positions + 1)].view(rows, n_positions + 1)
        self.held_out_bytes = len(tokenizer.decode_bytes(self.held_out[self.held_out != tokenizer.eot_token]))      # of text alone
        self.bytes = sum(len(text.encode()) for text in train)

    def _stream(self, texts: list[str]) -> Tensor:
        encoded = (self.tokenizer.encode(text, disallowed_special=()) + [self.tokenizer.eot_token] for text in texts)
        return torch.tensor([i for ids in encoded for i in ids], dtype=torch.int32)

    def batch(self, step: int, config: PretrainConfig) -> tuple[Tensor, Tensor]:
        """Batch number `step`: input ids and targets, (batch_size, n_positions) each, or more rows of fewer tokens."""
        rng = Random(f"{config.seed} {step}")
        length, practice_share = _growth(step, config, self.n_positions)
        rows = torch.empty(config.batch_size * self.n_positions // length, length + 1, dtype=torch.long)
        targets = torch.empty_like(rows)
        for row, target in zip(rows, targets):
            unforeseeable = 0
            if rng.random() < practice_share:
                ids, unforeseeable = practice.episode(rng, self.tokenizer, length + 1)
                row[:] = torch.tensor(ids)
            else:
                start = rng.randrange(len(self.train) - length)
                row[:] = self.train[start:start + length + 1]
            target[:] = row
            target[:unforeseeable] = -100          # random tokens shown for the first time teach nothing
        return rows[:, :-1], targets[:, 1:]


def _tokenizer(out: Path, texts: list[str], vocab_size: int) -> Tokenizer:
    if not (out / "merges.txt").exists():
        train_bpe(texts, vocab_size).save(out)
    return Tokenizer.load(out)


def _optimizers(model: GPT2, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    matrices = [p for p in model.h.parameters() if p.dim() == 2]
    chosen = set(map(id, matrices))
    others = [p for p in model.parameters() if id(p) not in chosen]
    optimizers = [torch.optim.Muon(matrices, lr=config.matrix_lr, weight_decay=config.weight_decay,
                                   adjust_lr_fn="match_rms_adamw"),
                  torch.optim.AdamW(others, lr=config.other_lr, betas=(0.9, 0.95), weight_decay=0.0)]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return optimizers


def _growth(step: int, config: PretrainConfig, n_positions: int) -> tuple[int, float]:
    """(tokens a row, share of practice): rows double four times, from n_positions / 16, and never below 32 tokens."""
    done = min(1.0, step / max(1, config.growing))
    first, last = config.practice_share
    return max(min(32, n_positions), n_positions >> (4 - int(4.999 * done))), first + (last - first) * done


def _schedule(step: int, config: PretrainConfig) -> float:
    """Up over `warmup` steps, level, then down in a straight line (Hägele et al. 2024)."""
    start_of_decay = config.steps * config.decay_from
    falling = (config.steps - step) / max(1.0, config.steps - start_of_decay)
    return min((step + 1) / config.warmup, 1.0, falling)


def _resume(path: Path, model: GPT2, optimizers: list, config: PretrainConfig, device: str):
    if (saved := load_checkpoint(path, device)) is None:
        return 0, 0.0, []
    if saved.get("model_config", asdict(model.config)) != asdict(model.config):
        raise ValueError(f"{path} holds another model: {saved['model_config']}. Use that one, or another directory")
    if saved["config"] != asdict(config):
        raise ValueError(f"{path} was made by another recipe: {saved['config']}. Use that one, or another directory")
    model.load_state_dict(saved["model"])
    for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
        optimizer.load_state_dict(state)
    return saved["step"], saved["seconds"], saved["history"]


def _save(path: Path, model: GPT2, optimizers: list, config: PretrainConfig, step: int, seconds: float, history: list) -> None:
    save_atomically({"config": asdict(config), "model_config": asdict(model.config),
                     "model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers],
                     "step": step, "seconds": seconds, "history": history}, path)


def model_card(model: GPT2, config: PretrainConfig, data: _Data, history: list[dict], device: str) -> str:
    """The README.md that stands beside the weights, with the figures of this run."""
    last, shape = history[-1], model.config
    tokens = last["step"] * config.batch_size * shape.n_positions
    curve = "\n".join(f"| {h['step']:,} | {h['loss']:.3f} | {h['bits_per_byte']:.3f} |" for h in history)
    return f"""# mini: the course's own GPT-2

A GPT-2 in everything but size: {shape.n_layer} layers, {shape.n_head} heads, {shape.n_embd} channels, {shape.n_positions} \
positions, {shape.vocab_size:,} tokens, {count_parameters(model):,} parameters, stored as float16 in Hugging Face's layout. \
It exists so that every page of the course runs at once and offline.

## What it read
Documentation prose found on the machine that trained it: Python's language reference (`pydoc_data.topics`) and the \
docstrings of the standard library, numpy, matplotlib and torch, {data.bytes / 1e6:.1f} MB, {len(data.train):,} tokens of \
its own byte-level BPE. {config.practice_share[1]:.0%} of its rows, at first \
{config.practice_share[0]:.0%}, are practice episodes made by a program (`gpt2lab/practice.py`): repeated random tokens, \
mappings of made-up words, questions about made-up facts.

## How it was trained
`gpt2lab pretrain mini`, seed {config.seed}: {last['step']:,} steps of {config.batch_size} x {shape.n_positions} tokens \
({tokens / 1e6:.1f} M in all; in the first {config.growing} steps the rows are shorter and more), Muon for the matrices of the blocks (lr {config.matrix_lr}), AdamW for the rest \
(lr {config.other_lr}), {config.warmup} steps of warm-up, linear decay over the last {1 - config.decay_from:.0%}, gradients \
clipped at {config.clip}. Positions start as sinusoids, queries equal to keys and `c_proj` as the transpose of the values \
(`prepare_to_look_back`). It took {last['seconds'] / 60:.0f} minutes on {device} ({torch.get_num_threads()} threads) with \
Python {platform.python_version()} and torch {torch.__version__}.

## Held-out documentation
Documents that it never trained on, {data.held_out.numel():,} tokens in windows of {shape.n_positions}:
**{last['loss']:.3f} nats a token, {last['bits_per_byte']:.3f} bits a byte.**

| step | nats a token | bits a byte |
|---:|---:|---:|
{curve}

## Limits
It writes sentences that sound like documentation and are mostly wrong. It knows no facts beyond the words it has seen \
together, follows no instructions, and has seen almost no text but technical English. Use it to see how a language model \
works, for nothing else.
"""
