"""Quality against size: every way of storing a model as a point, and which of them no other beats in both."""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import traitlets

from gpt2lab.widgets._base import LessonWidget, check_text, escape
from gpt2lab.widgets._chart import svg_chart


class QualitySize(LessonWidget):
    """A plot of two measured columns with a table of all; the line joins the rows that no other row beats in both.

    rows: dicts with "name" and numbers, for instance {"name": "int8-weight", "bytes": 6_100_000, "perplexity": 21.4}; every
    column whose values are all numbers can become an axis, other columns stand in the table. Less is better, except in the
    columns that more_is_better names. reference: the row that the others are compared with, by default the first.
    """

    scripts = ("chart.js", "quality_size.js")

    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    numeric = traitlets.List(traitlets.Unicode()).tag(sync=True)
    x = traitlets.Unicode().tag(sync=True)
    y = traitlets.Unicode().tag(sync=True)
    reference = traitlets.Unicode().tag(sync=True)
    more_is_better = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, rows: Iterable[Mapping[str, Any]], *, x: str = "bytes", y: str = "perplexity", reference: str | None = None,
                 more_is_better: Sequence[str] = ("accuracy", "tokens_a_second")) -> None:
        rows = [{key: _plain(value) for key, value in dict(row).items()} for row in rows]
        if not rows:
            raise ValueError("there are no rows: pass dicts such as {'name': 'fp16', 'bytes': 12_000_000, 'perplexity': 20.1}")
        for row in rows:
            row["name"] = check_text(row.get("name"), f"the name of {row}")
        names = [row["name"] for row in rows]
        if len(set(names)) < len(names):
            raise ValueError(f"two rows are called {next(n for n in names if names.count(n) > 1)!r}: give every row its own name")
        numeric = [key for key in rows[0] if key != "name" and all(_is_number(row.get(key)) for row in rows)]
        if missing := [key for key in (x, y) if key not in numeric]:
            raise ValueError(f"not every row has a finite number {missing[0]!r}: columns of numbers are {', '.join(numeric) or 'none'}")
        if reference is not None and reference not in names:
            raise ValueError(f"there is no row {reference!r}: there is {', '.join(names)}")
        super().__init__(rows=rows, numeric=numeric, x=x, y=y, reference=reference or names[0], more_is_better=[*more_is_better])

    def best(self) -> list[str]:
        """The names of the rows that no other beats: none is at least as good in both columns and better in one. By `x`."""
        sign = {name: -1 if name in self.more_is_better else 1 for name in (self.x, self.y)}
        points = sorted(((sign[self.x] * row[self.x], sign[self.y] * row[self.y], row["name"]) for row in self.rows), key=lambda p: p[:2])
        return [name for a, b, name in points if not any((c <= a and d <= b) and (c < a or d < b) for c, d, _ in points)]

    def describe(self) -> str:
        return f"{self.y} against {self.x} of {len(self.rows)} rows; no other row beats {', '.join(self.best())} in both."

    def picture(self) -> str:
        chart = svg_chart([{"name": "rows", "points": [(row[self.x], row[self.y]) for row in self.rows]}], self.x, self.y, self.describe(), line=False)
        head = "".join(f"<th class='g2-num'>{escape(name)}</th>" for name in (self.x, self.y))
        body = "".join(f"<tr><td>{escape(row['name'])}</td><td class='g2-num'>{row[self.x]:,.6g}</td><td class='g2-num'>{row[self.y]:,.6g}</td></tr>"
                       for row in self.rows)
        return f"{chart}<table class='g2-table'><thead><tr><th>name</th>{head}</tr></thead><tbody>{body}</tbody></table>"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _plain(value: Any) -> Any:
    """A number, a truth value or text; a tensor or array of one number becomes that number."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    value = value.item() if hasattr(value, "item") else value
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)
