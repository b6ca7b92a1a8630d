"""What the course needs of a machine, checked one by one, each with its mend."""
from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

STUDENT = ("torch", "tiktoken", "regex", "safetensors", "transformers", "matplotlib", "ipywidgets", "anywidget", "bertviz",
           "jupyterlab")
INSTRUCTOR = ("nbgrader", "jupyter-book", "nbdev")
FREE_DISK = 2e9                            # bytes: outputs, the corpus cache and a first download of GPT-2


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what it is, what was seen, and how to mend it when it is not ok."""
    what: str
    ok: bool
    seen: str
    mend: str = ""
    optional: bool = False


def examine(course: Path) -> list[Finding]:
    """Every finding, in the order in which to mend them. Takes a few seconds: it imports torch and runs mini once."""
    return [*_python(), *_packages(course), _disk(course), _notebooks(course), _model(), _device(), _gpt2(), _grading()]


def _python() -> Iterator[Finding]:
    yield Finding("Python", sys.version_info >= (3, 11), sys.version.split()[0],
                  "install Python 3.11 or newer and make the environment again")
    inside = sys.prefix != sys.base_prefix or (Path(sys.prefix) / "conda-meta").exists()
    yield Finding("environment", inside, sys.prefix, "`make lab` makes one in .venv; see README for conda and Windows", optional=True)


def _packages(course: Path) -> Iterator[Finding]:
    tested = tested_versions(course / "constraints.txt")
    for name in (*STUDENT, *INSTRUCTOR):
        optional = name in INSTRUCTOR
        try:
            have = version(name)
        except PackageNotFoundError:
            extra = "[dev]" if optional else ""
            yield Finding(name, False, "not installed", f'pip install -c constraints.txt -e ".{extra}"', optional)
            continue
        want = tested.get(name)
        same = want is None or have.split("+")[0] == want
        yield Finding(name, same, have if same else f"{have}, tested with {want}",
                      f"if something behaves oddly: pip install {name}=={want}", optional=True)


def tested_versions(constraints: Path) -> dict[str, str]:
    """The pins of constraints.txt as {name: version}; empty when the file is not there."""
    if not constraints.exists():
        return {}
    lines = (line.partition("#")[0] for line in constraints.read_text(encoding="utf-8").splitlines())
    pins = (line.partition(";")[0].partition("==") for line in lines if "==" in line)
    return {name.strip(): wanted.strip() for name, _, wanted in pins}


def _disk(course: Path) -> Finding:
    free = shutil.disk_usage(course).free
    return Finding("free disk", free >= FREE_DISK, f"{free / 1e9:.1f} GB", f"make room: the course uses up to {FREE_DISK / 1e9:.0f} GB")


def _notebooks(course: Path) -> Finding:
    found = sorted((course / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return Finding("notebooks", bool(found), f"{len(found)} chapters in {course / 'notebooks'}",
                   "clone the course's repository and install it from there with `pip install -e .`")


def _model() -> Finding:
    try:
        import torch

        from gpt2lab.tokenizer import Tokenizer
        from gpt2lab.weights import MINI, from_pretrained
        ids = torch.tensor([Tokenizer.load(MINI).encode("The course")])
        ok = bool(from_pretrained("mini")(ids).logits.isfinite().all())
        return Finding("mini", ok, "loads and answers" if ok else "answers nonsense", "restore gpt2lab/pretrained with git")
    except Exception as error:             # whatever is wrong, the doctor says so and goes on
        return Finding("mini", False, f"{type(error).__name__}: {error}", "restore gpt2lab/pretrained: git checkout gpt2lab/pretrained")


def _device() -> Finding:
    try:
        import torch

        from gpt2lab.lab import best_device
        name = best_device()
        seen = torch.cuda.get_device_name() if name == "cuda" else name
        return Finding("device", True, f"{seen}, torch {torch.__version__}" + ", enough for mini" * (name == "cpu"))
    except ImportError as error:
        return Finding("device", False, str(error), "install torch first")


def _gpt2() -> Finding:
    from gpt2lab.download import cached_directory
    try:
        return Finding("real GPT-2", True, str(cached_directory("gpt2")))
    except (FileNotFoundError, ImportError):
        return Finding("real GPT-2", False, "not downloaded", "gpt2lab download gpt2 (550 MB; nothing in the course needs it)", optional=True)


def _grading() -> Finding:
    from gpt2lab.grading.protection import sandbox_report
    report = sandbox_report()
    return Finding("grading sandbox", report.whole, report.summary, report.mend, optional=True)
