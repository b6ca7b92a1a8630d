"""The next token's probabilities as bars: what temperature, top-k, top-p and the penalty do, and why each token died."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor

from gpt2lab.sampling import next_token_probs
from gpt2lab.widgets._base import LessonWidget, check_text, escape, token_texts


class ProbabilityBars(LessonWidget):
    """Bars for the likeliest next tokens, a cut line below the last that stays, and a reason beside each that does not.

    logits: (V,) for one place; names: the V tokens' texts; prev_ids: the tokens so far, for the penalty. `of` takes
    all three from a lab and a prompt. The settings mean what they mean in `gpt2lab.sampling.next_token_probs`; the page
    computes the same in JavaScript, so a slider answers without a kernel.
    """

    scripts = ("probability_bars.js",)
    named = 400                                 # tokens at the top whose text travels, beside those of the prompt

    prompt = traitlets.Unicode(help="unused without a lab").tag(sync=True)
    has_lab = traitlets.Bool(False).tag(sync=True)
    logits = traitlets.Bytes(help="float32 (V,)").tag(sync=True)
    names = traitlets.Dict(help="token id as a string -> its text, for those that can be shown").tag(sync=True)
    prev_ids = traitlets.List(traitlets.Int()).tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    top_k = traitlets.Int(0, help="0: all").tag(sync=True)
    top_p = traitlets.Float(1.0).tag(sync=True)
    repetition_penalty = traitlets.Float(1.0).tag(sync=True)
    model_name = traitlets.Unicode().tag(sync=True)

    def __init__(self, logits: Sequence[float] | Tensor, names: Sequence[str], prev_ids: Sequence[int] = (), *,
                 temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None,
                 repetition_penalty: float = 1.0) -> None:
        values = torch.as_tensor(logits).detach().float().cpu()
        if values.dim() != 1 or len(values) != len(names):
            raise ValueError(f"logits {tuple(values.shape)} and {len(names)} names: pass one logit and one name for each token")
        super().__init__(temperature=temperature, top_k=top_k or 0, top_p=1.0 if top_p is None else top_p,
                         repetition_penalty=repetition_penalty)
        self._lab, self._ids = None, [int(i) for i in prev_ids]
        self._place(values, lambda ids: [check_text(names[i], "a name") for i in ids])
        self.probs()                                                       # refuses settings that mean nothing

    @classmethod
    def of(cls, lab: Any, prompt: str = "The first argument is the name of the", **settings: Any) -> ProbabilityBars:
        """The bars for what follows a prompt; settings as in `ProbabilityBars`."""
        bars = cls([0.0], [""], **settings)
        bars._lab, bars.has_lab, bars.model_name = lab, True, lab.model_name
        bars._read(check_text(prompt, "the prompt"))
        bars.prompt = prompt
        bars.observe(bars._new_prompt, "prompt")
        bars.on_msg(bars._answer)
        return bars

    def _new_prompt(self, _change: Any) -> None:
        try:
            self._read(check_text(self.prompt, "the prompt"))
            self.message = ""
        except (ValueError, RuntimeError) as error:
            self.message = str(error)

    def _answer(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """The page asks to put a drawn token behind the prompt: the token itself, not its text cut anew."""
        token = content.get("append") if isinstance(content, dict) else None
        if not isinstance(token, int) or not 0 <= token < self._lab.model.config.vocab_size:
            return
        ids = [*self._ids, token]
        try:
            self._run(ids)
        except ValueError as error:                                        # no position left
            self.message = str(error)
            return
        self.unobserve(self._new_prompt, "prompt")
        self.prompt, self.message = self._lab.tokenizer.decode(ids), ""
        self.observe(self._new_prompt, "prompt")

    def _read(self, text: str) -> None:
        self._run(self._lab.encode(text)[0].tolist())

    @torch.inference_mode()
    def _run(self, ids: list[int]) -> None:
        out = self._lab.model(torch.tensor([ids], device=self._lab.device))
        self._ids = ids
        self._place(out.logits[0, -1].float().cpu(), lambda some: token_texts(self._lab.tokenizer, some))

    def _place(self, values: Tensor, text_of: Any) -> None:
        """Send the logits of one place, with the texts of the tokens that any setting can bring to the top."""
        if values.isnan().any():
            raise ValueError("a logit is NaN: the weights or the input are broken, look at them first")
        ids = self._ids
        if any(not 0 <= i < len(values) for i in ids):
            raise ValueError(f"prev_ids hold {max(ids)}, but there are {len(values)} tokens: ids run from 0")
        shown = sorted({*values.topk(min(self.named, len(values))).indices.tolist(), *ids})
        with self.hold_sync():
            self.prev_ids = ids
            self.names = {str(i): text for i, text in zip(shown, text_of(shown))}
            self.logits = values.numpy().astype("<f4").tobytes()

    def probs(self) -> Tensor:
        """What the settings make of the logits, (V,): the truth that the page's own arithmetic is tested against."""
        values = torch.from_numpy(np.frombuffer(self.logits, "<f4").copy())
        return next_token_probs(values, self.temperature, self.top_k or None, self.top_p, self.repetition_penalty,
                                torch.tensor(self.prev_ids, dtype=torch.long))

    def describe(self) -> str:
        probs = self.probs()
        best = int(probs.argmax())
        return (f"The likeliest next token{f' after {self.prompt!r}' if self.has_lab else ''}: {self.names[str(best)]!r} with "
                f"{float(probs[best]):.1%}; {int((probs > 0).sum()):,} of {len(probs):,} tokens stay.")

    def picture(self) -> str:
        probs = self.probs()
        value, place = probs.topk(min(12, len(probs)))
        rows = "".join(f"<tr><td><code>{escape(self.names.get(str(i), ''))}</code></td><td class='g2-num'>{p:.1%}</td></tr>"
                       for p, i in zip(value.tolist(), place.tolist()) if p > 0)
        return f"<table class='g2-table'><thead><tr><th>token</th><th class='g2-num'>probability</th></tr></thead><tbody>{rows}</tbody></table>"
