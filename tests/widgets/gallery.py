"""One of every widget on the tiny lab, for tests that hold for all of them."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpt2lab.widgets import (
                             AttentionPlayground,
                             AttentionViewer,
                             BeamTree,
                             BytesOfText,
                             CacheCells,
                             CompletionBox,
                             HeadFinder,
                             LogitLens,
                             MergeSlider,
                             ProbabilityBars,
                             ShapeCalculator,
                             TemperatureSweep,
                             TokenCutsAttention,
                             TypeAndContinue,
                             WeightBrowser,
)

HOSTILE = "the cat </script><script>window.hacked = 1</script><img src=x onerror='window.hacked=1'> &amp; \u202e \U0001f44b"

# name -> made from a lab and a text
TEXT_WIDGETS: dict[str, Callable[[Any, str], Any]] = {
    "CompletionBox": lambda lab, text: CompletionBox(lab, text, max_new_tokens=8),
    "MergeSlider": lambda lab, text: MergeSlider(lab.tokenizer, text),
    "BytesOfText": lambda lab, text: BytesOfText(text),
    "TokenCutsAttention": lambda lab, text: TokenCutsAttention(lab, text, tokenizer_b=None),
    "AttentionPlayground": lambda lab, text: AttentionPlayground(lab, text, layer=1, head=2),
    "AttentionViewer": lambda lab, text: AttentionViewer.of(lab, text),
    "HeadFinder": lambda lab, text: HeadFinder(lab, text[:24], length=8),
    "LogitLens": lambda lab, text: LogitLens(lab, text),
    "ProbabilityBars": lambda lab, text: ProbabilityBars.of(lab, text, temperature=0.7, top_k=40, top_p=0.8, repetition_penalty=1.3),
    "TemperatureSweep": lambda lab, text: TemperatureSweep.of(lab, text, temperatures=(0, 1), samples=3, max_new_tokens=8),
    "BeamTree": lambda lab, text: BeamTree.of(lab, text, num_beams=3, max_new_tokens=4),
    "TypeAndContinue": lambda lab, text: TypeAndContinue(lab, text, max_new_tokens=6, examples=({"temperature": 1.0},)),
}
ALL_WIDGETS = {**TEXT_WIDGETS, "ShapeCalculator": lambda lab, text: ShapeCalculator("gpt2"),
               "CacheCells": lambda lab, text: CacheCells("mini", prompt=4, new=5),
               "WeightBrowser": lambda lab, text: WeightBrowser(lab.model)}
