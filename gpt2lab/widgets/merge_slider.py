"""A slider over the merges of a tokenizer: watch a text fuse from bytes to tokens, one learned merge at a time."""
from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from gpt2lab.widgets._base import LessonWidget, bytes_as_text, check_text, escape


class MergeSlider(LessonWidget):
    """How the text is cut after the first k merges, for every k; all of it is computed in the page, kernel or not.

    tokenizer: anything with `.merges`, a list of (bytes, bytes) in the order they were learned.
    """

    scripts = ("merge_slider.js",)
    text = traitlets.Unicode().tag(sync=True)
    merges = traitlets.Bytes(help="uint32 triples: left, right, result; 0-255 are bytes, 256 + r is merge r").tag(sync=True)
    count = traitlets.Int(help="how many merges are applied now").tag(sync=True)

    def __init__(self, tokenizer: Any, text: str = "the theory of the other thing: they gather there", count: int | None = None) -> None:
        pairs = list(tokenizer.merges)
        if not pairs:
            raise ValueError("the tokenizer has no merges: train it with a vocab_size above 256 plus its special tokens")
        if count is not None and not 0 <= count <= len(pairs):
            raise ValueError(f"count={count}: this tokenizer has {len(pairs):,} merges, so it is 0 to {len(pairs):,}")
        self._pairs = pairs
        super().__init__(text=check_text(text), merges=merge_table(pairs), count=len(pairs) if count is None else count)

    def cut(self) -> list[bytes]:
        """The tokens of `text` after the first `count` merges (the picture and the tests use this; the page has its own)."""
        from gpt2lab.tokenizer import merge_by_rank, pretokenize
        ranks = {pair: rank for rank, pair in enumerate(self._pairs[:self.count])}
        return [token for piece in pretokenize(self.text) for token in merge_by_rank(piece.encode("utf-8"), ranks)]

    def describe(self) -> str:
        return f"{self.text!r} after {self.count:,} of {len(self._pairs):,} merges: {len(self.cut()):,} tokens."

    def picture(self) -> str:
        chips = "".join(f'<span class="g2-token g2-c{i % 4}">{escape(bytes_as_text(t))}</span>' for i, t in enumerate(self.cut()[:300]))
        return f'<div class="g2-tokens">{chips}</div>'


def merge_table(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """Merges as little-endian uint32 triples; ValueError for a merge of something that no earlier merge made."""
    symbols = {bytes([b]): b for b in range(256)}
    table = np.empty((len(pairs), 3), dtype="<u4")
    for rank, (left, right) in enumerate(pairs):
        if left not in symbols or right not in symbols:
            raise ValueError(f"merge {rank} joins {left!r} and {right!r}, but no earlier merge made "
                             f"{left if left not in symbols else right!r}: is the list in the order of training?")
        table[rank] = symbols[left], symbols[right], symbols.setdefault(left + right, 256 + rank)
    return table.tobytes()
