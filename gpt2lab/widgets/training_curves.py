"""Training as it goes: the loss, the held-out loss, the learning rate and the gradient's length, drawn step by step."""
from __future__ import annotations

import dataclasses
import math
import threading
import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import traitlets

from gpt2lab.widgets._base import LessonWidget, check_text, escape
from gpt2lab.widgets._chart import svg_chart

COLUMNS = ("step", "loss", "eval_loss", "learning_rate", "grad_norm")          # as in Hugging Face's log_history
OTHER_NAMES = {"train_loss": "loss", "val_loss": "eval_loss", "validation_loss": "eval_loss", "lr": "learning_rate",
               "gradient_norm": "grad_norm"}


class TrainingCurves(LessonWidget):
    """Curves that grow while a model trains; afterwards every step can be read, with the text the model wrote then.

    records: dicts (or dataclasses) with "step" and any of "loss", "eval_loss", "learning_rate", "grad_norm" and "sample", a
    text written at that step; `update(record)` adds one, and the widget itself may be passed as a callback. A record whose
    step lies before the last one, as after a resume, takes the place of all from there on. max_steps, max_grad_norm: where
    training ends and where the gradient is clipped; band: (step, low, high) of the loss that is expected.

    `with TrainingCurves(...) as curves:` shows it at once and keeps the final curves in the notebook.
    """

    scripts = ("chart.js", "training_curves.js")
    wait_ms, bytes_a_second = 100, 400_000                 # between two messages to the page, at least

    columns = traitlets.Bytes(help="float32 (5, n): COLUMNS; NaN: not recorded, infinity: not a finite number").tag(sync=True)
    samples = traitlets.List(traitlets.Dict(), help="step, text").tag(sync=True)
    max_steps = traitlets.Int(0, help="0: unknown").tag(sync=True)
    max_grad_norm = traitlets.Float(0.0, help="0: not clipped").tag(sync=True)
    band = traitlets.List(help="(step, low, high) of the expected loss").tag(sync=True)
    title = traitlets.Unicode("Training, step by step").tag(sync=True)
    running = traitlets.Bool(False).tag(sync=True)

    def __init__(self, records: Iterable[Any] = (), *, max_steps: int | None = None, max_grad_norm: float | None = None,
                 band: Sequence[tuple[float, float, float]] = (), title: str | None = None) -> None:
        band = [[float(v) for v in one] for one in band]
        if any(len(one) != 3 or one[1] > one[2] for one in band) or band != sorted(band):
            raise ValueError(f"band={band}: pass (step, low, high), steps rising and low at most high")
        super().__init__(max_steps=int(max_steps or 0), max_grad_norm=float(max_grad_norm or 0), band=band,
                         **({"title": title} if title else {}))
        self._data = {name: array("f") for name in COLUMNS}
        self._texts: list[dict[str, Any]] = []
        self._lock, self._timer, self._sent, self._display = threading.RLock(), None, 0.0, None
        for record in records:
            self._add(record)
        self.flush()

    def update(self, record: Any) -> None:
        """Add what one step recorded; the page hears of it within a fraction of a second."""
        with self._lock:
            self._add(record)
            pause = max(self.wait_ms / 1e3, 20 * len(self._data["step"]) / self.bytes_a_second) - (time.perf_counter() - self._sent)
            if pause <= 0:
                self.flush()
            elif self._timer is None:                      # the last record of a burst must not wait for another
                self._timer = threading.Timer(pause, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def __call__(self, record: Any, *_others: Any, **_more: Any) -> None:
        self.update(record)

    def flush(self) -> None:
        """Send what has been recorded."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            with self.hold_sync():
                self.samples = list(self._texts)
                self.message = self._trouble()
                self.columns = b"".join(self._data[name].tobytes() for name in COLUMNS)
            self._sent = time.perf_counter()

    def __enter__(self) -> Self:
        from IPython import display, get_ipython
        self.running = True
        if get_ipython() is not None:
            self._display = display.display(self, display_id=True)
        return self

    def __exit__(self, *_error: object) -> None:
        self.flush()
        self.running = False
        if self._display is not None:
            self._display.update(self)                     # so that the stored notebook and the book hold the whole curve

    def _add(self, record: Any) -> None:
        values = _as_dict(record)
        if "train_runtime" in values:                      # Hugging Face's closing summary: means over all steps
            return
        if values.get("step") is None:
            raise ValueError(f"the record {values} has no \"step\": pass a dict such as {{'step': 1, 'loss': 5.2}}")
        step, steps = float(values["step"]), self._data["step"]
        while steps and steps[-1] > step:                  # a resumed run repeats what came after its checkpoint
            for column in self._data.values():
                column.pop()
        self._texts = [one for one in self._texts if one["step"] <= step]
        if not steps or steps[-1] < step:
            for column in self._data.values():
                column.append(math.nan)
            steps[-1] = step
        for name, value in values.items():
            name = OTHER_NAMES.get(name, name)
            if name in COLUMNS[1:] and value is not None:
                value = float(value)
                self._data[name][-1] = value if math.isfinite(value) else math.inf
        if values.get("sample") is not None:
            self._texts = [*(one for one in self._texts if one["step"] < step), {"step": step, "text": check_text(values["sample"], "the sample")}]

    def _trouble(self) -> str:
        for name in ("loss", "eval_loss"):                  # a gradient too large for float16 is skipped, no harm done
            for step, value in zip(self._data["step"], self._data[name]):
                if value == math.inf:
                    return f"{name} is NaN or infinite at step {step:,.0f}: from there on the weights are lost; go back to the last checkpoint"
        return ""

    def points(self, name: str) -> list[tuple[float, float]]:
        """(step, value) of everything recorded under a name of COLUMNS."""
        return [(s, v) for s, v in zip(self._data["step"], self._data[name]) if math.isfinite(v)]

    def describe(self) -> str:
        loss, held_out = self.points("loss"), self.points("eval_loss")
        if not loss and not held_out:
            return "Training curves: nothing recorded yet."
        parts = [f"{name} {some[0][1]:.3f} at step {some[0][0]:,.0f} to {some[-1][1]:.3f} at step {some[-1][0]:,.0f}"
                 for name, some in (("loss", loss), ("held-out loss", held_out)) if some]
        best = min(held_out, key=lambda p: p[1]) if held_out else None
        return f"Training curves: {'; '.join(parts)}" + (f", lowest {best[1]:.3f} at step {best[0]:,.0f}." if best else ".")

    def picture(self) -> str:
        series = [{"name": name, "points": self.points(column)} for name, column in (("loss", "loss"), ("held-out loss", "eval_loss"))]
        last = "".join(f"<p>Written at step {one['step']:,.0f}: <q>{escape(one['text'])}</q></p>" for one in self._texts[-1:])
        return svg_chart([one for one in series if one["points"]], "step", "loss", self.describe()) + last


def _as_dict(record: Any) -> dict[str, Any]:
    if isinstance(record, Mapping):
        return dict(record)
    if dataclasses.is_dataclass(record):
        return {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    if hasattr(record, "_asdict"):
        return record._asdict()
    raise TypeError(f"a record is a {type(record).__name__}: pass a dict such as {{'step': 1, 'loss': 5.2}}")
