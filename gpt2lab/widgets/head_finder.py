"""Which head does what: previous-token, first-token and induction scores for every head."""
from __future__ import annotations

from typing import Any

import torch
import traitlets
from torch import Tensor

from gpt2lab.widgets import _attention_data as data
from gpt2lab.widgets._base import LessonWidget, check_text, escape, token_texts

KINDS = ("previous token", "first token", "induction")


class HeadFinder(LessonWidget):
    """Scores 0 to 1 of every head on a start token followed by the same `length` tokens twice.

    With no text the tokens are random, so nothing but position and repetition can guide a head (the test of Elhage et
    al. 2021 and Olsson et al. 2022); with a text, the learner's own tokens stand there twice. See `head_scores`.
    """

    scripts = ("attention.js", "head_finder.js")
    longest = 60

    text = traitlets.Unicode(help="empty: random tokens").tag(sync=True)
    length = traitlets.Int(25).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    period = traitlets.Int(help="how many tokens are repeated").tag(sync=True)
    kinds = traitlets.List(traitlets.Unicode(), list(KINDS)).tag(sync=True)
    scores = traitlets.List(help="3 lists of L*H numbers").tag(sync=True)
    triangles = traitlets.Bytes().tag(sync=True)
    model_name = traitlets.Unicode().tag(sync=True)

    def __init__(self, lab: Any, text: str = "", length: int = 25, seed: int = 0) -> None:
        config = lab.model.config
        self._most = max(2, min(self.longest, (config.n_positions - 1) // 2))
        if not 2 <= length <= self._most:
            raise ValueError(f"length={length}: repeat 2 to {self._most} tokens")
        super().__init__(length=length, seed=seed, shape=[config.n_layer, config.n_head], model_name=lab.model_name)
        self._lab = lab
        self.text = check_text(text)
        self._compute()
        self.observe(self._changed, ["text", "length", "seed"])

    def _changed(self, _change: Any) -> None:
        try:
            self._compute()
            self.message = ""
        except (ValueError, RuntimeError) as error:
            self.message = str(error)

    @torch.inference_mode()
    def _compute(self) -> None:
        tokenizer, start = self._lab.tokenizer, self._lab.tokenizer.eot_token
        if check_text(self.text):
            half = torch.tensor([tokenizer.encode(self.text)])
            if not 2 <= half.shape[1] <= self._most:
                raise ValueError(f"your text has {half.shape[1]} tokens: this test repeats 2 to {self._most}")
        else:
            period = max(2, min(self.length, self._most))
            generator = torch.Generator().manual_seed(self.seed)
            half = torch.randint(256, self._lab.model.config.vocab_size - 1, (2, period), generator=generator)
        ids = torch.cat([torch.full((len(half), 1), start), half, half], 1)                  # (N, 1 + 2 * period)
        out = self._lab.model(ids.to(self._lab.device), output_attentions=True)
        weights = torch.stack([a.float().cpu() for a in out.attentions])                    # (L, N, H, T, T)
        found = head_scores(weights, half.shape[1]).mean(2)                                 # (3, L, H)
        with self.hold_sync():
            self.scores = [[round(float(x), 4) for x in kind.flatten()] for kind in found]
            self.triangles = data.triangles(weights[:, 0])
            self.period = half.shape[1]
            self.tokens = ["start", *token_texts(tokenizer, ids[0, 1:].tolist())]

    def best(self, kind: str) -> tuple[int, int, float]:
        """Layer, head and score of the strongest head of a kind: one of "previous token", "first token", "induction"."""
        if kind not in KINDS:
            raise ValueError(f"no score is called {kind!r}: choose one of {', '.join(KINDS)}")
        values = self.scores[KINDS.index(kind)]
        at = max(range(len(values)), key=values.__getitem__)
        return at // self.shape[1], at % self.shape[1], values[at]

    def describe(self) -> str:
        found = "; ".join(f"{kind}: layer {a}, head {b} ({s:.2f})" for kind in KINDS for a, b, s in [self.best(kind)])
        return f"The strongest heads of {self.model_name}. {found}."

    def picture(self) -> str:
        layers, heads = self.shape
        rows = "".join(f"<tr><td>{escape(kind)}</td><td>layer {a}, head {b}</td><td>{s:.2f}</td></tr>"
                       for kind in KINDS for a, b, s in [self.best(kind)])
        return (f"<p>Strongest of {layers} x {heads} heads</p><table class='g2-table'><thead><tr><th>kind</th><th>head</th>"
                f"<th>score</th></tr></thead><tbody>{rows}</tbody></table>")


def head_scores(weights: Tensor, period: int) -> Tensor:
    """How much each head does each of three known things: weights (..., T, T), T = 1 + 2 * period -> (3, ...).

    The sequence is a start token and the same `period` tokens twice. Each score is a mean of weights, so 0 to 1:
    previous token: position i on i - 1, over all i >= 1;
    first token: position i on position 0, over all i >= 2, where 0 is not also the token before;
    induction: in the second copy, position i on i - period + 1, the token that followed the same token last time.
    (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; Olsson et al. 2022, "In-context Learning
    and Induction Heads".) ValueError when T does not fit the period.
    """
    T = weights.shape[-1]
    if T != 1 + 2 * period:
        raise ValueError(f"{T} tokens are not a start token and twice {period}")
    previous = weights.diagonal(-1, -2, -1).mean(-1)
    first = weights[..., 2:, 0].mean(-1)
    induction = weights.diagonal(-(period - 1), -2, -1)[..., 2:].mean(-1)   # entry c: row c + period - 1, column c; from row period + 1
    return torch.stack([previous, first, induction])
