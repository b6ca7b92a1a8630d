"""How fast every widget answers a change: the kernel's part, on mini, from the changed input to the last new value sent.

    python benchmarks/widgets.py

The answer should take at most 100 ms; the last column is the share of that which was used (below 1 is in time). Where
playwright and Chromium are installed, a second table has the sliders and menus that the page answers alone.
"""
from __future__ import annotations

import copy
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

import gpt2lab
from gpt2lab.widgets import (
    AttentionDifference,
    AttentionPlayground,
    AttentionViewer,
    BeamTree,
    CompletionBox,
    HeadFinder,
    LogitLens,
    LoraRank,
    ProbabilityBars,
    QuantBins,
    ShotSwapper,
    TemperatureSweep,
    TokenCutsAttention,
    TrainingCurves,
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
    show(rows + later_rows(lab))
    print("No kernel is needed by MergeSlider, BytesOfText, ShapeCalculator, CacheCells, QuantBins, QualitySize, ShotCurve, by the "
          "sliders of ProbabilityBars, TrainingCurves and LoraRank and by dragging in the playground.")
    if in_page := page_rows():
        show(in_page)


def later_rows(lab) -> list[tuple[str, float]]:
    """The widgets of chapters 06 to 08."""
    changed = copy.deepcopy(lab.model)
    with torch.no_grad():
        for weight in changed.parameters():
            weight.add_(0.01 * torch.randn_like(weight))
    curves = TrainingCurves({"step": s, "loss": 1.0, "learning_rate": 1e-4, "grad_norm": 1.0} for s in range(2000))
    curves.wait_ms, curves.bytes_a_second = 0, 10 ** 12                        # every record is sent at once here
    difference, ranks = AttentionDifference.of(lab, TEXTS[0], changed), LoraRank.of(lab, changed)
    shots = ShotSwapper.of(lab, [("vodu", "mek"), ("zuba", "tiron"), ("lepa", "gos"), ("nemi", "fadul")], "lepa", ["mek", "tiron", "gos", "fadul"])

    def another_matrix(i: int) -> None:
        ranks._cards.clear()                               # else the second look costs nothing
        ranks.selected = ranks.names[i % 8]

    def move(i: int) -> None:
        shots._found.clear()
        shots.wish = {"items": [[(i + k) % 4, k] for k in range(4)], "query": "lepa", "key": str(i)}

    return [("TrainingCurves, one more of 2,000 steps", middle_ms(lambda i: curves({"step": 2000 + i, "loss": 1.0}))),
            ("AttentionDifference, new text of about 15 tokens", middle_ms(lambda i: setattr(difference, "text", TEXTS[(i + 1) % 3]))),
            ("LoraRank, another matrix of mini", middle_ms(another_matrix)), ("ShotSwapper, another order of 4 examples", middle_ms(move))]


def page_rows() -> list[tuple[str, float]]:
    """Milliseconds from a moved control to the finished page, the median of nine; [] without a browser."""
    browser = os.environ.get("GPT2LAB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser = None
    if browser is None:
        return []
    torch.manual_seed(0)
    numbers = torch.randn(128, 1024)
    made = {"QuantBins of 131,072 numbers, one scale": QuantBins(numbers), "QuantBins of 131,072 numbers, 4,096 scales": QuantBins(numbers, group_size=32),
            "LoraRank of 768 x 256": LoraRank(torch.randn(768, 256)),
            "TrainingCurves of 10,000 steps": TrainingCurves({"step": s, "loss": 5 - s / 5000, "learning_rate": 1e-4, "grad_norm": 1.0} for s in range(10_000))}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        page = play.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"]).new_page(viewport={"width": 1000, "height": 900})
        rows = []
        for name, widget in made.items():
            path = Path(folder) / "page.html"
            path.write_text(f'<!doctype html><html lang="en"><body>{widget.to_html()}</body></html>', encoding="utf-8")
            page.goto(path.as_uri())
            page.wait_for_function("document.querySelectorAll('.g2-static').length === 0")
            rows += [(f"{name}: {control}", ms) for control, ms in page.evaluate(MOVE)]
    return rows


MOVE = """() => [...document.querySelectorAll('.g2 input[type=range], .g2 select, .g2 button')].filter((n) => n.offsetWidth).map((n) => {
    const times = [], name = n.labels?.length ? n.labels[0].firstChild.textContent.trim() : n.textContent;
    for (let i = 0; i < 9; i++) {
        if (n.type === 'range') n.value = +n.min + (n.max - n.min) * ((0.37 * i + 0.2) % 1);
        else if (n.options) n.selectedIndex = i % n.options.length;
        const start = performance.now();
        n.dispatchEvent(new Event(n.type === 'range' ? 'input' : n.options ? 'change' : 'click'));
        document.body.offsetHeight;                         // lays the page out
        times.push(performance.now() - start);
    }
    return [name, times.sort((a, b) => a - b)[4]];
})"""


def show(rows: list[tuple[str, float]]) -> None:
    print(f"{'change':72}{'ms':>8}{'of 100 ms':>11}")
    for name, ms in rows:
        print(f"{name:72}{ms:8.1f}{ms / BUDGET_MS:11.2f}")


if __name__ == "__main__":
    main()
