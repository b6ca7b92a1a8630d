"""How fast every widget answers a change: the kernel's part, on mini, from the changed input to the last new value sent.

    python benchmarks/widgets.py

The answer should take at most 100 ms; the last column is the share of that which was used (below 1 is in time).
"""
from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import gpt2lab
from gpt2lab.widgets import (
    AttentionPlayground,
    AttentionViewer,
    BeamTree,
    CompletionBox,
    HeadFinder,
    LogitLens,
    ProbabilityBars,
    TemperatureSweep,
    TokenCutsAttention,
    TypeAndContinue,
    WeightBrowser,
)

BUDGET_MS = 100.0
TEXTS = ["The first argument is the name of the file to open.", "A list holds values in order, and a dict maps keys to values.",
         "If the argument is missing, the default value is used instead of it."]


def middle_ms(change: Callable[[int], None], repeats: int = 15) -> float:
    """Median time of `change(i)` in milliseconds, after one round to warm up."""
    times = []
    for i in range(repeats + 1):
        start = time.perf_counter()
        change(i)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def first_answer_ms(widget, has_answered: Callable[[], bool]) -> float:
    """From a new prompt to the first token on the page; the others follow one by one."""
    times = []
    for i in range(8):
        widget.prompt = TEXTS[i % len(TEXTS)]
        widget.ids = widget.tokens = []
        start = time.perf_counter()
        widget.run += 1
        while not has_answered() and time.perf_counter() < start + 5:
            time.sleep(0.0005)
        times.append(1e3 * (time.perf_counter() - start))
        widget.wait()
    return statistics.median(times[1:])


def main() -> None:
    lab = gpt2lab.open_lab()
    box, on = CompletionBox(lab, max_new_tokens=20), TypeAndContinue(lab, max_new_tokens=20, examples=())
    sweep = TemperatureSweep.of(lab, max_new_tokens=20)
    rows = [("CompletionBox, first token of a new prompt", first_answer_ms(box, lambda: len(box.tokens) > box.n_prompt > 0)),
            ("TypeAndContinue, first token of a new prompt", first_answer_ms(on, lambda: len(on.tokens) > 0)),
            ("TemperatureSweep, first tokens of 6 x 20 samples", first_answer_ms(sweep, lambda: len(sweep.ids) > 0))]
    for make in (AttentionPlayground, LogitLens, TokenCutsAttention, HeadFinder, AttentionViewer.of):
        widget = make(lab, TEXTS[0])
        name = type(widget).__name__

        def new_text(i: int, widget=widget) -> None:
            widget.text = TEXTS[i % len(TEXTS)] if widget.text != TEXTS[i % len(TEXTS)] else TEXTS[(i + 1) % len(TEXTS)]

        rows.append((f"{name}, new text of about 15 tokens", middle_ms(new_text)))
    bars, tree, browser = ProbabilityBars.of(lab), BeamTree.of(lab), WeightBrowser()
    rows.append(("ProbabilityBars, new prompt", middle_ms(lambda i: setattr(bars, "prompt", TEXTS[i % len(TEXTS)]))))
    rows.append(("BeamTree, new number of beams, 8 steps", middle_ms(lambda i: setattr(tree, "num_beams", 3 + i % 3))))
    large = [row["name"] for row in sorted(browser.tensors, key=lambda row: -row["end"] + row["begin"])[:3]]
    rows.append(("WeightBrowser, another of the largest tensors", middle_ms(lambda i: setattr(browser, "selected", large[i % 3]))))
    finder = HeadFinder(lab)
    rows.append(("HeadFinder, 25 other random tokens twice", middle_ms(lambda i: setattr(finder, "seed", i + 1))))
    viewer = AttentionViewer.of(lab, " ".join(TEXTS * 8))
    viewer.send = lambda *args, **kwargs: None
    size = len(viewer.tokens)
    rows.append((f"AttentionViewer, another head of {size} tokens",
                 middle_ms(lambda i: viewer._answer(viewer, {"want": "head", "model": 0, "layer": i % 6, "head": i % 8}, []))))
    print(f"{'change':58}{'ms':>8}{'of 100 ms':>11}")
    for name, ms in rows:
        print(f"{name:58}{ms:8.1f}{ms / BUDGET_MS:11.2f}")
    print("No kernel is needed by MergeSlider, BytesOfText, ShapeCalculator, CacheCells, by the sliders of ProbabilityBars "
          "and by dragging in the playground.")


if __name__ == "__main__":
    main()
