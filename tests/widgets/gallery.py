"""One of every widget on the tiny lab, for tests that hold for all of them."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpt2lab.widgets import (
                             AttentionPlayground,
                             AttentionViewer,
                             BytesOfText,
                             CompletionBox,
                             HeadFinder,
                             LogitLens,
                             MergeSlider,
                             ShapeCalculator,
                             TokenCutsAttention,
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
}
ALL_WIDGETS = {**TEXT_WIDGETS, "ShapeCalculator": lambda lab, text: ShapeCalculator("gpt2")}
