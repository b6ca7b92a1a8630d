"""What every widget stands on: the live form for JupyterLab, and a form that works without kernel and network.

A widget names its JavaScript in `scripts`. The same text runs in both places: anywidget imports it in JupyterLab; the
`text/html` form holds it inline with the widget's data and `_static_host.js`, which stands in for anywidget's model.
"""
from __future__ import annotations

import base64
import html
import itertools
import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

HERE = Path(__file__).parent
_counter = itertools.count(1)


@cache
def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


class LessonWidget(anywidget.AnyWidget):
    """Base class: subclasses set `scripts` and add synced traits; whatever they sync also travels into the page."""

    scripts: ClassVar[tuple[str, ...]] = ()
    _css = _read("style.css")
    message = traitlets.Unicode("", help="a sentence for the learner when the input cannot be used").tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "scripts" in cls.__dict__:                    # not again for the class that anywidget derives from ours
            cls._esm = "\n".join(_read(name) for name in ("prelude.js", *cls.scripts))
        super().__init_subclass__(**kwargs)

    def describe(self) -> str:
        """One or two sentences that say what the widget shows: the text form, and what stands in a page without scripts."""
        return type(self).__name__

    def picture(self) -> str:
        """Trusted HTML (an SVG or a table, all text escaped) for print and for pages without scripts."""
        return ""

    def page_state(self) -> dict[str, Any]:
        """The synced values that the page form needs; a subclass with large data leaves some out."""
        own = {name: trait for name, trait in self.traits(sync=True).items()
               if isinstance(trait.this_class, type) and issubclass(trait.this_class, LessonWidget)}
        return {name: getattr(self, name) for name in sorted(own) if not name.startswith("_")}

    def to_html(self) -> str:
        """The whole widget as one piece of HTML that needs no kernel, no network and no other file."""
        key = f"gpt2lab-{type(self).__name__}-{next(_counter)}"
        module = "\n".join(_read(name) for name in ("prelude.js", *self.scripts, "_static_host.js"))
        module = module.replace("export default ", "const gpt2labWidget = ", 1)
        picture = f'<div class="g2-static-picture">{self.picture()}</div>'
        return (f'<div class="gpt2lab-host" id="{key}"><style>{self._css}</style>'
                f'<div class="g2 g2-static" role="group" aria-label="{html.escape(type(self).__name__)}">'
                f'<p>{escape(self.describe())}</p>{picture}</div></div>\n'
                f'<script type="application/json" id="{key}-data">{to_json(self.page_state())}</script>\n'
                f'<script type="module">\n{module}\nmountStatic("{key}", gpt2labWidget);\n</script>')

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        data = {**data, "text/plain": self.describe(), "text/html": self.to_html()}
        return data, metadata


def escape(text: str) -> str:
    """Text for the inside of HTML; a lone surrogate, which no page can hold, becomes U+FFFD."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))


def to_json(value: Any) -> str:
    """JSON that may stand inside a script element: ASCII only, and no character that could end the element."""
    text = json.dumps(value, default=_encode_bytes, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _encode_bytes(value: Any) -> dict[str, str]:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"deflate64": base64.b64encode(zlib.compress(bytes(value), 6)).decode("ascii")}
    raise TypeError(f"{type(value).__name__} cannot travel into a page")


def check_text(text: Any, name: str = "text") -> str:
    """The text itself if it can be shown, else a TypeError or ValueError that says what is wrong with it."""
    if not isinstance(text, str):
        raise TypeError(f"{name} is a {type(text).__name__}: pass a str")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds {text[error.start]!r} at index {error.start}, half of a surrogate pair: "
                         "repair it with text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')") from None
    return text


def token_texts(tokenizer: Any, ids: list[int]) -> list[str]:
    """Each token as text of its own; bytes that are no whole character show as hex, for instance ⟨F0 9F⟩."""
    return [bytes_as_text(tokenizer.decode_bytes([i])) for i in ids]


def bytes_as_text(raw: bytes) -> str:
    """UTF-8 text where the bytes are whole characters, else their hex between angle brackets."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "\u27e8" + raw.hex(" ").upper() + "\u27e9"
