"""A small course in a temporary folder, for tests: one exercise with two pieces of its own, graded by the real commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[2]
NAME = "01_tokenizer"


def solution_cell(name: str, source: str):
    marks = {
        "grade": False,
        "solution": True,
        "locked": False,
        "task": False,
        "grade_id": name,
        "schema_version": 3,
        "cell_type": "code",
    }
    return new_code_cell(source, id=name, metadata={"nbgrader": marks})


def check_cell(name: str, source: str, points: float):
    marks = {"grade": True, "solution": False, "locked": True, "task": False, "grade_id": name, "points": points}
    return new_code_cell(source, id=name, metadata={"nbgrader": marks | {"schema_version": 3, "cell_type": "code"}})


TABLE = """def bytes_to_unicode():
    ### BEGIN SOLUTION
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    free = iter(range(256, 512))
    return {b: chr(b) if b in keep else chr(next(free)) for b in range(256)}
    ### END SOLUTION
"""
PIECES = """def pretokenize(text):
    ### BEGIN SOLUTION
    import regex
    return regex.findall(r"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", text)
    ### END SOLUTION
"""
HIDDEN = """from gpt2lab.grading import Case, args, exact

SECRET = "zebra crossing 7 times"
HIDDEN = {"tokenizer.pretokenize": (Case("a secret text", lambda rng: args(SECRET), points=2, compare=exact()),)}
"""


def make_course(root: Path) -> Path:
    """Configuration, solution and hidden cases, as an instructor has them."""
    exercise = root / "solutions" / NAME
    (exercise / "bank" / "right").mkdir(parents=True)
    (exercise / "bank" / "right" / "table.py").write_text("# piece: tokenizer.bytes_to_unicode\n")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    (exercise / "hidden_cases.py").write_text(HIDDEN)
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Exercise", id="title"),
            new_code_cell("from gpt2lab.grading import check", id="setup"),
            solution_cell("table", TABLE),
            check_cell("check-table", 'check("tokenizer.bytes_to_unicode", bytes_to_unicode)', 2),
            solution_cell("split", PIECES),
            check_cell("check-split", 'check("tokenizer.pretokenize", pretokenize)', 6),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, exercise / f"{NAME}.ipynb")
    nbgrader(root, "generate_assignment", NAME)
    return root


def nbgrader(root: Path, *arguments: str) -> str:
    temporary = root / "temporary"  # of its own, so that a test can see what is left in it
    temporary.mkdir(exist_ok=True)
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(root),
        "IPYTHONDIR": str(root / ".ipython"),
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(temporary),
    }
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stdout + done.stderr


def answered(root: Path, **sources: str) -> nbformat.NotebookNode:
    """The released notebook with cells of these ids replaced: answered(root, table="def ...")."""
    notebook = release(root)
    for cell in notebook.cells:
        cell.source = sources.get(cell.id, cell.source)
    return notebook


def submit(root: Path, student: str, notebook: nbformat.NotebookNode | bytes) -> Path:
    path = root / "submitted" / student / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode())
    return path


def release(root: Path) -> nbformat.NotebookNode:
    return nbformat.read(root / "exercises" / NAME / f"{NAME}.ipynb", as_version=4)
