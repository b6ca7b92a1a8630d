"""For all tests: one Chromium a process, what is printed of measurements, and, for `pytest -n 2`, which tests stay together."""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-first-run"]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):      # before torch is imported: processes share the cores
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file's tests share what they set up, so they stay in one process; files start in their order, the book first."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if "::test_it_runs_with_another_model[" in nodeid:      # long, and each by itself
                return nodeid
            file = nodeid.partition("::")[0]
            return "lessons" if file.startswith(("tests/book/", "tests/notebooks/")) else file      # both read the executed notebooks

    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_modifyitems(items) -> None:
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu:
        import torch
        if not torch.cuda.is_available():
            for item in on_gpu:
                item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU here"))


def pytest_terminal_summary(terminalreporter) -> None:
    """What tests measured, `record_property("measured", ...)`, stands before the closing line, in whichever process they ran."""
    measured = [text for report in terminalreporter.getreports("passed") for key, text in report.user_properties if key == "measured"]
    if measured:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(measured))


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
