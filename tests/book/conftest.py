"""The built book, once a session, and tabs that report whatever they try to fetch."""
from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

COURSE = Path(__file__).resolve().parents[2]
PATIENCE = 60_000      # milliseconds: a busy machine is slow, not wrong


def pages() -> list[str]:
    """Every page the table of contents names, as paths without a suffix."""
    toc = yaml.safe_load((COURSE / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"]] + [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder with the built pages. GPT2LAB_SITE=folder takes a site that is already there."""
    if given := os.environ.get("GPT2LAB_SITE"):
        return Path(given).resolve()
    pytest.importorskip("jupyter_book", reason="the book needs the development packages: pip install -e '.[dev]'")
    from gpt2lab.book import build
    assert build(COURSE) == 0, "the book was not built: the output above names the warning or the error"
    return COURSE / "_build" / "html"


class Reader:
    """One browser tab without a network: `asked` lists requests that left the disk, `errors` what the console said."""

    def __init__(self, context, site: Path) -> None:
        self.site, self.asked, self.errors = site, [], []
        context.route(lambda url: not url.startswith(("file:", "data:", "blob:")), self._refuse)
        context.set_default_timeout(PATIENCE)
        self.page = context.new_page()
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("requestfailed", lambda request: self.errors.append(f"not loaded: {request.url}"))

    def _note(self, request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.asked.append(request.url)

    def _refuse(self, route) -> None:
        self._note(route.request)
        route.abort()

    def open(self, name: str, query: str = ""):
        """Open a page from the disk, as a reader without a server would, and wait until its scripts have settled."""
        self.page.goto((self.site / f"{name}.html").as_uri() + query)
        self.page.wait_for_load_state("load")
        if self.page.query_selector(".math"):
            self.page.wait_for_selector("mjx-container svg", state="attached", timeout=PATIENCE)
        self.page.wait_for_function("document.querySelectorAll('.gpt2lab-host > .g2-static').length === 0", timeout=PATIENCE)
        return self.page


@pytest.fixture
def reader(browser, site: Path):
    """Call it with a colour scheme and, if you like, a width; every tab is closed at the end of the test."""
    contexts = []

    def make(scheme: str = "light", width: int = 1280) -> Reader:
        browser_context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(browser_context)
        return Reader(browser_context, site)

    yield make
    for context in contexts:
        context.close()
