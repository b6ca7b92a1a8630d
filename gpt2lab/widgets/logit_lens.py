"""What the model would say if it stopped after each layer: the last norm and the head applied to every hidden state."""
from __future__ import annotations

from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor

from gpt2lab.widgets._base import LessonWidget, check_text, escape, token_texts


class LogitLens(LessonWidget):
    """Top tokens by layer and position (nostalgebraist 2020, "interpreting GPT: the logit lens").

    lab: an opened lab. The first `longest` tokens are shown; `top` candidates are kept for each place.
    """

    scripts = ("logit_lens.js",)
    longest = 64
    top = 8

    text = traitlets.Unicode().tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    words = traitlets.List(traitlets.Unicode(), help="every token text that occurs among the candidates").tag(sync=True)
    picks = traitlets.Bytes(help="uint16 (L + 1, T, top): indices into words").tag(sync=True)
    chances = traitlets.Bytes(help="float32 (L + 1, T, top)").tag(sync=True)
    ranks = traitlets.Bytes(help="int32 (L + 1, T): rank of the token that really follows, 0 = top, -1 = unknown").tag(sync=True)
    hits = traitlets.Bytes(help="float32 (L + 1, T): its probability").tag(sync=True)
    shape = traitlets.List(traitlets.Int(), help="L + 1, T, top").tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    model_name = traitlets.Unicode().tag(sync=True)

    def __init__(self, lab: Any, text: str = "The first argument is the name of the file to") -> None:
        super().__init__(model_name=lab.model_name)
        self._lab = lab
        self._compute(check_text(text))
        self.text = text
        self.observe(self._new_text, "text")

    def _new_text(self, _change: Any) -> None:
        try:
            self._compute(check_text(self.text))
            self.message = ""
        except (ValueError, RuntimeError) as error:
            self.message = str(error)

    @torch.inference_mode()
    def _compute(self, text: str) -> None:
        lab, tokenizer = self._lab, self._lab.tokenizer
        ids = tokenizer.encode(text) or [tokenizer.eot_token]
        shown = ids[:self.longest]
        hidden = lab.model(torch.tensor([shown], device=lab.device), output_hidden_states=True).hidden_states
        chances, places, ranks, hits = lens(lab.model, [h[0] for h in hidden], ids[1:len(shown) + 1], self.top)
        unique, index = np.unique(places, return_inverse=True)
        with self.hold_sync():
            self.words = token_texts(tokenizer, unique.tolist())
            self.picks = index.reshape(-1).astype("<u2").tobytes()
            self.chances, self.ranks, self.hits = (a.tobytes() for a in (chances, ranks, hits))
            self.shape = list(chances.shape)
            self.note = f"The first {len(shown)} of {len(ids):,} tokens are shown." if len(ids) > len(shown) else ""
            self.tokens = token_texts(tokenizer, shown)

    def table(self) -> list[list[str]]:
        """The likeliest next token (L + 1 rows from the embeddings up, T columns)."""
        picks = np.frombuffer(self.picks, "<u2").reshape(self.shape)
        return [[self.words[i] for i in row] for row in picks[:, :, 0]]

    def describe(self) -> str:
        return f"Logit lens of {self.model_name} on {''.join(self.tokens)!r}: after each layer, the likeliest next token."

    def picture(self) -> str:
        head = "".join(f"<th>{escape(t)}</th>" for t in self.tokens[:12])
        rows = "".join(f"<tr><td>{'embeddings' if n == 0 else f'layer {n - 1}'}</td>" + "".join(f"<td>{escape(w)}</td>" for w in row[:12]) + "</tr>"
                       for n, row in reversed(list(enumerate(self.table()))))
        return f"<table class='g2-table'><thead><tr><th>after</th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def lens(model: Any, hidden: list[Tensor], following: list[int], top: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """L + 1 hidden states (T, C), the last already normalised -> candidates and the fate of the true next token.

    Returns chances float32 and ids int64, both (L + 1, T, top), and ranks int32 and probabilities float32 (L + 1, T) of
    `following`, the T or T - 1 tokens that really come next (-1 and 0 where none is known).
    """
    states = torch.stack([model.ln_f(h) for h in hidden[:-1]] + [hidden[-1]]).float()        # (L + 1, T, C)
    T, known = states.shape[1], len(following)
    chances, places = [], []
    ranks = np.full((len(states), T), -1, dtype="<i4")
    hits = np.zeros((len(states), T), dtype="<f4")
    target = torch.tensor(following, dtype=torch.long, device=states.device)[:, None]
    for layer, state in enumerate(states):                           # one layer at a time: (T, V) is large for real GPT-2
        logits = state @ model.wte.weight.float().T
        value, place = logits.topk(min(top, logits.shape[-1]), dim=-1)
        total = logits.logsumexp(-1, keepdim=True)
        chances.append((value - total).exp().cpu().numpy().astype("<f4"))
        places.append(place.cpu().numpy())
        if known:
            own = logits[:known].gather(1, target)
            ranks[layer, :known] = (logits[:known] > own).sum(-1).cpu().numpy()
            hits[layer, :known] = (own - total[:known]).exp()[:, 0].cpu().numpy()
    return np.stack(chances), np.stack(places), ranks, hits
