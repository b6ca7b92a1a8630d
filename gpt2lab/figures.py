"""Figures that everybody can read: alt text with each one, colour-blind-safe colours, quiet in light and dark."""
from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with every common kind of colour blindness, in an order that starts quietly.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLE = {
    "figure.figsize": (6.4, 3.6), "figure.facecolor": "white", "savefig.facecolor": "white", "figure.dpi": 110,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11, "axes.titlelocation": "left",
    "axes.grid": True, "grid.color": "#e5e5e5", "axes.axisbelow": True, "image.cmap": "cividis", "legend.frameon": False,
    "font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "gpt2lab",
}


class Picture:
    """A figure that displays itself as an image with alt text, in JupyterLab and in the book."""

    def __init__(self, png: bytes, alt: str) -> None:
        self.png, self.alt = png, alt

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode()
        return (f'<img class="gpt2lab-figure" alt="{html.escape(self.alt, quote=True)}" src="data:image/png;base64,{data}" '
                'style="max-width: 100%; background: white; border-radius: 4px">')

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"


def axes(rows: int = 1, columns: int = 1, **keywords):
    """`plt.subplots` in the house's style: returns (figure, axes). Close to paper: white, thin grid, safe colours."""
    import matplotlib.pyplot as plt
    with plt.rc_context({**STYLE, "axes.prop_cycle": plt.cycler(color=COLOURS)}):
        return plt.subplots(rows, columns, layout="constrained", **keywords)


def show(figure: Figure, alt: str) -> Picture:
    """Turn a figure into a picture with alt text and close it. ValueError without alt text: say what the figure shows."""
    if not alt.strip():
        raise ValueError("a figure needs alt text: say in a sentence what one should see in it")
    import matplotlib.pyplot as plt
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return Picture(buffer.getvalue(), alt)
