"""One of every widget on the tiny lab, for tests that hold for all of them."""
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch

from gpt2lab.widgets import (
                             AttentionDifference,
                             AttentionPlayground,
                             AttentionViewer,
                             BeamTree,
                             BytesOfText,
                             CacheCells,
                             CompletionBox,
                             HeadFinder,
                             LogitLens,
                             LoraRank,
                             MergeSlider,
                             ProbabilityBars,
                             QualitySize,
                             QuantBins,
                             ShapeCalculator,
                             ShotCurve,
                             ShotSwapper,
                             TemperatureSweep,
                             TokenCutsAttention,
                             TrainingCurves,
                             TypeAndContinue,
                             WeightBrowser,
)

RECORDS = [{"step": 0, "eval_loss": 5.5}, *({"step": s, "loss": 5.5 - 0.1 * s, "learning_rate": 1e-4 * s, "grad_norm": 1 / s} for s in range(1, 9)),
           {"step": 9, "loss": 4.5, "eval_loss": 4.7, "learning_rate": 1e-3, "grad_norm": 0.1, "sample": "a < b & c"}]
ROWS = [{"name": "fp32", "bytes": 4_000_000, "perplexity": 20.0, "kernel": "mm"}, {"name": "int8-weight", "bytes": 1_000_000, "perplexity": 20.1, "kernel": "int8"},
        {"name": "int8-dynamic", "bytes": 1_000_000, "perplexity": 20.5, "kernel": "int8"}, {"name": "int4", "bytes": 600_000, "perplexity": 25.0, "kernel": None}]
POINTS = [{"shots": k, "accuracy": a, "low": a - 0.1, "high": a + 0.1, "n": 100} for k, a in ((0, 0.25), (1, 0.4), (4, 0.8))]
SHOTS = [("the cat", "sat"), ("the other", "gathered"), ("they", "thought")]


def other(lab: Any, noise: float = 0.05) -> Any:
    """The lab's model with noise on the weights of its blocks."""
    model = copy.deepcopy(lab.model)
    torch.manual_seed(1)
    with torch.no_grad():
        for block in model.h:
            for weight in block.parameters():
                weight.add_(noise * torch.randn_like(weight))
    return model


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
    "AttentionDifference": lambda lab, text: AttentionDifference.of(lab, text, {"after": other(lab), "other": other(lab, 0.01)}),
    "ShotSwapper": lambda lab, text: ShotSwapper.of(lab, SHOTS, text, ["sat", "gathered", "thought"], answer=0),
    "TypeAndContinue": lambda lab, text: TypeAndContinue(lab, text, max_new_tokens=6, examples=({"temperature": 1.0},)),
}
ALL_WIDGETS = {**TEXT_WIDGETS, "ShapeCalculator": lambda lab, text: ShapeCalculator("gpt2"),
               "CacheCells": lambda lab, text: CacheCells("mini", prompt=4, new=5),
               "WeightBrowser": lambda lab, text: WeightBrowser(lab.model),
               "TrainingCurves": lambda lab, text: TrainingCurves(RECORDS, max_steps=12, max_grad_norm=0.5, band=[(0, 5, 6), (12, 4, 5)]),
               "LoraRank": lambda lab, text: LoraRank.of(lab, other(lab)),
               "QuantBins": lambda lab, text: QuantBins.of(lab, ["h.0.attn.c_attn.weight", "ln_f.weight"], bits=4, clip=0.8),
               "QualitySize": lambda lab, text: QualitySize(ROWS),
               "ShotCurve": lambda lab, text: ShotCurve({"a": POINTS, "b": POINTS[:2]}, chance=0.25)}
