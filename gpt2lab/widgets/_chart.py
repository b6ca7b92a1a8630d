"""The still picture of a chart: what print and pages without scripts show in place of the drawing in JavaScript."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpt2lab.widgets._base import escape

COLOURS = ("#2f7fc1", "#c96a12", "#2a9d6f", "#a35bb0")     # seen on light and on dark ground
DASHES = ("", "7 3", "2 3", "9 3 2 3")
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 560, 260, 62, 24, 44


def svg_chart(series: Sequence[dict[str, Any]], x: str, y: str, title: str, *, log_x: bool = False, line: bool = True) -> str:
    """An SVG of curves or points.

    series: dicts with "name" and "points" [(x, y), ...], and optionally "low" and "high", the ends of each point's interval.
    """
    rows = [(sx, v) for one in series for i, (sx, sy) in enumerate(one["points"])
            for v in (sy, *(one[k][i] for k in ("low", "high") if one.get(k))) if math.isfinite(v) and math.isfinite(sx)]
    if not rows:
        return f"<p>{escape(title)}: no numbers yet.</p>"
    at = math.log10 if log_x else float
    left, right = (f(at(r[0]) for r in rows) for f in (min, max))
    low, high = (f(r[1] for r in rows) for f in (min, max))
    wide, tall = right - left or 1.0, high - low or 1.0
    px = lambda v: LEFT + 10 + (WIDTH - LEFT - 30) * (at(v) - left) / wide
    py = lambda v: HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM - 8) * (v - low) / tall
    parts = [_text(4, 14, y), _text((LEFT + WIDTH) / 2, HEIGHT - 6, x, "middle"),
             f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM + 6}H{WIDTH - 10}" fill="none" stroke="currentColor" stroke-width="1"/>']
    parts += [_text(LEFT - 6, py(v) + 4, f"{v:.3g}", "end") for v in sorted({low, low + tall / 2, high})]
    parts += [_text(px(v), HEIGHT - BOTTOM + 22, f"{v:.3g}", "middle")
              for v in sorted({10 ** left if log_x else left, 10 ** right if log_x else right})]
    for i, one in enumerate(series):
        colour, points = COLOURS[i % 4], [(px(a), py(b), j) for j, (a, b) in enumerate(one["points"]) if math.isfinite(b)]
        if line and points:
            path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b, _ in points)
            parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{DASHES[i % 4]}"/>')
        if len(points) <= 40:
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/>' for a, b, _ in points]
        if one.get("low"):
            parts += [f'<path d="M{a:.1f} {py(one["low"][j]):.1f}V{py(one["high"][j]):.1f}" stroke="{colour}" stroke-width="2"/>'
                      for a, _, j in points]
        if len(series) > 1:
            parts.append(_text(WIDTH - 12, TOP + 4 + 15 * i, one["name"], "end", colour))
    return (f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>')


def _text(x: float, y: float, text: str, anchor: str = "start", fill: str = "currentColor") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>'
