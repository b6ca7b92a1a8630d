"""Numbers and the few levels they are rounded to: bits, range, clipping and scales under the learner's hand, and the error."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor

from gpt2lab.quantization import dequantize, quantize_tensor
from gpt2lab.widgets._base import LessonWidget

LIMIT = 131_072            # numbers that are shown, shared by all tensors; of a larger one evenly spaced whole rows
LEAST = 16_384             # numbers of one of many tensors; beyond eight, a page holds the first of them
SCALES = ("tensor", "row", "column", "group")


class QuantBins(LessonWidget):
    """A histogram with the levels that a quantized number can take, and a map of what the rounding costs where.

    x: a tensor (N,) or (R, C), or a dict of names and such tensors. bits: 2 to 8; axis: None for one scale, 0 for one a row (an
    output channel of an `nn.Linear`), 1 for one a column; group_size: one for so many numbers of a row; clip: the share of the
    range that is kept, numbers beyond it saturate. The arithmetic is `gpt2lab.quantization.quantize_tensor`'s; the page does
    the same in JavaScript, so that every slider answers without a kernel.
    """

    scripts = ("chart.js", "quant_bins.js")

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    card = traitlets.Dict(help="name, values (float32), shape as shown, whole: shape of the tensor, rows: which are shown").tag(sync=True)
    bits = traitlets.Int(8).tag(sync=True)
    symmetric = traitlets.Bool(True).tag(sync=True)
    scales = traitlets.Enum(SCALES, "tensor").tag(sync=True)
    group_size = traitlets.Int(32).tag(sync=True)
    clip = traitlets.Float(1.0).tag(sync=True)

    def __init__(self, x: Any, *, bits: int = 8, symmetric: bool = True, axis: int | None = None, group_size: int | None = None,
                 clip: float = 1.0, selected: str | None = None) -> None:
        tensors = dict(x) if isinstance(x, Mapping) else {"x": x}
        if not tensors:
            raise ValueError("there is no tensor to quantize: pass one, or a dict of names and tensors")
        if not 2 <= bits <= 8:
            raise ValueError(f"bits={bits}: this view shows 2 to 8")
        if not 0 < clip <= 1:
            raise ValueError(f"clip={clip}: the share of the range that is kept, above 0 and at most 1")
        if axis not in (None, 0, 1):
            raise ValueError(f"axis={axis}: None for one scale, 0 for one a row, 1 for one a column")
        if selected is not None and selected not in tensors:
            raise ValueError(f"there is no tensor {selected!r}: there is {', '.join(tensors)}")
        limit = max(LEAST, LIMIT // len(tensors))
        cards = {name: _card(name, value, limit) for name, value in tensors.items()}
        scales = "group" if group_size else SCALES[0 if axis is None else axis + 1]
        super().__init__(names=list(tensors), bits=bits, symmetric=symmetric, scales=scales, group_size=group_size or 32, clip=clip)
        self._cards = cards
        self.selected = selected or self.names[0]
        self.card = cards[self.selected]
        self.dequantized()                                 # refuses groups that do not divide a row
        self.observe(self._choose, "selected")

    @classmethod
    def of(cls, model_or_lab: Any, names: str | Sequence[str], **settings: Any) -> QuantBins:
        """Parameters of a model or a lab, by name; settings as in `QuantBins`."""
        state = getattr(model_or_lab, "model", model_or_lab).state_dict()
        names = [names] if isinstance(names, str) else list(names)
        if missing := [n for n in names if n not in state]:
            raise ValueError(f"the model has no tensor {missing[0]!r}: it has {', '.join(list(state)[:4])} and {len(state) - 4} more")
        return cls({name: state[name] for name in names}, **settings)

    def _choose(self, change: Any) -> None:
        if change["new"] in self._cards:
            self.card = self._cards[change["new"]]

    def x(self) -> Tensor:
        """(R, C): the numbers that are shown."""
        return torch.from_numpy(np.frombuffer(self.card["values"], "<f4").copy()).reshape(self.card["shape"])

    def dequantized(self, bits: int | None = None) -> Tensor:
        """(R, C): the same numbers after rounding to the chosen levels, or to those of another number of bits."""
        x = self.x()
        parts = x if self.scales != "group" else x.unflatten(1, (-1, self._groups()))        # (R, C) or (R, C / g, g)
        over = {"tensor": tuple(range(parts.dim())), "row": (1,), "column": (0,), "group": (2,)}[self.scales]
        low, high = parts.amin(over, keepdim=True).clamp(max=0), parts.amax(over, keepdim=True).clamp(min=0)
        if self.symmetric:
            high = torch.maximum(high, -low)
            low = -high
        kept = torch.maximum(torch.minimum(parts, high * self.clip), low * self.clip).reshape(x.shape)
        return dequantize(quantize_tensor(kept, bits or self.bits, self.symmetric, {"row": 0, "column": 1}.get(self.scales),
                                          self._groups() if self.scales == "group" else None))

    def _groups(self) -> int:
        if self.card["shape"][1] % self.group_size:
            raise ValueError(f"group_size={self.group_size} does not divide a row of {self.card['shape'][1]} numbers")
        return self.group_size

    def error(self, bits: int | None = None) -> dict[str, float]:
        """Of the error: root mean square, largest, mean; and how far its power lies below that of the numbers, in decibels."""
        x, y = self.x().double(), self.dequantized(bits).double()
        wrong = x - y
        rms, power = float(wrong.pow(2).mean().sqrt()), float(x.pow(2).mean())
        return {"rms": rms, "largest": float(wrong.abs().max()),
                "snr_db": 10 * float(np.log10(power / rms ** 2)) if rms and power else float("inf"), "mean": float(wrong.mean())}

    def page_state(self) -> dict[str, Any]:
        cards, room = {}, LIMIT
        for name in sorted(self.names, key=lambda n: n != self.selected):
            size = len(self._cards[name]["values"]) // 4
            if name == self.selected or size <= room:
                cards[name] = self._cards[name]
                room -= size
        return {**super().page_state(), "cards": cards}

    def describe(self) -> str:
        one = {"tensor": "one scale for all", "row": "one scale a row", "column": "one scale a column",
               "group": f"one scale for {self.group_size} numbers"}[self.scales]
        error, shape = self.error(), " \u00d7 ".join(map(str, self.card["whole"]))
        return (f"{self.selected}, {shape}, at {self.bits} bits, {'' if self.symmetric else 'a'}symmetric, {one}: "
                f"the error is {error['rms']:.3g} (root mean square), at most {error['largest']:.3g}, {error['snr_db']:.1f} dB below the numbers.")

    def picture(self) -> str:
        counts, edges = np.histogram(self.x().numpy(), 60)
        most, wide, high = max(1, counts.max()), 560, 180
        bars = "".join(f'<rect x="{8 + i * 9}" y="{high - 150 * n / most:.1f}" width="8" height="{150 * n / most:.1f}" fill="#2f7fc1"/>'
                       for i, n in enumerate(counts))
        ends = "".join(f'<text x="{x}" y="{high + 16}" font-size="12" text-anchor="{a}" fill="currentColor">{v:.3g}</text>'
                       for x, a, v in ((8, "start", edges[0]), (wide - 10, "end", edges[-1])))
        return (f'<svg viewBox="0 0 {wide} {high + 22}" width="{wide}" role="img" aria-label="Histogram of the numbers">{bars}{ends}</svg>'
                "<table class='g2-table'><thead><tr><th>bits</th><th class='g2-num'>error (root mean square)</th></tr></thead><tbody>"
                + "".join(f"<tr><td>{bits}</td><td class='g2-num'>{rms:.3g}</td></tr>" for bits, rms in ((b, self.error(b)["rms"]) for b in (2, 3, 4, 6, 8))) + "</tbody></table>")


def _card(name: str, value: Any, limit: int) -> dict[str, Any]:
    tensor = torch.as_tensor(value).detach().float().cpu()
    if tensor.dim() not in (1, 2) or tensor.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}: pass a vector or a matrix")
    if not tensor.isfinite().all():
        raise ValueError(f"{name} holds NaN or infinity, which no integer stands for: look at it first")
    matrix = tensor if tensor.dim() == 2 else tensor[None]
    if matrix.shape[1] > limit:
        raise ValueError(f"{name} has rows of {matrix.shape[1]:,} numbers: this view shows at most {limit:,}, pass a part of it")
    R, C = matrix.shape
    rows = sorted({*np.linspace(0, R - 1, max(1, min(R, limit // C))).round().astype(int).tolist()})
    worst = int(matrix.abs().amax(1).argmax())             # a sample without the outlier would look too good
    if worst not in rows:
        rows[min(range(len(rows)), key=lambda i: abs(rows[i] - worst))] = worst
    return {"name": name, "values": matrix[rows].numpy().astype("<f4").tobytes(), "shape": [len(rows), C], "whole": list(tensor.shape),
            "rows": [] if len(rows) == R else rows}
