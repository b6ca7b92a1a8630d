"""Twenty samples at every temperature: where does the model repeat itself, and where does it fall apart?"""
from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
import traitlets

from gpt2lab.sampling import next_token_probs
from gpt2lab.widgets._base import check_text, escape, token_texts
from gpt2lab.widgets._writing import WritingWidget

N = 4                                                      # tokens of the n-grams whose repetition is counted


class TemperatureSweep(WritingWidget):
    """All samples at all temperatures grow together, one batch with a KV cache; the page follows them token by token.

    lab, prompt: a model and what it continues; temperatures: rising, 0 is greedy; samples: how many at each. A sample
    ends at the end-of-text token. Each has a repetition rate, see `repetition_rate`.
    """

    scripts = ("temperature_sweep.js",)
    wait_ms = 60                                           # between two messages to the page

    prompt = traitlets.Unicode().tag(sync=True)
    temperatures = traitlets.List(traitlets.Float()).tag(sync=True)
    samples = traitlets.Int(20).tag(sync=True)
    max_new_tokens = traitlets.Int(40).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    words = traitlets.Dict(help="token id as a string -> its text").tag(sync=True)
    ids = traitlets.List(help="per temperature, per sample: token ids").tag(sync=True)
    rates = traitlets.List(help="per temperature, per sample: repetition rate").tag(sync=True)
    n = traitlets.Int(N).tag(sync=True)
    model_name = traitlets.Unicode().tag(sync=True)

    def __init__(self, lab: Any, prompt: str, temperatures: Sequence[float], samples: int, max_new_tokens: int, seed: int) -> None:
        if not temperatures or any(t < 0 for t in temperatures) or list(temperatures) != sorted(set(temperatures)):
            raise ValueError(f"temperatures={list(temperatures)}: pass rising numbers from 0 on, for instance (0, 0.5, 1, 1.5)")
        if samples < 1 or max_new_tokens < 1:
            raise ValueError(f"samples={samples}, max_new_tokens={max_new_tokens}: each is at least 1")
        super().__init__(prompt=check_text(prompt, "prompt"), temperatures=[float(t) for t in temperatures], samples=samples,
                         max_new_tokens=max_new_tokens, seed=seed, model_name=lab.model_name)
        self._lab = lab
        self._write(self._turn)
        if self.message:
            raise ValueError(self.message)

    @classmethod
    def of(cls, lab: Any, prompt: str = "The first argument is", temperatures: Sequence[float] = (0, 0.4, 0.7, 1.0, 1.3, 1.6),
           samples: int = 20, max_new_tokens: int = 40, seed: int = 0) -> TemperatureSweep:
        """Draw `samples` continuations of the prompt at every temperature."""
        return cls(lab, prompt, temperatures, samples, max_new_tokens, seed)

    def _write(self, turn: int) -> None:
        try:
            if self._show(turn, message="", busy=True, ids=[], rates=[]):
                self._grow(turn)
        except (ValueError, RuntimeError) as error:
            self._show(turn, busy=False, message=str(error))

    @torch.inference_mode()
    def _grow(self, turn: int) -> None:
        lab, K, end = self._lab, len(self.temperatures), self._lab.tokenizer.eot_token
        new = lab.encode(check_text(self.prompt, "the prompt"))                             # (1, T)
        room = lab.model.config.n_positions - new.shape[1]
        if room < 1:
            raise ValueError(f"the prompt has {new.shape[1]:,} tokens and the model {lab.model.config.n_positions:,} positions: "
                             "shorten it, so that something can be written")
        cache, total = lab.model.new_cache(), K * self.samples
        logits = lab.model(new, cache=cache, logits_to_keep=1).logits[:, -1].expand(total, -1)           # the prompt is read once
        for layer in cache:
            layer.reorder(torch.zeros(total, dtype=torch.long, device=lab.device))         # and every sample goes on from it
        generator = torch.Generator().manual_seed(self.seed)
        rows, words, last = [[] for _ in range(total)], {}, 0.0
        open_ = torch.ones(total, dtype=torch.bool)
        for left in reversed(range(min(self.max_new_tokens, room))):
            logits = logits.float().cpu().unflatten(0, (K, -1))                             # (K, samples, V)
            probs = torch.cat([next_token_probs(row, temperature=t) for row, t in zip(logits, self.temperatures)])
            drawn = torch.multinomial(probs, 1, generator=generator)[:, 0]                  # (K * samples,)
            open_ &= drawn != end
            for row, token, still in zip(rows, drawn.tolist(), open_.tolist()):
                if still:
                    row.append(token)
            over = not left or not open_.any()
            if over or time.perf_counter() - last > self.wait_ms / 1e3:
                fresh = sorted({t for row in rows for t in row if str(t) not in words})
                words |= {str(t): text for t, text in zip(fresh, token_texts(lab.tokenizer, fresh))}
                if not self._show(turn, words=dict(words), rates=self._shape([round(repetition_rate(r), 4) for r in rows]),
                                  ids=self._shape([list(r) for r in rows]), busy=not over):
                    return
                last = time.perf_counter()
            if over:
                return
            logits = lab.model(drawn[:, None].to(lab.device), cache=cache).logits[:, -1]

    def _shape(self, flat: list) -> list[list]:
        return [flat[i:i + self.samples] for i in range(0, len(flat), self.samples)]

    def means(self) -> list[float]:
        """The mean repetition rate at each temperature."""
        return [sum(row) / len(row) for row in self.rates]

    def describe(self) -> str:
        found = ", ".join(f"{t:g}: {mean:.0%}" for t, mean in zip(self.temperatures, self.means()))
        return f"{self.samples} continuations of {self.prompt!r} at each temperature; mean repetition rate {found}."

    def picture(self) -> str:
        rows = "".join(f"<tr><td>{t:g}</td><td class='g2-num'>{mean:.0%}</td><td class='g2-num'>{len(set(map(tuple, some)))}</td>"
                       f"<td>{escape(''.join(self.words[str(i)] for i in some[0][:20]))}</td></tr>"
                       for t, mean, some in zip(self.temperatures, self.means(), self.ids))
        return ("<table class='g2-table'><thead><tr><th>temperature</th><th class='g2-num'>repetition</th><th class='g2-num'>different</th>"
                f"<th>the first sample</th></tr></thead><tbody>{rows}</tbody></table>")


def repetition_rate(ids: Sequence[int], n: int = N) -> float:
    """The share of n-grams that stood in the same text before: 1 - different / all (seq-rep-n of Welleck et al. 2019).

    0 for fewer than n + 1 tokens, which cannot repeat one.
    """
    grams = [tuple(ids[i:i + n]) for i in range(len(ids) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
