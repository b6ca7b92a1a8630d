"""Type a prompt, watch the model continue it, and see where it looked for every token it wrote."""
from __future__ import annotations

from typing import Any

import torch
import traitlets

from gpt2lab.widgets._attention_data import to_uint8
from gpt2lab.widgets._base import check_text, escape, token_texts
from gpt2lab.widgets._writing import WritingWidget


class CompletionBox(WritingWidget):
    """A prompt box: tokens appear as the model writes them; choose one to see where the model looked while writing it.

    lab: an opened lab. The weights shown are averaged over the heads of a layer, from the last position before the
    token, the one that predicted it. In the page form the continuation of `prompt` and of `examples` is kept.
    """

    scripts = ("completion_box.js",)

    prompt = traitlets.Unicode().tag(sync=True)
    max_new_tokens = traitlets.Int(40).tag(sync=True)
    temperature = traitlets.Float(0.0).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode(), help="prompt and continuation so far").tag(sync=True)
    n_prompt = traitlets.Int(0).tag(sync=True)
    chances = traitlets.List(traitlets.Float(), help="probability the model gave each written token").tag(sync=True)
    layers = traitlets.Int().tag(sync=True)
    rows = traitlets.Bytes(help="layers x written tokens x all tokens, one byte a weight").tag(sync=True)
    model_name = traitlets.Unicode().tag(sync=True)
    examples = traitlets.List(traitlets.Dict(), help="finished runs for other prompts").tag(sync=True)

    def __init__(self, lab: Any, prompt: str = "The ", max_new_tokens: int = 40, temperature: float = 0.0, seed: int = 0,
                 examples: tuple[str, ...] = ()) -> None:
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={max_new_tokens}: ask for at least 1")
        if temperature < 0:
            raise ValueError(f"temperature={temperature}: it is 0 for the likeliest token, or positive")
        super().__init__(prompt=check_text(prompt, "prompt"), max_new_tokens=max_new_tokens, temperature=temperature,
                         seed=seed, layers=lab.model.config.n_layer, model_name=lab.model_name)
        self._lab = lab
        for other in examples:
            self.prompt = check_text(other, "an example")
            self._write(self._turn)
            self.examples = [*self.examples, self._result()]
        self.prompt = prompt
        self._write(self._turn)

    def _result(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("prompt", "tokens", "n_prompt", "chances", "rows")}

    def _write(self, turn: int) -> None:
        lab, written = self._lab, []
        try:
            prompt_ids = lab.encode(check_text(self.prompt, "the prompt"))[0].tolist()
            texts = token_texts(lab.tokenizer, prompt_ids)
            if not self._show(turn, tokens=list(texts), n_prompt=len(texts), chances=[], rows=b"", message="", busy=True):
                return
            room = max(0, lab.model.config.n_positions - len(prompt_ids))      # what is drawn afterwards needs one pass over all
            for token in lab.stream(self.prompt, min(self.max_new_tokens, room), self.temperature, seed=self.seed):
                written.append(int(token))
                texts += token_texts(lab.tokenizer, [int(token)])
                if not self._show(turn, tokens=list(texts)):
                    return
            self._show(turn, busy=False, **self._look(prompt_ids, written))
        except (ValueError, RuntimeError) as error:
            self._show(turn, busy=False, message=str(error))

    @torch.inference_mode()
    def _look(self, prompt_ids: list[int], written: list[int]) -> dict[str, Any]:
        """One more pass over everything: what each written token's predictor looked at, and how likely it thought it."""
        if not written:
            full = len(prompt_ids) >= self._lab.model.config.n_positions
            return {"message": "The model has no position left for another token: shorten the prompt." if full
                    else "The model's first token was the end of the text. Try another prompt."}
        ids = torch.tensor([prompt_ids + written], device=self._lab.device)
        out = self._lab.model(ids, output_attentions=True)
        start, end = len(prompt_ids) - 1, ids.shape[1] - 1             # position p predicts token p + 1
        rows = torch.stack([a[0, :, start:end].float().mean(0) for a in out.attentions]).cpu()      # (L, G, T)
        likely = out.logits[0, start:end].float().softmax(-1).cpu()
        return {"chances": [round(float(likely[g, token]), 6) for g, token in enumerate(written)], "rows": to_uint8(rows).tobytes()}

    def describe(self) -> str:
        return f"{self.model_name} continues a prompt: {''.join(self.tokens[:self.n_prompt])!r} -> {''.join(self.tokens[self.n_prompt:])!r}"

    def picture(self) -> str:
        return (f"<p>{escape(''.join(self.tokens[:self.n_prompt]))}"
                f"<strong>{escape(''.join(self.tokens[self.n_prompt:]))}</strong></p>")
