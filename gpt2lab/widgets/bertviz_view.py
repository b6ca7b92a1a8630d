"""bertviz's head view without its network: the same JavaScript, with the few library calls it makes provided here."""
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from gpt2lab.widgets._attention_data import stack
from gpt2lab.widgets._base import _counter, _read, escape, to_json

LONGEST = 128            # bertviz draws one SVG line for every pair of tokens and every head


def bertviz_head_view(tokens: Sequence[str], attentions: Sequence[Any], layer: int | None = None, heads: Sequence[int] | None = None):
    """bertviz's head view (Vig 2019) of L arrays (H, T, T) over T tokens: an object that shows itself in a cell.

    bertviz makes the page (`html_action="return"`); its script would fetch d3 and jQuery from a network, so it runs with
    `bertviz_runtime.js` instead. ValueError beyond 128 tokens, where its drawing becomes too slow: use AttentionViewer.
    """
    from bertviz import head_view
    from IPython.display import HTML
    if not 1 <= len(tokens) <= LONGEST:
        raise ValueError(f"bertviz draws 1 to {LONGEST} tokens, got {len(tokens):,}: shorten the text, or use AttentionViewer")
    weights = stack(attentions, len(tokens))
    shown = [t.replace(" ", "\u00b7").replace("\n", "\u23ce") for t in tokens]
    page = head_view([(a * 1000).round()[None] / 1000 for a in weights], shown, layer=layer,
                     heads=None if heads is None else list(heads), prettify_tokens=False, html_action="return").data
    return HTML(_without_network(page, shown))


def _without_network(page: str, tokens: list[str]) -> str:
    """Keep bertviz's markup and script; drop its script tags with addresses, and escape the data for a page."""
    key = f"gpt2lab-bertviz-{next(_counter)}"
    script = re.search(r'<script type="text/javascript">(.*)</script>', page, re.DOTALL).group(1)
    body = re.sub(r"<script\b.*?</script>", "", page[:page.index('<script type="text/javascript">')], flags=re.DOTALL)
    uid = re.search(r'id="(bertviz-[0-9a-f]+)"', body).group(1)
    found = re.search(r"const params = (\{.*\}); // HACK", script)
    params = json.loads(found.group(1))
    params["attention"] = [{**part, "attn": _rounded(part["attn"])} for part in params["attention"]]
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
    script, body = script.replace(uid, key), body.replace(uid, key)
    text = f"bertviz head view of {len(tokens)} tokens: {' '.join(tokens)}"
    return (f'<style>{_read("bertviz_view.css")}</style><div class="g2-bertviz" role="group" aria-label="{escape(text[:400])}">'
            f'<p>Point at a token on the left: lines lead to the tokens it looks at. Click a colour to turn a head off or on, '
            f'double-click to see it alone.</p>{body}</div>\n'
            f'<script>(() => {{\n{_read("bertviz_runtime.js")}\n{script}\n}})();</script>')


def _rounded(value: Any) -> Any:
    return [_rounded(v) for v in value] if isinstance(value, list) else round(value, 3)
