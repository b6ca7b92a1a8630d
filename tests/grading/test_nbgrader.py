"""The real nbgrader commands on right, wrong, endless, broken and hostile submissions."""

import csv
import json
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from . import course

pytest.importorskip("nbgrader", reason="nbgrader is an instructor's tool: pip install gpt2lab[dev]")
FULL, TABLE, SPLIT = 8.0, 2.0, 6.0

CHR = "def bytes_to_unicode():\n    return {b: chr(b) for b in range(256)}\n"
ENDLESS = "def bytes_to_unicode():\n    while True:\n        pass\n"
STUBBORN = "def bytes_to_unicode():\n    while True:\n        try:\n            while True: pass\n        except BaseException:\n            pass\n"


def own_cells(notebook, at, *sources):
    notebook.cells[at:at] = [new_code_cell(s) for s in sources]
    return notebook


def without(notebook, *ids):
    notebook.cells = [c for c in notebook.cells if c.id not in ids]
    return notebook


def changed(root, name, edit):
    """A right submission whose cell `name` was edited by `edit(cell)`."""
    notebook = right(root)
    edit(next(c for c in notebook.cells if c.id == name))
    return notebook


def right(root, **sources):
    return course.answered(root, **{"table": course.TABLE, "split": course.PIECES} | sources)


def doubled(root):
    notebook = right(root)
    easy = nbformat.from_dict(next(c for c in notebook.cells if c.id == "check-split"))
    easy.source, easy.id = 'print("all points, please")', "second"
    notebook.cells.append(easy)
    return notebook


def scripted(notebook):
    text = "hi <script>alert(1)</script> <img src=x onerror='alert(2)'> **bold** $a & b$ [l](javascript:alert(3)) [m](&#106;avascript:alert(4))"
    notebook.cells[1:1] = [new_markdown_cell(text), new_raw_cell("<script>alert(5)</script>")]
    return own_cells(notebook, 1, "print('<script>alert(6)</script>')")


def pass_check(cell):
    cell.source = "1 + 1"
    cell.metadata.nbgrader.points = 1000


def submissions(root):
    """name -> (submission, points)"""
    secret = root / "solutions" / course.NAME / "hidden_cases.py"
    database = root / "gradebook.db"
    return {
        "right": (right(root), FULL),
        "untouched": (course.release(root), 0),
        "wrong": (right(root, table=CHR), SPLIT),
        "endless": (right(root, table=ENDLESS), SPLIT),
        "endless_cell": (own_cells(right(root), 2, "while True: pass"), FULL),
        "stubborn": (right(root, table=STUBBORN), SPLIT),
        "not_json": (b'{"cells": [{"cell_type": "code", "source', 0),
        "empty_file": (b"", 0),
        "not_a_notebook": (b"[1, 2, 3]", 0),
        "damaged_cells": (json.dumps({**right(root), "cells": [None, 7, {"cell_type": "code"}, *right(root).cells]}).encode(), FULL),
        "syntax_error": (own_cells(right(root, table="def bytes_to_unicode(:"), 3, "a b c"), SPLIT),
        "below_the_checks": (own_cells(course.release(root), 6, course.TABLE, course.PIECES), FULL),
        "above_the_stub": (own_cells(course.release(root), 1, course.TABLE, course.PIECES), FULL),
        "in_a_check_cell": (course.answered(root, **{"check-table": course.TABLE, "check-split": course.PIECES}), FULL),
        "no_solution_cells": (own_cells(without(course.release(root), "table", "split"), 0, course.TABLE, course.PIECES), FULL),
        "check_removed": (without(right(root, table=CHR), "check-table"), SPLIT),
        "check_changed": (changed(root, "check-table", pass_check), FULL),
        "check_changed_wrong": (course.answered(root, **{"check-table": "1", "check-split": "1"}), 0),
        "check_doubled": (doubled(root), FULL),
        "setup_removed": (without(right(root), "setup"), FULL),
        "exits": (own_cells(right(root), 3, "import sys; sys.exit()", "exit()", "quit()"), FULL),
        "hard_exit": (own_cells(right(root), 3, "import os; os._exit(0)"), FULL),
        "exit_in_answer": (right(root, table="def bytes_to_unicode():\n    import os; os._exit(0)"), SPLIT),
        "huge": (right(root, table="def bytes_to_unicode():\n    return bytearray(1 << 45)"), SPLIT),
        "hungry": (right(root, table="def bytes_to_unicode():\n    x = []\n    while True: x.append(bytearray(1 << 24))"), SPLIT),
        "endless_answer": (right(root, table="def bytes_to_unicode():\n    import itertools\n    return itertools.count()"), SPLIT),
        "deep_answer": (right(root, table="def bytes_to_unicode():\n    x = []\n    for _ in range(99999): x = [x]\n    return x"), SPLIT),
        "noisy": (
            own_cells(right(root), 1, "print('x' * 5_000_000)", "import os; os.write(1, b'y' * 1_000_000); os.write(2, b'z' * 1_000_000)"),
            FULL,
        ),
        "warnings": (
            own_cells(
                right(root, table=course.TABLE.replace("    keep", "    import warnings; warnings.warn('careful')\n    keep")),
                1, "import sys, warnings\nwarnings.warn('old')\nprint('oops', file=sys.stderr)",
                "from tqdm.auto import tqdm\nfor i in tqdm(range(3)): pass", "%matplotlib inline\n!echo hello\nimport matplotlib.pyplot as plt",
            ),
            FULL,
        ),
        "patches_grading": (
            own_cells(
                course.release(root), 2,
                "import gpt2lab.grading as g, gpt2lab.grading.cases as c, gpt2lab.grading.report as r\n"
                "g.check = lambda *a: 1\nr.judge = lambda *a: None\nc.drive = lambda *a: g.Outcome(value={})\nr.Report.points = 99",
                "import gpt2lab.grading.compare as m\nm.difference = lambda *a, **k: None\nm.exact.__call__ = lambda *a: None",
                "def bytes_to_unicode(): return 1\ndef pretokenize(text): return 1",
            ),
            0,
        ),
        "equal_to_all": (
            own_cells(
                course.release(root), 2,
                "class Same(dict):\n    __eq__ = lambda s, o: True\n    __ne__ = lambda s, o: False\n    __hash__ = object.__hash__",
                "def bytes_to_unicode(): return Same()\ndef pretokenize(text): return Same()",
            ),
            0,
        ),
        "reads_secrets": (
            right(root, table=f"def bytes_to_unicode():\n    return open({str(secret)!r}).read()",
                  split=f"def pretokenize(text):\n    return open({str(database)!r}, 'rb').read()"),
            0,
        ),
        "writes_marks": (
            own_cells(
                course.release(root), 2,
                f"import sqlite3\nd = sqlite3.connect({str(database)!r})\nd.execute('update grade set auto_score = 99')\nd.commit()",
                f"open({str(secret)!r}, 'w').write('HIDDEN = {{}}')", f"import os; os.remove({str(database)!r})",
                f"import os; os.truncate({str(database)!r}, 0)", f"import os; os.chmod({str(database)!r}, 0)",
            ),
            0,
        ),
        "package_version": (right(root, table="from gpt2lab.tokenizer import bytes_to_unicode"), SPLIT),
        "tells_secrets": (right(root, split="def pretokenize(text):\n    raise ValueError('I saw ' + text)"), TABLE),
        "hides_secrets_in_names": (
            right(
                root,
                split="count = 0\ndef pretokenize(text):\n    global count\n    count += 1\n"
                "    raise type(['TimeUp', 'Stopped', 'NotRun', 'NotImplementedError', text][count % 5], (Exception,), {})(text)",
            ),
            TABLE,
        ),
        "returns_secrets": (right(root, split="def pretokenize(text):\n    print(text)\n    return [text, 'seen']"), None),
        "writes_nonsense": (
            right(root, table="def bytes_to_unicode():\n    import os\n    for fd in range(3, 60):\n"
                              "        try: os.write(fd, b'\\xff' * 4000)\n        except OSError: pass\n    return {}"),
            SPLIT,
        ),
        "fills_the_disk": (
            own_cells(right(root), 3, "for i in range(1000):\n    with open(f'{i}', 'wb') as f: f.write(bytes(15 << 20))"), FULL,
        ),
        "many_threads": (
            own_cells(right(root), 3, "import threading, time\nfor i in range(50): threading.Thread(target=time.sleep, args=(999,)).start()"),
            FULL,
        ),
        "script": (scripted(right(root)), FULL),
        "markdown_only": (
            nbformat.v4.new_notebook(cells=[new_markdown_cell("I have done it")]), 0,
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """All submissions graded by `nbgrader autograde`, `generate_feedback` and `export`: root, expected, points, feedback."""
    root = course.make_course(tmp_path_factory.mktemp("course"))
    expected = submissions(root)
    with (root / "nbgrader_config.py").open("a") as config:  # patience for honest answers is not what these tests are about
        config.write("\nc.ScoreAnswers.cell_seconds = 5\nc.ScoreAnswers.piece_seconds = 6\n")
    for student, (notebook, _) in expected.items():
        path = course.submit(root, student, notebook)
        if student == "right":
            (path.parent / "link.txt").symlink_to(root / "solutions" / course.NAME / "hidden_cases.py")
    course.nbgrader(root, "autograde", course.NAME)
    course.nbgrader(root, "generate_feedback", course.NAME)
    course.nbgrader(root, "export", "--to", "grades.csv")
    with (root / "grades.csv").open(newline="") as file:
        points = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    feedback = {s: (root / "feedback" / s / course.NAME / f"{course.NAME}.html").read_text() for s in expected}
    return root, expected, points, feedback


@pytest.mark.parametrize("student", submissions_names := sorted([
    "right", "untouched", "wrong", "endless", "endless_cell", "stubborn", "not_json", "empty_file", "not_a_notebook", "damaged_cells",
    "syntax_error", "below_the_checks", "above_the_stub", "in_a_check_cell", "no_solution_cells", "check_removed", "check_changed",
    "check_changed_wrong", "check_doubled", "setup_removed", "exits", "hard_exit", "exit_in_answer", "huge", "hungry",
    "endless_answer", "deep_answer", "noisy", "warnings", "patches_grading", "equal_to_all", "reads_secrets", "writes_marks",
    "package_version", "tells_secrets", "hides_secrets_in_names", "writes_nonsense", "fills_the_disk", "many_threads", "script", "markdown_only",
]))  # fmt: skip
def test_points(graded, student):
    _, expected, points, feedback = graded
    assert points[student] == expected[student][1], re.sub(r"<[^>]+>", "", feedback[student].partition("<body")[2])[-6000:]


def test_nobody_is_left_out(graded):
    _, expected, points, _ = graded
    assert points.keys() == expected.keys() == {*submissions_names, "returns_secrets"}


def test_feedback_names_the_mistake(graded):
    _, _, _, feedback = graded
    assert "bytes mapped with chr(b)" in feedback["wrong"]
    assert "hidden: a secret text" in feedback["wrong"]
    assert "it ran out of time" in feedback["endless"]
    assert "not written yet" in feedback["untouched"]
    assert "could not be read" in feedback["not_json"]
    assert "SyntaxError" in feedback["syntax_error"]
    assert "ended" in feedback["exit_in_answer"]
    assert "No module named" in feedback["package_version"]


def test_hidden_data_stay_hidden(graded):
    root, expected, _, feedback = graded
    for student in expected:
        assert "zebra" not in feedback[student], student
    for folder in ("feedback", "autograded", "exercises"):
        for path in (root / folder).rglob("*"):
            assert path.name not in ("hidden_cases.py", "bank", "link.txt")
            assert path.is_dir() or b"zebra" not in path.read_bytes(), path


def test_course_files_are_unharmed(graded):
    root = graded[0]
    assert (root / "solutions" / course.NAME / "hidden_cases.py").read_text() == course.HIDDEN
    assert (root / "gradebook.db").stat().st_mode & 0o600 == 0o600


def test_a_students_script_does_not_run_for_the_instructor(graded):
    page = graded[3]["script"]
    assert "<strong>bold</strong>" in page
    assert "<script>alert" not in page
    assert not re.search(r"<[^>]*(onerror|javascript:)", page)


def test_feedback_is_short(graded):
    """Megabytes that a student prints do not end up in the feedback."""
    assert len(graded[3]["noisy"]) < len(graded[3]["right"]) + 50_000


def test_nothing_is_left_behind(graded):
    assert not list((graded[0] / "temporary").glob("gpt2lab-*"))
