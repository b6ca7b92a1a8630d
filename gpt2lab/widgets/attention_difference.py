"""Where attention went after a model was changed: one text, before, after, and the difference, head by head."""
from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import traitlets
from torch import Tensor

from gpt2lab.widgets import _attention_data as data
from gpt2lab.widgets._base import LessonWidget, check_text, escape, token_texts
from gpt2lab.widgets.attention_viewer import AttentionViewer


class AttentionDifference(AttentionViewer):
    """How much every head's attention moved; of the chosen head before, after and the difference, at a scale of its own.

    tokens: T strings; before, after: L arrays (H, T, T), as `lab.look(text).attentions`; `after` may be a dict of several, by
    name (then `names` holds the name of `before`). The difference is drawn from its largest value in any head, so that
    thousandths can be seen too. layer, head: where to begin, by default at the head that changed most.
    """

    scripts = ("chart.js", "attention.js", "attention_difference.js")

    changes = traitlets.List(help="for each `after`: layers * heads numbers, see `change`").tag(sync=True)
    reaches = traitlets.List(traitlets.Float(), help="for each `after`: the largest difference").tag(sync=True)
    title = traitlets.Unicode("What moved in the attention").tag(sync=True)

    def __init__(self, tokens: Sequence[str], before: Sequence[Any], after: Sequence[Any] | Mapping[str, Sequence[Any]],
                 names: Sequence[str] = ("before", "after"), layer: int | None = None, head: int | None = None,
                 title: str | None = None) -> None:
        named = dict(after) if isinstance(after, Mapping) else {names[-1]: after}
        if not named:
            raise ValueError("after is empty: pass attentions, or a dict of names and attentions")
        LessonWidget.__init__(self, names=[names[0], *named], **({"title": title} if title else {}))
        self._labs = []
        self._show(tokens, [before, *named.values()])
        layers, heads = self.shape
        most = int(self.change().argmax())
        layer, head = most // heads if layer is None else layer, most % heads if head is None else head
        if not (0 <= layer < layers and 0 <= head < heads):
            raise ValueError(f"layer {layer}, head {head} does not exist: there are {layers} layers of {heads} heads, counted from 0")
        self.chosen = [layer, head]
        self.on_msg(self._answer)

    @classmethod
    def of(cls, lab: Any, text: str, after: Any, name: str = "before", **options: Any) -> AttentionDifference:
        """With a text box. after: another model (or lab) of the same vocabulary, or a dict of several by name."""
        others = dict(after) if isinstance(after, Mapping) else {"after": after}
        labs = [lab, *(one if hasattr(one, "look") else dataclasses.replace(lab, model=one) for one in others.values())]
        looks = [one.look(check_text(text)) for one in labs]
        tokens = token_texts(lab.tokenizer, looks[0].input_ids[0].tolist())
        view = cls(tokens, looks[0].attentions, {k: look.attentions for k, look in zip(others, looks[1:])}, names=(name,), **options)
        view._labs = labs
        view.text = text
        return view

    def _show(self, tokens: Sequence[str], models: Sequence[Sequence[Any]]) -> None:
        stacked = [data.stack(a, len(tokens)) for a in models]                  # each (L, H, T, T)
        if len({s.shape for s in stacked}) > 1:
            raise ValueError(f"the models differ: {[tuple(s.shape) for s in stacked]} (layers, heads, tokens, tokens)")
        packed = [data.packed_difference(stacked[0], s) for s in stacked[1:]]
        with self.hold_sync():
            self.reaches = [reach for _, reach in packed]
            self.changes = [[round(v, 5) for v in moved(stacked[0], s).flatten().tolist()] for s in stacked[1:]]
            self._place(tokens, stacked, [p for p, _ in packed])

    def change(self, name: str | None = None) -> Tensor:
        """(L, H): the share of each head's attention that moved, for the first `after` or the one of that name."""
        if name is not None and name not in self.names[1:]:
            raise ValueError(f"there is no {name!r}: there is {', '.join(self.names[1:])}")
        return torch.tensor(self.changes[0 if name is None else self.names.index(name) - 1]).unflatten(0, tuple(self.shape))

    def describe(self) -> str:
        parts = []
        for name in self.names[1:]:
            change = self.change(name)
            layer, head = divmod(int(change.argmax()), self.shape[1])
            parts.append(f"from {self.names[0]} to {name} {float(change.mean()):.2%} of it moved, most in layer {layer}, head {head} ({float(change.max()):.2%})")
        return f"Attention over {len(self.tokens)} tokens: {'; '.join(parts)}."

    def picture(self) -> str:
        layer, head = self.chosen
        views = [data.svg_heatmap(self._weights[i][layer, head], self.tokens, f"Layer {layer}, head {head}, {self.names[i]}") for i in (0, 1)]
        rows = "".join(f"<tr><td>{escape(name)}</td><td class='g2-num'>{float(self.change(name).mean()):.2%}</td>"
                       f"<td class='g2-num'>{float(self.change(name).max()):.2%}</td></tr>" for name in self.names[1:])
        return ("".join(views) + "<table class='g2-table'><thead><tr><th>model</th><th class='g2-num'>moved, mean of all heads</th>"
                f"<th class='g2-num'>moved, most</th></tr></thead><tbody>{rows}</tbody></table>")


def moved(before: Tensor, after: Tensor) -> Tensor:
    """(..., T, T) twice -> (...): the mean over queries of the share of attention that lies elsewhere now.

    It is half the summed difference of a row (its total variation distance): 0 when nothing moved, 1 when all did.
    """
    return (after - before).abs().sum(-1).mean(-1) / 2
