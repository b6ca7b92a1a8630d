"""What lies in the built folder: every link leads somewhere, nothing is fetched from elsewhere, no answer has slipped in."""
from __future__ import annotations

import html
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from .conftest import COURSE, pages

LOADS = {"script": ("src",), "link": ("href",), "img": ("src", "srcset"), "iframe": ("src",), "source": ("src", "srcset"), "video": ("src",), "audio": ("src",),
         "object": ("data",), "embed": ("src",)}
MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION", "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS", "hidden_cases", "# mistake:")


class Page(HTMLParser):
    """Of one page: what it loads, where it links to, and the names of its places."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads, self.links, self.places = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if given.get("id"):
            self.places.add(given["id"])
        self.loads += [given[key] for key in LOADS.get(tag, ()) if given.get(key)]
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])


@pytest.fixture(scope="session")
def parsed(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}


def test_every_page_of_the_contents_is_there(site: Path) -> None:
    assert [name for name in pages() if not (site / f"{name}.html").is_file()] == []
    assert (site / "index.html").is_file()


def test_nothing_is_loaded_from_another_machine(site: Path, parsed: dict[Path, Page]) -> None:
    foreign = [(path.name, address) for path, page in parsed.items() for address in page.loads
               if urlsplit(address).scheme in ("http", "https") or address.startswith("//")]
    for path in site.rglob("*.css"):
        foreign += [(path.name, hit) for hit in re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^)'\"]+)", path.read_text(encoding="utf-8"))]
    assert foreign == []


def test_every_internal_link_arrives(site: Path, parsed: dict[Path, Page]) -> None:
    dead = []
    for path, page in parsed.items():
        for address in page.links + page.loads:
            parts = urlsplit(address)
            if parts.scheme or address.startswith("//") or (not parts.path and not parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            if not target.is_file() or (place and target.suffix == ".html" and place not in parsed[target].places and path.name != "genindex.html"):
                dead.append((path.relative_to(site).as_posix(), address))
    assert dead == []


def readable(path: Path) -> str:
    """All text of a built file with single spaces: pages without their tags, notebooks as the lines of their cells."""
    raw = path.read_bytes()
    if path.name == "objects.inv":
        raw = zlib.decompress(raw.split(b"\n", 4)[4])
    text = raw.decode("utf-8", "ignore")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) + json.dumps(cell.get("outputs", "")) for cell in cells)
    elif path.suffix == ".html":
        text = html.unescape(re.sub(r"<[^>]+>", "", text)) + text
    return " ".join(text.split())


def secret_lines() -> set[str]:
    """Lines of the solutions that stand nowhere in what is public: answers, hidden cases and the bank of answers."""
    public = " ".join(readable(path) for folder in ("notebooks", "exercises", "gpt2lab", "book")
                      for path in sorted((COURSE / folder).rglob("*")) if path.suffix in (".py", ".ipynb", ".md"))
    lines = set()
    for path in (COURSE / "solutions").rglob("*"):
        if path.suffix == ".py":
            lines |= set(path.read_text(encoding="utf-8").splitlines())
        elif path.suffix == ".ipynb":
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
                lines |= set("".join(cell["source"]).splitlines())
    clean = {" ".join(line.split()) for line in lines}
    return {line for line in clean if len(line) >= 30 and line not in public}


def leaks(site: Path, secrets: set[str]) -> list[tuple[str, str]]:
    """Where a secret or a marker of nbgrader's stands in the built site, in whatever kind of file."""
    found = []
    for path in sorted(p for p in site.rglob("*") if p.is_file()):
        if path.suffix in (".png", ".woff2", ".ttf") or "mathjax" in path.parts:
            continue
        text = readable(path)
        found += [(path.relative_to(site).as_posix(), secret) for secret in (*MARKERS, *secrets) if secret in text]
    return found


def test_no_answer_and_no_hidden_case_in_any_built_file(site: Path) -> None:
    secrets = secret_lines()
    assert len(secrets) > 100, "solutions/ gave hardly a line to look for: the test would prove nothing"
    assert leaks(site, secrets) == []
    assert [p for p in site.rglob("*") if "solutions" in p.relative_to(site).parts] == []


@pytest.mark.parametrize("name", ["page.html", "page.md", "notebook.ipynb", "searchindex.js"])
def test_a_planted_answer_is_found(tmp_path: Path, name: str) -> None:
    line = 'Case("a row of <huge> scores", lambda rng: args(rng), points=2)'
    text = {"page.html": f"<pre>{html.escape(line).replace('row', '<span>row</span>')}</pre>",
            "notebook.ipynb": json.dumps({"cells": [{"source": ["x = 1\n", f"    {line}"]}]})}.get(name, line)
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert leaks(tmp_path, {line}) == [(name, line)]


def test_downloads_are_released_exercises_and_nothing_else(site: Path) -> None:
    offered = [path for path in (site / "_downloads").rglob("*") if path.is_file()]
    assert offered, "no lesson offers its exercise"
    for path in offered:
        assert path.read_bytes() == (COURSE / "exercises" / path.stem / path.name).read_bytes()


def test_search_knows_the_pages_of_the_contents_only(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    known = json.loads(re.search(r'"?docnames"?:\s*(\[[^\]]*\])', index).group(1))
    assert sorted(known) == sorted(pages())


def test_notebook_download_is_the_notebook_itself(site: Path) -> None:
    for name in (name for name in pages() if name.startswith("notebooks/")):
        assert (site / "_sources" / f"{name}.ipynb").read_bytes() == (COURSE / f"{name}.ipynb").read_bytes()
