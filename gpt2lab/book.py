"""Builds the site a reader opens: the notebooks, executed, and the pages of book/, into _build/html.

It calls Jupyter Book with warnings as errors and no network for the notebooks, and throws the cache of executed
notebooks away when the package they import has changed (the cache itself looks only at the notebooks' own code).
"""
from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

NOWHERE = "http://127.0.0.1:9"             # a proxy that refuses: a notebook that reaches for the network fails
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline",
           **{name: NOWHERE for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")},
           "no_proxy": "", "NO_PROXY": ""}
COUNTED = {".py", ".js", ".css", ".json", ".txt", ".safetensors"}      # what a notebook's output can depend on
UNSEEN = {"grading", "book.py", "cli.py", "doctor.py"}                # no lesson's output depends on these
SOURCES = ("_config.yml", "_toc.yml", "book", "notebooks")


def build(course: Path, *, execute: bool = True, out: Path | None = None) -> int:
    """Build the site and return the exit status: 0 when every page was made without a warning.

    course: the folder that holds _config.yml. execute=False takes the notebooks as they are, without outputs.
    out: where `_build` goes (default: the course itself). Raises ValueError when `course` is not a course.
    """
    course = Path(course).resolve()
    missing = [name for name in SOURCES if not (course / name).exists()]
    if missing:
        raise ValueError(f"{course} has no {missing[0]}: run `gpt2lab book` from a clone of the course's repository")
    target = Path(out).resolve() if out else course
    if execute:
        forget_stale_outputs(target / "_build")
    else:      # nothing may be left over from a build with outputs, nor the other way round
        shutil.rmtree(target / "_build" / "html", ignore_errors=True)
    status = subprocess.call(book_command(course, target, execute), cwd=course, env={**os.environ, **OFFLINE})
    if status == 0:
        print(f"The book: {(target / '_build' / 'html' / 'index.html').as_uri()}")
    return status


def book_command(course: Path, target: Path, execute: bool) -> list[str]:
    """The Jupyter Book command: -n checks every reference, -W fails on a warning, --keep-going shows all of them."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(course), "-n", "-W", "--keep-going"]
    if target != course:
        command += ["--path-output", str(target)]
    if not execute:
        command += ["--all", "--config", str(_config_without_execution(course, target))]
    return command


def forget_stale_outputs(build_dir: Path) -> bool:
    """Empty the cache of executed notebooks if the package changed since it was filled; says whether it did."""
    stamp, now = build_dir / "package.sha256", fingerprint(Path(__file__).parent)
    if stamp.exists() and stamp.read_text() == now:
        return False
    for name in (".jupyter_cache", ".doctrees", "html"):
        shutil.rmtree(build_dir / name, ignore_errors=True)
    build_dir.mkdir(parents=True, exist_ok=True)
    stamp.write_text(now)
    return True


def fingerprint(package: Path) -> str:
    """One hash over every file of the package that a notebook's output can depend on."""
    total = hashlib.sha256()
    counted = (p for p in package.rglob("*") if p.suffix in COUNTED and p.relative_to(package).parts[0] not in UNSEEN)
    for path in sorted(p for p in counted if p.is_file()):
        total.update(path.relative_to(package).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _config_without_execution(course: Path, target: Path) -> Path:
    """A copy of _config.yml that runs nothing; Jupyter Book has no command-line switch for it."""
    import yaml

    config = yaml.safe_load((course / "_config.yml").read_text(encoding="utf-8"))
    config["execute"]["execute_notebooks"] = "off"
    extensions = config["sphinx"]["local_extensions"]
    config["sphinx"]["local_extensions"] = {name: str(course / path) for name, path in extensions.items()}
    path = target / "_build" / "config_without_execution.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path
