"""What generating costs with a KV cache and without: which attention cells each step computes, and how often."""
from __future__ import annotations

from typing import NamedTuple

import traitlets

from gpt2lab.decoder import SIZES, GPT2Config
from gpt2lab.widgets._base import LessonWidget, escape
from gpt2lab.widgets.shape_calculator import five


class Cost(NamedTuple):
    """What one way of generating computes: rows through every block, attention cells of one head, operations in all."""
    rows: int
    cells: int
    operations: int


class CacheCells(LessonWidget):
    """Two tables of queries and keys side by side, step by step; computed in the page, kernel or not.

    config: a published size's name, "mini", or a `GPT2Config`. prompt, new: tokens of the prompt and tokens to write;
    together at most the model's positions.
    """

    scripts = ("cache_cells.js",)
    config = traitlets.Dict().tag(sync=True)
    sizes = traitlets.Dict(help="name -> the five numbers").tag(sync=True)
    prompt = traitlets.Int(6).tag(sync=True)
    new = traitlets.Int(10).tag(sync=True)
    step = traitlets.Int(1, help="forward passes done, 1 to new").tag(sync=True)

    def __init__(self, config: str | GPT2Config = "gpt2", prompt: int = 6, new: int = 10) -> None:
        chosen = GPT2Config.named(config) if isinstance(config, str) else config
        if prompt < 1 or new < 1 or prompt + new > chosen.n_positions:
            raise ValueError(f"prompt={prompt}, new={new}: each is at least 1, together at most the model's "
                             f"{chosen.n_positions:,} positions")
        super().__init__(config=five(chosen), sizes={name: five(GPT2Config.named(name)) for name in SIZES}, prompt=prompt, new=new, step=new)

    def cost(self, cache: bool) -> Cost:
        """All `new` forward passes together. Pass t has prompt + t - 1 tokens; with a cache only the last is new, after the first."""
        lengths = range(self.prompt, self.prompt + self.new)               # tokens each pass sees; it writes one more
        rows = [n if n == self.prompt or not cache else 1 for n in lengths]
        cells = sum(row_cells(n, r) for n, r in zip(lengths, rows))
        layers, _heads, channels, _positions, vocab = self.config.values()
        operations = sum(rows) * 24 * layers * channels ** 2 + cells * 4 * layers * channels + self.new * 2 * vocab * channels
        return Cost(sum(rows), cells, operations)

    def describe(self) -> str:
        without, with_cache = self.cost(False), self.cost(True)
        return (f"Writing {self.new} tokens after a prompt of {self.prompt}: every head computes {without.cells:,} attention cells "
                f"without a cache, {with_cache.cells:,} with one.")

    def picture(self) -> str:
        body = "".join(f"<tr><td>{escape(name)}</td>" + "".join(f"<td class='g2-num'>{n:,}</td>" for n in self.cost(cache)) + "</tr>"
                       for name, cache in (("without a cache", False), ("with a cache", True)))
        return ("<table class='g2-table'><thead><tr><th></th><th class='g2-num'>token rows through every block</th>"
                "<th class='g2-num'>attention cells of a head</th><th class='g2-num'>operations</th></tr></thead>"
                f"<tbody>{body}</tbody></table>")


def row_cells(length: int, rows: int) -> int:
    """Cells under the causal mask in the last `rows` of `length` queries: each query with itself and every key before it."""
    return rows * (2 * length - rows + 1) // 2

