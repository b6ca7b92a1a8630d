"""Text at hand without a download: the documentation that came with Python and the course's own libraries.

The language reference (`pydoc_data.topics`) and the docstrings of the standard library, numpy, matplotlib and torch are
read as source, never imported, so nothing runs. What comes out depends on the installed versions and on nothing else.
"""
from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import inspect
import json
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from platformdirs import user_cache_dir

PACKAGES = ("numpy", "matplotlib", "torch")
MIN_CHARACTERS = 120                       # shorter docstrings are labels, not prose
HELD_OUT_SHARE = 20                        # one document in 20 is held out
CODE_HELD_OUT_SHARE = 8                    # of modules, which are fewer and longer


def documents() -> Iterator[str]:
    """Every piece of documentation once, in a fixed order: the language reference first, then module by module.

    The first call reads some 3,000 source files (about 15 s) and keeps the result in the user's cache directory.
    """
    cached = _cache_file()
    if (pieces := _read_cache(cached)) is not None:
        yield from pieces
        return
    pieces = list(dict.fromkeys(_read_sources()))
    with contextlib.suppress(OSError):     # a read-only home costs the next call the same 15 s, nothing else
        cached.parent.mkdir(parents=True, exist_ok=True)
        half = cached.with_suffix(f".{os.getpid()}.part")
        half.write_text(json.dumps(pieces, ensure_ascii=False), encoding="utf-8")
        half.replace(cached)
    yield from pieces


def text(max_bytes: int = 5_000_000) -> str:
    """Documentation prose of at most `max_bytes` bytes of UTF-8, whole documents, blank lines between them."""
    if max_bytes < 1:
        raise ValueError(f"max_bytes={max_bytes}: ask for at least one byte")
    taken, size = [], 0
    for document in documents():
        size += len(document.encode()) + 2
        if size > max_bytes + 2:
            break
        taken.append(document)
    return "\n\n".join(taken)


def split() -> tuple[list[str], list[str]]:
    """(train, held out): a document's own hash decides, so a new library version moves no other document across."""
    train, held_out = [], []
    for document in documents():
        (held_out if _is_held_out(document) else train).append(document)
    return train, held_out


def code(max_bytes: int = 600_000) -> tuple[list[str], list[str]]:
    """(train, held out): modules of the standard library as bare statements, without docstrings and comments.

    Each is written as `ast.unparse` writes it, so nothing of it stands in `documents()`. Which modules come first is left to
    a hash of their names: the first `max_bytes` are a sample of the whole library. Sides are chosen as in `split`, by module.
    """
    if max_bytes < 1:
        raise ValueError(f"max_bytes={max_bytes}: ask for at least one byte")
    root = Path(sysconfig.get_path("stdlib"))
    sides: dict[bool, list[str]] = {False: [], True: []}
    size = 0
    for path in sorted(_sources(root), key=lambda p: hashlib.sha256(p.relative_to(root).as_posix().encode()).digest()):
        statements = "" if "encodings" in path.parts else _statements(path)            # those are tables of characters
        if len(statements) < MIN_CHARACTERS:
            continue
        size += len(statements.encode())
        if size > max_bytes:
            break
        sides[_is_held_out(statements, CODE_HELD_OUT_SHARE)].append(statements)
    return sides[False], sides[True]


def _is_held_out(document: str, share: int = HELD_OUT_SHARE) -> bool:
    digest = hashlib.sha256(document.encode()).digest()
    return digest[0] * 256 + digest[1] < 65536 // share


def _read_cache(path: Path) -> list[str] | None:
    """What an earlier call kept; None when it is absent or damaged, and the sources have to be read again."""
    try:
        pieces = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return pieces if isinstance(pieces, list) and pieces and all(isinstance(piece, str) for piece in pieces) else None


def _read_sources() -> Iterator[str]:
    from pydoc_data.topics import topics
    for name in sorted(topics):
        yield _tidy(topics[name])
    standard_library = Path(sysconfig.get_path("stdlib"))
    roots = [standard_library] + [_package_root(name) for name in PACKAGES]
    for root in filter(None, roots):
        for path in _sources(root):
            yield from _docstrings(path)


def _sources(root: Path) -> Iterator[Path]:
    """A package's modules in a fixed order, its tests and what it carries along left out."""
    for path in sorted(root.rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
        parts = set(path.relative_to(root).parts)
        if not parts & {"site-packages", "test", "tests", "testing", "idlelib", "lib2to3", "pydoc_data", "__pycache__"}:
            yield path


def _package_root(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)              # finds the folder without importing the package
    return Path(spec.origin).parent if spec and spec.origin else None


def _docstrings(path: Path) -> Iterator[str]:
    """Docstrings of one source file, and the long texts that C libraries attach with calls such as `add_docstr`."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found = ast.get_docstring(node, clean=False)
        elif isinstance(node, ast.Call) and "doc" in getattr(node.func, "id", ""):
            found = max((c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)),
                        key=len, default=None)
        else:
            continue
        if found and len(tidied := _tidy(found)) >= MIN_CHARACTERS:
            yield tidied


def _statements(path: Path) -> str:
    """A source file without docstrings and comments; empty when it is no Python or nothing is left."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
    return ast.unparse(tree)


def _tidy(raw: str) -> str:
    """The paragraphs of prose: common indentation gone; sessions, tables and signatures left out."""
    lines = "\n".join(line.rstrip() for line in inspect.cleandoc(raw).splitlines())
    return "\n\n".join(p.strip("\n") for p in re.split(r"\n{2,}", lines) if _is_prose(p))


def _is_prose(paragraph: str) -> bool:
    """At least five words, nearly all of it letters and spaces, and no interpreter session."""
    plain = sum(c.isalpha() or c.isspace() for c in paragraph)
    return len(paragraph.split()) >= 5 and plain >= 0.88 * len(paragraph) and ">>>" not in paragraph


def _cache_file() -> Path:
    """One file per set of versions, and per version of this reader itself."""
    described = [sys.version, Path(__file__).read_text(encoding="utf-8")]
    for name in PACKAGES:
        try:
            described.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            described.append(f"{name} absent")
    digest = hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]
    return Path(user_cache_dir("gpt2lab", appauthor=False)) / f"corpus-{digest}.json"
