"""From characters to bytes: code points and their UTF-8 bytes, bit by bit."""
from __future__ import annotations

import traitlets

from gpt2lab.widgets._base import LessonWidget, check_text, escape


class BytesOfText(LessonWidget):
    """Type anything and see its code points and UTF-8 bytes; everything is computed in the page, kernel or not."""

    scripts = ("bytes_of_text.js",)
    text = traitlets.Unicode().tag(sync=True)

    def __init__(self, text: str = "A\u00e9\u20ac\U0001f44b\U0001f3fd") -> None:
        super().__init__(text=check_text(text))

    def describe(self) -> str:
        return f"{self.text!r}: {len(self.text)} code points, {len(self.text.encode('utf-8', 'replace'))} UTF-8 bytes."

    def picture(self) -> str:
        rows = "".join(f"<tr><td>{escape(c)}</td><td>U+{ord(c):04X}</td><td><code>{c.encode('utf-8').hex(' ').upper()}</code></td></tr>"
                       for c in self.text[:40])
        return ('<table class="g2-table"><thead><tr><th>character</th><th>code point</th><th>UTF-8 bytes</th></tr></thead>'
                f"<tbody>{rows}</tbody></table>")
