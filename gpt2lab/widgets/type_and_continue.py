"""Type, pause, and the model goes on: every setting of sampling at hand, each token shaded by how likely it was."""
from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
import traitlets

from gpt2lab.sampling import next_token_probs
from gpt2lab.widgets._base import check_text, escape, token_texts
from gpt2lab.widgets._writing import WritingWidget

SETTINGS = ("temperature", "top_k", "top_p", "repetition_penalty", "seed")
EXAMPLES = ({}, {"temperature": 1.0}, {"temperature": 1.0, "top_p": 0.9}, {"repetition_penalty": 1.2})     # what the page form holds


class TypeAndContinue(WritingWidget):
    """A text box that the model writes on in, token by token, under the settings of `Lab.stream`.

    lab: an opened lab. Temperature 0 takes the likeliest token; any other draws. The page form holds the same prompt
    continued under the settings of `examples` (dicts of temperature, top_k, top_p, repetition_penalty, seed).
    """

    scripts = ("type_and_continue.js",)

    prompt = traitlets.Unicode().tag(sync=True)
    max_new_tokens = traitlets.Int(40).tag(sync=True)
    temperature = traitlets.Float(0.0).tag(sync=True)
    top_k = traitlets.Int(0, help="0: all").tag(sync=True)
    top_p = traitlets.Float(1.0).tag(sync=True)
    repetition_penalty = traitlets.Float(1.0).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode(), help="written so far, without the prompt").tag(sync=True)
    chances = traitlets.List(traitlets.Float(), help="the model's own probability of each, before any setting").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="milliseconds from the start to each token").tag(sync=True)
    examples = traitlets.List(traitlets.Dict(), help="finished runs under other settings").tag(sync=True)
    model_name = traitlets.Unicode().tag(sync=True)

    def __init__(self, lab: Any, prompt: str = "The first argument is", max_new_tokens: int = 40, temperature: float = 0.0,
                 top_k: int | None = None, top_p: float | None = None, repetition_penalty: float = 1.0, seed: int = 0,
                 examples: tuple[dict[str, Any], ...] = EXAMPLES) -> None:
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={max_new_tokens}: ask for at least 1")
        own = {"temperature": temperature, "top_k": top_k or 0, "top_p": 1.0 if top_p is None else top_p,
               "repetition_penalty": repetition_penalty, "seed": seed}
        super().__init__(prompt=check_text(prompt, "prompt"), max_new_tokens=max_new_tokens, model_name=lab.model_name, **own)
        self._lab = lab
        runs, plain = [], {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0, "seed": 0}
        for other in (own, *({**plain, **e} for e in examples)):
            if unknown := other.keys() - set(SETTINGS):
                raise ValueError(f"an example sets {min(unknown)!r}: the settings are {', '.join(SETTINGS)}")
            next_token_probs(torch.zeros(2), *_meant(other), prev_ids=torch.tensor([0]))      # refuses what means nothing
            if all(other != run["settings"] for run in runs):
                runs.append({"settings": other, **self._whole(other)})
        self.examples = runs
        with self.hold_sync():
            self.tokens, self.chances, self.times = (runs[0][name] for name in ("tokens", "chances", "times"))

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in SETTINGS}

    def _whole(self, settings: dict[str, Any]) -> dict[str, Any]:
        """One finished run."""
        start = time.perf_counter()
        written = [(token, 1e3 * (time.perf_counter() - start)) for token in self._tokens(settings)]
        ids = [token for token, _ in written]
        return {"tokens": token_texts(self._lab.tokenizer, ids), "chances": self._likely(ids), "times": [round(ms, 1) for _, ms in written]}

    def _tokens(self, settings: dict[str, Any]) -> Iterator[int]:
        return self._lab.stream(check_text(self.prompt, "the prompt"), self.max_new_tokens, *_meant(settings), settings["seed"])

    @torch.inference_mode()
    def _likely(self, written: list[int]) -> list[float]:
        """The model's own probability of every written token, in one pass; [] where prompt and text exceed its positions."""
        prompt = self._lab.encode(self.prompt)[0].tolist()
        if not written or len(prompt) + len(written) > self._lab.model.config.n_positions + 1:
            return []
        out = self._lab.model(torch.tensor([(prompt + written)[:-1]], device=self._lab.device))
        rows = out.logits[0, len(prompt) - 1:].float().softmax(-1).cpu()
        return [round(float(row[token]), 6) for row, token in zip(rows, written)]

    def _write(self, turn: int) -> None:
        ids, texts, times, start = [], [], [], time.perf_counter()
        try:
            if not self._show(turn, tokens=[], chances=[], times=[], message="", busy=True):
                return
            for token in self._tokens(self._settings()):
                ids.append(token)
                texts += token_texts(self._lab.tokenizer, [token])
                times.append(round(1e3 * (time.perf_counter() - start), 1))
                if not self._show(turn, tokens=list(texts), times=list(times)):
                    return
            empty = "" if ids else "The model's first token was the end of the text. Type something else, or draw with a temperature."
            self._show(turn, busy=False, chances=self._likely(ids), message=empty)
        except (ValueError, RuntimeError) as error:
            self._show(turn, busy=False, message=str(error))

    def describe(self) -> str:
        return f"{self.model_name} goes on: {self.prompt!r} -> {''.join(self.tokens)!r}"

    def picture(self) -> str:
        return f"<p>{escape(self.prompt)}<strong>{escape(''.join(self.tokens))}</strong></p>"


def _meant(settings: dict[str, Any]) -> tuple[float, int | None, float, float]:
    """temperature, top_k, top_p, repetition_penalty as `gpt2lab.sampling` takes them."""
    return settings["temperature"], settings["top_k"] or None, settings["top_p"], settings["repetition_penalty"]
