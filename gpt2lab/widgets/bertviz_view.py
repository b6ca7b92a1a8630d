"""bertviz's head view and model view without their network: the same JavaScript, the few library calls it makes provided here."""
from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from gpt2lab.widgets._attention_data import stack
from gpt2lab.widgets._base import _counter, _read, escape, to_json

LONGEST = 128            # bertviz draws one SVG line for every pair of tokens and every head
MOST_LINES = 60_000


def bertviz_head_view(tokens: Sequence[str], attentions: Sequence[Any], layer: int | None = None, heads: Sequence[int] | None = None):
    """bertviz's head view (Vig 2019) of L arrays (H, T, T) over T tokens: an object that shows itself in a cell.

    bertviz makes the page (`html_action="return"`); its script would fetch d3 and jQuery from a network, so it runs with
    `bertviz_runtime.js` instead. ValueError beyond 128 tokens, where its drawing becomes too slow: use AttentionViewer.
    """
    from bertviz import head_view
    from IPython.display import HTML
    if not 1 <= len(tokens) <= LONGEST:
        raise ValueError(f"bertviz draws 1 to {LONGEST} tokens, got {len(tokens):,}: shorten the text, or use AttentionViewer")
    weights, shown = stack(attentions, len(tokens)), _marked(tokens)
    page = head_view([(a * 1000).round()[None] / 1000 for a in weights], shown, layer=layer,
                     heads=None if heads is None else list(heads), prettify_tokens=False, html_action="return").data
    return HTML(_without_network(page, f"bertviz head view of {len(shown)} tokens: {' '.join(shown)}",
                                 "Point at a token on the left: lines lead to the tokens it looks at. Click a colour to turn a head "
                                 "off or on, double-click to see it alone.", _rounded))


def bertviz_model_view(tokens: Sequence[str], attentions: Sequence[Any], layers: Sequence[int] | None = None,
                       heads: Sequence[int] | None = None):
    """bertviz's model view (Vig 2019) of L arrays (H, T, T) over T tokens: every head of every layer at a glance.

    Lines run only to what a token may look at, itself and those before it. layers, heads: which to show, by default all.
    ValueError beyond 60,000 lines, where a page becomes slow: show fewer tokens, layers or heads, or use AttentionViewer.
    """
    from bertviz import model_view
    from IPython.display import HTML
    if not len(tokens):
        raise ValueError("there are no tokens: pass at least one")
    weights, shown, T = stack(attentions, len(tokens)), _marked(tokens), len(tokens)
    L, H = (len(range(size) if some is None else some) for size, some in zip(weights.shape, (layers, heads)))
    if (lines := L * H * T * (T + 1) // 2) > MOST_LINES:
        raise ValueError(f"{L} layers, {H} heads and {T} tokens are {lines:,} lines, this view draws {MOST_LINES:,}: shorten the "
                         "text, choose layers or heads, or use AttentionViewer")
    page = model_view([(a * 1000).round()[None] / 1000 for a in weights], shown, prettify_tokens=False, display_mode="light",
                      include_layers=None if layers is None else list(layers), include_heads=None if heads is None else list(heads),
                      html_action="return").data
    return HTML(_without_network(page, f"bertviz model view of {T} tokens, {L} layers by {H} heads: {' '.join(shown)}",
                                 "Rows are layers, columns heads; each picture joins tokens on the left to those they look at. Choose "
                                 "one, with the mouse or with Tab and Enter, to see it large; choose it again to close it.", _seen))


def _marked(tokens: Sequence[str]) -> list[str]:
    return [t.replace(" ", "\u00b7").replace("\n", "\u23ce") for t in tokens]


def _without_network(page: str, text: str, help_: str, trim: Callable[[Any], Any]) -> str:
    """Keep bertviz's markup and script; drop its script tags with addresses, and trim and escape the data for a page."""
    key = f"gpt2lab-bertviz-{next(_counter)}"
    script = re.search(r'<script type="text/javascript">(.*)</script>', page, re.DOTALL).group(1)
    body = re.sub(r"<script\b.*?</script>", "", page[:page.index('<script type="text/javascript">')], flags=re.DOTALL)
    uid = re.search(r'id="(bertviz-[0-9a-f]+)"', body).group(1)
    found = re.search(r"const params = (\{.*\}); // HACK", script)
    params = json.loads(found.group(1))
    params["attention"] = [{**part, "attn": trim(part["attn"])} for part in params["attention"]]
    rest = script[script.index("\n", found.end(1)):]                       # after a comment that repeats the data unescaped
    script = script[:found.start(1)] + to_json(params) + ";" + rest
    script = re.sub(r"\s*console\.log\([^)\n]*\);?", "", script)
    script = re.sub(r"require\.config\(\{.*?\n\}\);", "", script, flags=re.DOTALL)          # the addresses of d3 and jQuery
    body = body.replace("Layer: <select", f'<label for="{key}-layer">Layer: </label><select')
    for name in ("layer", "vis", "left", "right", "attention"):             # several views may stand on one page
        body = re.sub(rf'id=(["\'])({name})\1', rf'id="{key}-{name}"', body)
        script = script.replace(f'#{name}`', f'#{key}-{name}`').replace(f'"#{name}"', f'"#{key}-{name}"').replace(f'"id", "{name}"', f'"id", "{key}-{name}"')
    script = script.replace('isLeft ? "left" : "right")', f'isLeft ? "{key}-left" : "{key}-right")')
    script = script.replace('svg.select("#" + id)', f'svg.select("#{key}-" + id)')
    script = script.replace("DIV_WIDTH = 970", "DIV_WIDTH = 940")           # what our frame leaves
    script = script.replace("'attn_background_' + layerIndex + \"_\" + headIndex",
                            f"'{key}-background-' + config.layers[layerIndex] + '_' + config.heads[headIndex]")
    for colour, ours in (("'black'", "currentColor"), ("'white'", "var(--g2-bertviz-card)"), ("'#F5F5F5'", "var(--g2-bertviz-well)")):
        script = script.replace(f": {colour}", f": '{ours}'", 1)           # the model view's light palette, which then follows the page
    script, body = script.replace(uid, key), body.replace(uid, key)
    return (f'<style>{_read("bertviz_view.css")}</style><div class="g2-bertviz" role="group" tabindex="0" aria-label="{escape(text[:400])}">'
            f'<p>{help_}</p>{body}</div>\n<script>(() => {{\n{_read("bertviz_runtime.js")}\n{script}\nnameHeads("{key}");\n}})();</script>')


def _seen(layers: list) -> list:
    """L x H x T x T, every row only as far as its own token: the future has weight 0."""
    return [[[_rounded(row[:i + 1]) for i, row in enumerate(head)] for head in layer] for layer in layers]


def _rounded(value: Any) -> Any:
    return [_rounded(v) for v in value] if isinstance(value, list) else round(value, 3)
