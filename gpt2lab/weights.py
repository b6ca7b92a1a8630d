"""Checkpoints in Hugging Face's GPT-2 layout: a directory of `config.json` and `model.safetensors`. Stands on `decoder`.

On disk the four projections of a block are Conv1D matrices, (in, out); in memory they are `nn.Linear`, (out, in).
"""
from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gpt2lab.decoder import GPT2, GPT2Config

MINI = Path(__file__).parent / "pretrained"
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
FIXED = {"activation_function": "gelu_new", "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False,
         "tie_word_embeddings": True}      # settings of Hugging Face's config for which our GPT-2 knows one answer
PREFIX = "transformer."                    # what Hugging Face's GPT2LMHeadModel puts before every name


def from_pretrained(name_or_path: str | Path, *, device: torch.device | str | None = None,
                    dtype: torch.dtype | None = None) -> GPT2:
    """The model in a directory, or the course's own "mini", ready to use: in eval mode, float32 unless `dtype` says so.

    Raises FileNotFoundError when a file is missing and ValueError when what is there is not a whole GPT-2; either way
    nothing is half loaded. Only tensors are read: a safetensors file cannot hold code.
    """
    directory = MINI if name_or_path == "mini" else Path(name_or_path)
    config = read_config(directory)
    with torch.device("meta"):
        model = GPT2(config)
    state = _read_state(directory / "model.safetensors", model.state_dict(), device or "cpu", dtype or torch.float32)
    model.load_state_dict(state, assign=True)
    return model.eval()


def save_pretrained(model: GPT2, directory: str | Path, dtype: torch.dtype | None = None) -> None:
    """Write `config.json` and `model.safetensors` so that `transformers` reads them; `dtype` defaults to the model's own.

    Each file is written beside its final name and then renamed: a kill leaves the old one whole.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    dtype = dtype or model.wte.weight.dtype
    state = {PREFIX + name: (tensor.T if name.endswith(TRANSPOSED) else tensor).detach().to("cpu", dtype).contiguous()
             for name, tensor in model.state_dict().items()}
    half = directory / "model.safetensors.part"
    save_file(state, half, metadata={"format": "pt"})
    half.replace(directory / "model.safetensors")
    described = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", **asdict(model.config),
                 "activation_function": "gelu_new", "tie_word_embeddings": True, "dtype": str(dtype).removeprefix("torch."),
                 "bos_token_id": model.config.vocab_size - 1, "eos_token_id": model.config.vocab_size - 1}
    half = directory / "config.json.part"
    half.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    half.replace(directory / "config.json")


def read_config(directory: str | Path) -> GPT2Config:
    """The `GPT2Config` in a directory's `config.json`. FileNotFoundError or ValueError say what is amiss."""
    path = Path(directory) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: give a directory that holds config.json and model.safetensors")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}): it is damaged, fetch or save it again") from error
    if not isinstance(described, dict):
        raise ValueError(f"{path} holds a {type(described).__name__}, not a table of settings: fetch or save it again")
    for setting, wanted in FIXED.items():
        if (given := described.get(setting, wanted)) != wanted:
            raise ValueError(f"{path} has {setting}={given!r}, a GPT-2 has {wanted!r}: is it another model?")
    if described.get("model_type") != "gpt2":
        raise ValueError(f"{path} describes a {described.get('model_type')!r}, not a 'gpt2'")
    settings = {f.name: described[f.name] for f in fields(GPT2Config) if f.name in described}
    for setting, given in settings.items():
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            raise ValueError(f"{path} has {setting}={given!r}, which is no number: fetch or save it again")
    return GPT2Config(**settings)


def _read_state(path: Path, wanted: dict[str, Tensor], device: torch.device | str, dtype: torch.dtype) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: give a directory that holds config.json and model.safetensors")
    state = {}
    try:
        with safe_open(path, framework="pt") as file:
            for stored in file.keys():
                name = stored.removeprefix(PREFIX)
                if name not in wanted:
                    if name == "lm_head.weight" or name.endswith(("attn.bias", "attn.masked_bias")):
                        continue           # the tied head again, and the causal mask that old files carry
                    raise ValueError(f"{path} holds {stored!r}, which this GPT-2 has no place for: is it another model?")
                tensor = file.get_tensor(stored)
                tensor = (tensor.T if name.endswith(TRANSPOSED) else tensor).to(device, dtype).contiguous()
                if tensor.shape != wanted[name].shape:
                    raise ValueError(f"{stored!r} in {path} does not fit: config.json asks for {tuple(wanted[name].shape)}, "
                                     f"the file has {tuple(tensor.shape)}")
                state[name] = tensor
    except SafetensorError as error:
        raise ValueError(f"{path} is no whole safetensors file ({error}): fetch or save it again") from error
    if missing := sorted(wanted.keys() - state.keys()):
        raise ValueError(f"{path} lacks {len(missing)} tensors, the first is {missing[0]!r}: the file is not complete")
    return state
