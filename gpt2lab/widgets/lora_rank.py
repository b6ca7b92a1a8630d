"""How many ranks a weight change needs: the best fit of every rank, what it costs in numbers and what it leaves over."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import traitlets
from torch import Tensor, nn

from gpt2lab.widgets._base import LessonWidget, escape
from gpt2lab.widgets._chart import svg_chart
from gpt2lab.widgets.weight_browser import blocks

SIDE = 64                  # cells of a picture along each axis
MOST = 128                 # ranks that can be looked at; no adapter is larger
PAGE = 1_500_000           # bytes of cards in a page before compression


class LoraRank(LessonWidget):
    """A rank slider: the change of a weight matrix, its best fit of that rank, the rest, and the numbers both need.

    difference: (out, in), or a dict of names and such matrices; rank: where the slider starts. The best fit of a rank keeps
    that many singular values (Eckart and Young 1936), so no LoRA of this rank comes closer to the matrix.
    """

    scripts = ("chart.js", "lora_rank.js")

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    rank = traitlets.Int(8).tag(sync=True)
    card = traitlets.Dict(help="the selected matrix: its shape, singular values and small factors").tag(sync=True)

    def __init__(self, difference: Tensor | Mapping[str, Tensor], rank: int = 8) -> None:
        matrices = dict(difference) if isinstance(difference, Mapping) else {"the change": difference}
        if not matrices:
            raise ValueError("there is no matrix to fit: pass a tensor (out, in), or a dict of names and such tensors")
        matrices = {name: _matrix(name, value) for name, value in matrices.items()}
        if rank < 0:
            raise ValueError(f"rank={rank}: it is at least 0")
        super().__init__(names=list(matrices), rank=int(rank))
        self._matrices, self._cards = matrices, {}
        self.selected = self.names[0]
        self.card = self._card(self.selected)
        self.observe(self._choose, "selected")

    @classmethod
    def of(cls, before: Any, after: Any, names: Sequence[str] | None = None, rank: int = 8) -> LoraRank:
        """The changes between two models of one shape (or two labs), the matrices of the blocks that changed, most first.

        names: which parameters; by default all matrices of the blocks. An adapter that is not merged counts as merged.
        """
        old, new = _weights(before), _weights(after)
        wanted = [n for n, w in old.items() if w.dim() == 2 and n.startswith("h.")] if names is None else list(names)
        if missing := [n for n in wanted if n not in old or n not in new or old[n].shape != new[n].shape]:
            raise ValueError(f"{missing[0]!r} is not in both models with one shape: names are, for instance, h.0.attn.c_attn.weight")
        changes = {n: new[n].float() - old[n].float() for n in wanted}
        changes = {n: d for n, d in changes.items() if d.any()}
        if not changes:
            raise ValueError("none of these matrices differs between the two models: train one of them first, or name others")
        share = {n: float(d.norm() / old[n].float().norm().clamp_min(1e-12)) for n, d in changes.items()}
        return cls({n: changes[n] for n in sorted(changes, key=share.get, reverse=True)}, rank)

    def _choose(self, change: Any) -> None:
        if change["new"] in self._matrices:
            self.card = self._card(change["new"])

    def _card(self, name: str) -> dict[str, Any]:
        if name not in self._cards:
            self._cards[name] = {"name": name, **look_at(self._matrices[name])}
        return self._cards[name]

    def error(self, rank: int | None = None, name: str | None = None) -> float:
        """What the best fit of a rank leaves, as a share of the matrix: the norm of the rest over the norm of the whole."""
        values = torch.frombuffer(bytearray(self._card(name or self.selected)["singular"]), dtype=torch.float32).double()
        return float(values[self.rank if rank is None else rank:].norm() / values.norm())

    def page_state(self) -> dict[str, Any]:
        cards, room = {}, PAGE
        for name in sorted(self.names, key=lambda n: n != self.selected):
            R, C = self._matrices[name].shape
            size = 4 * (min(R, C) + min(R, C, MOST) * (min(R, SIDE) + min(C, SIDE)) + min(R, SIDE) * min(C, SIDE))
            if name == self.selected or size <= room:
                cards[name] = self._card(name)
                room -= size
        return {**super().page_state(), "cards": cards}

    def describe(self) -> str:
        R, C = self._matrices[self.selected].shape
        return (f"{self.selected}, {R} \u00d7 {C}: its best fit of rank {self.rank} has {self.rank * (R + C):,} numbers instead of "
                f"{R * C:,} and leaves {self.error():.1%} of the matrix's norm.")

    def picture(self) -> str:
        K = len(self._card(self.selected)["singular"]) // 4
        points = [(r, 100 * self.error(r)) for r in range(min(K, MOST) + 1)]
        return svg_chart([{"name": self.selected, "points": points}], "rank", "left over, % of the norm", self.describe()) + (
            f"<p>{escape(self.describe())}</p>")


def look_at(matrix: Tensor) -> dict[str, Any]:
    """Singular values, and factors small enough to draw any fit: the picture's cells are means of blocks of the matrix."""
    U, values, Vh = torch.linalg.svd(matrix, full_matrices=False)              # (R, K), (K,), (K, C)
    keep = min(len(values), MOST)
    small = blocks(matrix, SIDE, SIDE)
    return {"shape": list(matrix.shape), "cells": list(small.shape), "singular": _bytes(values), "picture": _bytes(small),
            "left": _bytes(blocks(U[:, :keep], SIDE, keep)), "right": _bytes(blocks(Vh[:keep].T, SIDE, keep))}


def _bytes(values: Tensor) -> bytes:
    return values.contiguous().numpy().astype("<f4").tobytes()


def _matrix(name: str, value: Any) -> Tensor:
    matrix = torch.as_tensor(value).detach().float().cpu()
    if matrix.dim() != 2 or 0 in matrix.shape:
        raise ValueError(f"{name} has shape {tuple(matrix.shape)}: pass a matrix (out, in)")
    if not matrix.isfinite().all():
        raise ValueError(f"{name} holds NaN or infinity: training went wrong before this, look at its loss curve")
    if not matrix.any():
        raise ValueError(f"{name} is all zeros: nothing has changed, so every rank fits it")
    return matrix


def _weights(model_or_lab: Any) -> dict[str, Tensor]:
    """Names and tensors of a model, with unmerged adapters as if they were merged."""
    model: nn.Module = getattr(model_or_lab, "model", model_or_lab)
    found = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    for name, module in model.named_modules():
        if hasattr(module, "lora_A") and hasattr(module, "merged"):
            found[f"{name}.weight"] = module.merged().weight.detach().cpu()
    return found
