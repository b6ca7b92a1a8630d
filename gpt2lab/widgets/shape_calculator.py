"""Every tensor of a GPT-2: its shape, its parameters, its bytes; and what a batch adds."""
from __future__ import annotations

from typing import Any, NamedTuple

import traitlets

from gpt2lab.decoder import SIZES, GPT2Config
from gpt2lab.widgets._base import LessonWidget, escape

FIELDS = ("n_layer", "n_head", "n_embd", "n_positions", "vocab_size")


class Tensor(NamedTuple):
    """A learned tensor: how often it stands in the model, and the shape of one."""
    name: str
    times: int
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        count = self.times
        for n in self.shape:
            count *= n
        return count


class ShapeCalculator(LessonWidget):
    """Change a size and watch shapes, parameters, memory and work follow; computed in the page, kernel or not.

    config: a published size's name, "mini", or a `GPT2Config`.
    """

    scripts = ("shape_calculator.js",)
    config = traitlets.Dict().tag(sync=True)
    sizes = traitlets.Dict(help="name -> the five numbers").tag(sync=True)
    batch = traitlets.Int(1).tag(sync=True)
    length = traitlets.Int(128).tag(sync=True)
    width = traitlets.Int(4, help="bytes of a number").tag(sync=True)

    def __init__(self, config: str | GPT2Config = "gpt2", batch: int = 1, length: int = 128) -> None:
        chosen = GPT2Config.named(config) if isinstance(config, str) else config
        if batch < 1 or not 1 <= length <= chosen.n_positions:
            raise ValueError(f"batch={batch}, length={length}: batch is at least 1, length 1 to {chosen.n_positions:,}")
        super().__init__(config=five(chosen), sizes={name: five(GPT2Config.named(name)) for name in SIZES}, batch=batch, length=length)

    def rows(self) -> list[Tensor]:
        """The learned tensors in the order of the model, each kind once."""
        layers, _heads, C, positions, vocab = (self.config[f] for f in FIELDS)
        return [Tensor("wte.weight", 1, (vocab, C)), Tensor("wpe.weight", 1, (positions, C)),
                Tensor("ln_1.weight, ln_1.bias", 2 * layers, (C,)),
                Tensor("attn.c_attn.weight", layers, (3 * C, C)), Tensor("attn.c_attn.bias", layers, (3 * C,)),
                Tensor("attn.c_proj.weight", layers, (C, C)), Tensor("attn.c_proj.bias", layers, (C,)),
                Tensor("ln_2.weight, ln_2.bias", 2 * layers, (C,)),
                Tensor("mlp.c_fc.weight", layers, (4 * C, C)), Tensor("mlp.c_fc.bias", layers, (4 * C,)),
                Tensor("mlp.c_proj.weight", layers, (C, 4 * C)), Tensor("mlp.c_proj.bias", layers, (C,)),
                Tensor("ln_f.weight, ln_f.bias", 2, (C,))]

    def total(self) -> int:
        """Parameters of the whole model; the head is `wte` again and adds none."""
        return sum(row.parameters for row in self.rows())

    def describe(self) -> str:
        sizes = ", ".join(f"{k}={v:,}" for k, v in self.config.items())
        return f"A GPT-2 with {sizes}: {self.total():,} parameters."

    def picture(self) -> str:
        body = "".join(f"<tr><td><code>{escape(r.name)}</code></td><td>{r.times}</td><td>{escape(str(r.shape))}</td>"
                       f"<td class='g2-num'>{r.parameters:,}</td></tr>" for r in self.rows())
        return ("<table class='g2-table'><thead><tr><th>tensor</th><th>times</th><th>shape</th><th class='g2-num'>parameters</th>"
                f"</tr></thead><tbody>{body}<tr><th>all</th><td></td><td></td><td class='g2-num'>{self.total():,}</td></tr></tbody></table>")


def five(config: GPT2Config) -> dict[str, Any]:
    """The five numbers that a page needs to know a model by, in the order of `FIELDS`."""
    return {name: getattr(config, name) for name in FIELDS}
