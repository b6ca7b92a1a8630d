"""Accuracy against the number of examples in the prompt, with the interval that chance leaves open."""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import traitlets

from gpt2lab.widgets._base import LessonWidget, check_text, escape
from gpt2lab.widgets._chart import svg_chart


class ShotCurve(LessonWidget):
    """One curve or several, a point for each number of shots, a bar for its interval; dashed: what guessing gives.

    points: what `gpt2lab.prompting.icl_curve` returns, or dicts {"shots", "accuracy", "low", "high"} and, if known, "n", the
    number of episodes behind a point; or a dict of names and such lists. chance: the accuracy of guessing.
    """

    scripts = ("chart.js", "shot_curve.js")

    curves = traitlets.List(traitlets.Dict(), help="name, points: shots, accuracy, low, high, n (0: unknown), dropped").tag(sync=True)
    chance = traitlets.Float(-1.0, help="below 0: unknown").tag(sync=True)
    title = traitlets.Unicode("How many examples does it take?").tag(sync=True)
    measure = traitlets.Unicode("accuracy").tag(sync=True)

    def __init__(self, points: Iterable[Any] | Mapping[str, Iterable[Any]], *, chance: float | None = None, title: str | None = None,
                 measure: str = "accuracy") -> None:
        named = dict(points) if isinstance(points, Mapping) and "shots" not in points else {"": points}
        curves = [{"name": check_text(name, "a name"), "points": sorted(map(_point, some), key=lambda p: p["shots"])} for name, some in named.items()]
        if not curves or any(not one["points"] for one in curves):
            raise ValueError("a curve has no points: pass dicts such as {'shots': 4, 'accuracy': 0.8, 'low': 0.7, 'high': 0.9}")
        if chance is not None and not 0 <= chance <= 1:
            raise ValueError(f"chance={chance}: the share of right answers that guessing gives, 0 to 1")
        super().__init__(curves=curves, chance=-1.0 if chance is None else float(chance), measure=measure, **({"title": title} if title else {}))

    def describe(self) -> str:
        told = "; ".join((f"{one['name']}: " if one["name"] else "") + ", ".join(f"{p['accuracy']:.0%} with {p['shots']}" for p in one["points"])
                         for one in self.curves)
        return f"{self.measure.capitalize()} by number of shots: {told}" + (f"; guessing gives {self.chance:.0%}." if self.chance >= 0 else ".")

    def picture(self) -> str:
        series = [{"name": one["name"], "points": [(p["shots"], p["accuracy"]) for p in one["points"]],
                   "low": [p["low"] for p in one["points"]], "high": [p["high"] for p in one["points"]]} for one in self.curves]
        rows = "".join(f"<tr><td>{escape(one['name'])}</td><td class='g2-num'>{p['shots']}</td><td class='g2-num'>{p['accuracy']:.1%}</td>"
                       f"<td class='g2-num'>{p['low']:.1%} to {p['high']:.1%}</td></tr>" for one in self.curves for p in one["points"])
        return (svg_chart(series, "shots", self.measure, self.describe()) + "<table class='g2-table'><thead><tr><th>curve</th><th class='g2-num'>shots</th>"
                f"<th class='g2-num'>{escape(self.measure)}</th><th class='g2-num'>interval</th></tr></thead><tbody>{rows}</tbody></table>")


def _point(point: Any) -> dict[str, Any]:
    values = dict(point) if isinstance(point, Mapping) else point._asdict() if hasattr(point, "_asdict") else None
    if values is None or "shots" not in values or "accuracy" not in values:
        raise TypeError(f"{point!r} is no point: pass dicts such as {{'shots': 4, 'accuracy': 0.8, 'low': 0.7, 'high': 0.9}}")
    shots, accuracy = int(values["shots"]), float(values["accuracy"])
    low, high = (float(accuracy if values.get(key) is None else values[key]) for key in ("low", "high"))
    if not math.isfinite(accuracy) or shots < 0 or not low - 1e-9 <= accuracy <= high + 1e-9:
        raise ValueError(f"shots={shots}, accuracy={accuracy}, low={low}, high={high}: the accuracy lies between low and high, shots are at least 0")
    right = values.get("right")                            # `icl_curve` keeps one truth value an episode
    n = values.get("n") or (len(right) if isinstance(right, (list, tuple)) else 0)
    return {"shots": shots, "accuracy": accuracy, "low": low, "high": high, "n": int(n), "dropped": int(values.get("dropped") or 0)}
