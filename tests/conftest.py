"""One Chromium for all tests that open a page: playwright's sync form can run once in a process."""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-first-run"]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A running browser: GPT2LAB_CHROMIUM, one that is installed, or the one playwright fetched."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
    with sync_api.sync_playwright() as play:
        own = play.chromium.executable_path
        path = os.environ.get("GPT2LAB_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), own if Path(own).exists() else None)
        if path is None:
            pytest.skip("needs Chromium: `python -m playwright install chromium`, or set GPT2LAB_CHROMIUM")
        running = play.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()
