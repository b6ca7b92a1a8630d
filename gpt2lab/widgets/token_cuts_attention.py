"""The same sentence cut two ways, and the model's attention over each cut: it runs over tokens, not over words."""
from __future__ import annotations

import math
from typing import Any

import torch
import traitlets

from gpt2lab.widgets import _attention_data as data
from gpt2lab.widgets._base import LessonWidget, check_text, escape, token_texts


class TokenCutsAttention(LessonWidget):
    """One text, two tokenizers, one model.

    lab: model and its own tokenizer (cut A). tokenizer_b: another `Tokenizer`, for instance one with fewer merges; by
    default the lab's own with only its first 200. A token of B that the model has no row for is spelled in single bytes.
    """

    scripts = ("attention.js", "token_cuts_attention.js")
    longest = 160                                           # tokens a cut: beyond it, pictures and answers get slow

    text = traitlets.Unicode().tag(sync=True)
    shape = traitlets.List(traitlets.Int(), help="layers, heads").tag(sync=True)
    cuts = traitlets.List(traitlets.Dict(), help="per cut: name, tokens, triangles, bits per byte, note").tag(sync=True)

    def __init__(self, lab: Any, text: str = "Unbelievable: the tokenizer decides what attention can see.",
                 tokenizer_b: Any | None = None, names: tuple[str, str] | None = None) -> None:
        super().__init__()
        self._lab = lab
        self._b = fewer_merges(lab.tokenizer, 200) if tokenizer_b is None else tokenizer_b
        self._names = names or (f"A: the model's own cut, {len(lab.tokenizer.merges):,} merges", f"B: {len(self._b.merges):,} merges")
        config = lab.model.config
        self.shape = [config.n_layer, config.n_head]
        self.cuts = [self._run(name, ids, note) for name, ids, note in self._both(check_text(text))]
        self.text = text
        self.observe(self._new_text, "text")

    def _new_text(self, _change: Any) -> None:
        try:
            self.cuts = [self._run(name, ids, note) for name, ids, note in self._both(check_text(self.text))]
            self.message = ""
        except (ValueError, RuntimeError) as error:
            self.message = str(error)

    def _both(self, text: str) -> list[tuple[str, list[int], str]]:
        a = self._lab.tokenizer.encode(text)
        b, spelled = translate(self._b, self._lab.tokenizer, text)
        for name, ids in (("A", a), ("B", b)):
            if len(ids) > self.longest:
                raise ValueError(f"cut {name} has {len(ids):,} tokens, this view shows {self.longest}: shorten the text")
        note = f"{spelled} tokens of this cut are not in the model's vocabulary: they are spelled in bytes." if spelled else ""
        return [(self._names[0], a, ""), (self._names[1], b, note)]

    @torch.inference_mode()
    def _run(self, name: str, ids: list[int], note: str) -> dict[str, Any]:
        start = [self._lab.tokenizer.eot_token]             # gives the first token something to be predicted from
        out = self._lab.model(torch.tensor([start + ids], device=self._lab.device), output_attentions=True)
        weights = data.stack([a[0] for a in out.attentions])
        nats = -out.logits[0, :-1].float().log_softmax(-1).cpu().gather(1, torch.tensor(ids, dtype=torch.long)[:, None]).sum()
        raw = [self._lab.tokenizer.decode_bytes([i]) for i in ids]
        size = sum(map(len, raw))
        return {"name": name, "note": note, "tokens": ["start", *token_texts(self._lab.tokenizer, ids)],
                "lengths": [0, *map(len, raw)], "triangles": data.triangles(weights),
                "bits": round(float(nats) / math.log(2) / size, 3) if size else 0.0}

    def describe(self) -> str:
        a, b = (len(cut["tokens"]) - 1 for cut in self.cuts)
        return f"{self.text!r} as {a} tokens and as {b} tokens, with the attention over each."

    def picture(self) -> str:
        return "".join(f'<p>{escape(cut["name"])}: {len(cut["tokens"]) - 1} tokens</p><div class="g2-tokens">'
                       + "".join(f'<span class="g2-token g2-c{i % 4}">{escape(t)}</span>' for i, t in enumerate(cut["tokens"][1:])) + "</div>"
                       for cut in self.cuts)


def fewer_merges(tokenizer: Any, count: int) -> Any:
    """The same tokenizer as it was after `count` merges."""
    from gpt2lab.tokenizer import Tokenizer
    merges = tokenizer.merges[:count]
    pieces = [bytes([b]) for b in range(256)] + [a + b for a, b in merges]
    return Tokenizer(dict(enumerate(dict.fromkeys(pieces))), merges, {})


def translate(tokenizer_b: Any, tokenizer_a: Any, text: str) -> tuple[list[int], int]:
    """The text cut by B, as ids of A; a token A does not know becomes its bytes. Also how many were spelled so."""
    ids, spelled = [], 0
    for token in tokenizer_b.encode(text):
        raw = tokenizer_b.decode_bytes([token])
        known = tokenizer_a.ids.get(raw)
        spelled += known is None
        ids += [tokenizer_a.ids[bytes([byte])] for byte in raw] if known is None else [known]
    return ids, spelled
