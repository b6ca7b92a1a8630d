"""What the checks of several chapters share: weights for a learner's module, and slips that can happen in any piece."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from .cases import Diagnosis, as_tensors


def load_parameters(module: Any, weights: dict[str, Any]) -> Any:
    """Copy `weights` (name -> array) into the parameters of `module`, and return it in eval mode.

    Buffers are the learner's own business. ValueError names what is missing, has another shape, or is too much:
    a parameter that the model has no weights for would keep its random start.
    """
    own = dict(module.named_parameters(remove_duplicate=False))
    given = as_tensors(weights)
    filled = set()
    for name, value in given.items():
        if name not in own:
            raise ValueError(f"the module has no parameter {name!r}, it has {sorted(own)}")
        if own[name].shape != value.shape:
            raise ValueError(f"{name} has shape {tuple(own[name].shape)}, expected {tuple(value.shape)}")
        own[name].data.copy_(value)
        filled.add(id(own[name]))
    left = sorted(name for name, parameter in own.items() if id(parameter) not in filled)
    if left:
        raise ValueError(f"the module has a parameter of its own, {left[0]!r}, that GPT-2 has no weights for")
    return module.eval()


def config_of(**fields: Any) -> SimpleNamespace:
    """A model's config with GPT-2's names; whatever a case does not set is small and without dropout."""
    small = {"n_layer": 1, "n_head": 2, "n_embd": 8, "n_positions": 16, "vocab_size": 11, "layer_norm_epsilon": 1e-5}
    dropout = {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "initializer_range": 0.02}
    return SimpleNamespace(**(small | dropout | fields))


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0, around: float = 0.0) -> np.ndarray:
    return (rng.normal(size=shape) * scale + around).astype("float32")


# Weights of a case: large enough that every part matters, biases not 0, gains not 1.


def attention_weights(rng: np.random.Generator, C: int) -> dict:
    return {
        "c_attn.weight": normal(rng, 3 * C, C, scale=0.6), "c_attn.bias": normal(rng, 3 * C, scale=0.5),
        "c_proj.weight": normal(rng, C, C, scale=0.6), "c_proj.bias": normal(rng, C, scale=0.5),
    }  # fmt: skip


def mlp_weights(rng: np.random.Generator, C: int) -> dict:
    return {
        "c_fc.weight": normal(rng, 4 * C, C, scale=0.7), "c_fc.bias": normal(rng, 4 * C, scale=0.5),
        "c_proj.weight": normal(rng, C, 4 * C, scale=0.4), "c_proj.bias": normal(rng, C, scale=0.5),
    }  # fmt: skip


def norm_weights(rng: np.random.Generator, C: int) -> dict:
    return {"weight": normal(rng, C, scale=0.4, around=1.4), "bias": normal(rng, C, scale=0.4, around=0.3)}


def block_weights(rng: np.random.Generator, C: int, before: str = "") -> dict:
    parts = {"ln_1": norm_weights, "attn": attention_weights, "ln_2": norm_weights, "mlp": mlp_weights}
    return {f"{before}{part}.{name}": value for part, make in parts.items() for name, value in make(rng, C).items()}


def model_weights(rng: np.random.Generator, L: int, C: int, V: int, P: int) -> dict:
    weights = {"wte.weight": normal(rng, V, C), "wpe.weight": normal(rng, P, C)}
    for layer in range(L):
        weights |= block_weights(rng, C, f"h.{layer}.")
    return weights | {f"ln_f.{name}": value for name, value in norm_weights(rng, C).items()}


NOTHING_RETURNED = Diagnosis(
    "nothing returned", "your function ends without `return`, so its answer is None",
    when=lambda inputs, expected, got: got.ok and got.value is None,
)  # fmt: skip
NO_SUPER = Diagnosis(
    "super().__init__() not called", "a module can take parameters and layers only after super().__init__(), the first line of __init__",
    when=lambda inputs, expected, got: "Module.__init__() call" in got.message,
)  # fmt: skip
