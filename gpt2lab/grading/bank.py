"""Answers kept with an exercise: right ones written differently, and wrong ones with the mistake they make."""

from __future__ import annotations

import dataclasses
import functools
import runpy
from dataclasses import dataclass
from pathlib import Path

from .cases import Case
from .checks import find_check
from .report import Report, judge, run_here


@dataclass(frozen=True)
class BankAnswer:
    """One file of a bank. Its first line names its pieces, a wrong one's second line the mistake."""

    path: Path
    pieces: tuple[str, ...]
    mistake: str = ""

    @classmethod
    def read(cls, path: Path) -> BankAnswer:
        lines = path.read_text(encoding="utf-8").splitlines()
        pieces = tuple(p.strip() for p in _value(path, lines, 0, "piece").split(","))
        return cls(path, pieces, _value(path, lines, 1, "mistake") if path.parent.name == "wrong" else "")

    def reports(self, hidden: dict[str, tuple[Case, ...]]) -> list[Report]:
        """The reports of its pieces over visible and hidden cases."""
        names = runpy.run_path(str(self.path))
        found = []
        for piece in self.pieces:
            check = find_check(piece)
            found.append(judge(check, check.cases + hidden.get(piece, ()), run_here(names[check.title])))
        return found


def read_bank(exercise: Path) -> list[BankAnswer]:
    return [BankAnswer.read(path) for kind in ("right", "wrong") for path in sorted((exercise / "bank" / kind).glob("*.py"))]


def hidden_cases(exercise: Path) -> dict[str, tuple[Case, ...]]:
    """`HIDDEN` of `solutions/NN_topic/hidden_cases.py`, every case marked as hidden; nothing where there is no file."""
    path = exercise / "hidden_cases.py"
    return _hidden_cases(path, path.stat().st_mtime_ns) if path.exists() else {}


@functools.cache
def _hidden_cases(path: Path, changed: int) -> dict[str, tuple[Case, ...]]:
    found = runpy.run_path(str(path))["HIDDEN"]
    for piece in found:
        find_check(piece)  # KeyError on a piece that has no check
    return {piece: tuple(dataclasses.replace(case, hidden=True) for case in cases) for piece, cases in found.items()}


def _value(path: Path, lines: list[str], number: int, key: str) -> str:
    line = lines[number] if len(lines) > number else ""
    if not line.startswith(f"# {key}:"):
        raise ValueError(f"line {number + 1} of {path.name} must read '# {key}: ...', it reads {line!r}")
    return line.partition(":")[2].strip()
