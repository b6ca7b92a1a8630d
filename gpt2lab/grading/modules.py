"""Giving a learner's module the weights of a case, by the names that the exercise asks for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from .cases import as_tensors


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
