"""Beam search as it happened: every candidate of every step, which were kept, which were dropped, which won."""
from __future__ import annotations

from typing import Any

import torch
import traitlets

from gpt2lab.sampling import beam_search
from gpt2lab.widgets._base import LessonWidget, bytes_as_text, check_text, escape, token_texts

MOST = 8                                                   # beams that a page can show


class BeamTree(LessonWidget):
    """A column a step, the 2 * num_beams best candidates in each; lines lead from a beam to what grew out of it.

    lab, prompt: a model and what it continues; num_beams, max_new_tokens, length_penalty as in `gpt2lab.sampling.beam_search`.
    In the page form the trees of 1 and 2 beams are kept too.
    """

    scripts = ("beam_tree.js",)

    prompt = traitlets.Unicode().tag(sync=True)
    num_beams = traitlets.Int(4).tag(sync=True)
    max_new_tokens = traitlets.Int(8).tag(sync=True)
    length_penalty = traitlets.Float(1.0).tag(sync=True)
    tree = traitlets.Dict(help="num_beams, steps of candidates, hypotheses").tag(sync=True)
    greedy = traitlets.Dict(help="what a search with one beam finds").tag(sync=True)
    most = traitlets.Int(MOST).tag(sync=True)
    model_name = traitlets.Unicode().tag(sync=True)

    def __init__(self, lab: Any, prompt: str, num_beams: int, max_new_tokens: int, length_penalty: float) -> None:
        if not 1 <= num_beams <= MOST:
            raise ValueError(f"num_beams={num_beams}: this view shows 1 to {MOST}")
        if not 1 <= max_new_tokens <= 24:
            raise ValueError(f"max_new_tokens={max_new_tokens}: this view shows 1 to 24 steps")
        super().__init__(prompt=check_text(prompt, "prompt"), num_beams=num_beams, max_new_tokens=max_new_tokens,
                         length_penalty=float(length_penalty), model_name=lab.model_name)
        self._lab = lab
        self.tree, self.greedy = self._search(num_beams), self._search(1)["hypotheses"][0]
        self.observe(self._changed, ["prompt", "num_beams", "max_new_tokens", "length_penalty"])

    @classmethod
    def of(cls, lab: Any, prompt: str = "If the argument is", num_beams: int = 4, max_new_tokens: int = 8,
           length_penalty: float = 1.0) -> BeamTree:
        """The tree of a beam search that continues the prompt."""
        return cls(lab, prompt, num_beams, max_new_tokens, length_penalty)

    def _changed(self, change: Any) -> None:
        try:
            again = change.name != "num_beams"             # else greedy search would find what it found before
            if again:
                self.greedy = {}
            self.tree, self.message = self._search(max(1, min(MOST, self.num_beams))), ""
            if again:                                      # a second search, while the page draws the tree
                self.greedy = self._search(1)["hypotheses"][0]
        except (ValueError, RuntimeError) as error:
            self.message = str(error)

    @torch.inference_mode()
    def _search(self, num_beams: int) -> dict[str, Any]:
        lab, prompt = self._lab, self._lab.encode(check_text(self.prompt, "the prompt"))
        options = {"max_new_tokens": max(1, min(24, self.max_new_tokens)), "length_penalty": self.length_penalty,
                   "eos_token_id": lab.tokenizer.eot_token}
        if (length := prompt.shape[1] + options["max_new_tokens"]) > lab.model.config.n_positions:
            raise ValueError(f"prompt and new tokens are {length:,} together, the model has {lab.model.config.n_positions:,} "
                             "positions: shorten the prompt")
        out = beam_search(lab.model, prompt, num_beams, **options)
        steps = [[{"parent": c.parent, "text": token_texts(lab.tokenizer, [c.token])[0], "score": round(float(c.score), 4),
                   "child": -1 if c.child is None else c.child, "finished": bool(c.finished)} for c in step] for step in out.trace[0]]
        return {"num_beams": num_beams, "steps": steps, "hypotheses": [self._told(one) for one in out.hypotheses[0]]}

    def _told(self, hypothesis: Any) -> dict[str, Any]:
        ids = [int(i) for i in hypothesis.ids]
        return {"texts": token_texts(self._lab.tokenizer, ids), "text": bytes_as_text(self._lab.tokenizer.decode_bytes(ids)),
                "log_prob": round(float(hypothesis.log_prob), 4), "score": round(float(hypothesis.score), 4)}

    def page_state(self) -> dict[str, Any]:
        trees = [self._search(n) for n in sorted({1, 2, self.tree["num_beams"]} - {self.tree["num_beams"]})]
        return {**super().page_state(), "trees": [self.tree, *trees]}

    def describe(self) -> str:
        best, greedy = self.tree["hypotheses"][0], self.greedy
        return (f"Beam search with {self.tree['num_beams']} beams continues {self.prompt!r} with {best['text']!r} (log-probability "
                f"{best['log_prob']:.2f}); greedy search with {greedy['text']!r} ({greedy['log_prob']:.2f}).")

    def picture(self) -> str:
        rows = "".join(f"<tr><td>{escape(one['text'])}</td><td class='g2-num'>{one['log_prob']:.2f}</td><td class='g2-num'>{one['score']:.3f}</td></tr>"
                       for one in self.tree["hypotheses"])
        return ("<table class='g2-table'><thead><tr><th>continuation</th><th class='g2-num'>log-probability</th>"
                f"<th class='g2-num'>score</th></tr></thead><tbody>{rows}</tbody></table>")
