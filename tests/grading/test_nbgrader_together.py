"""A class graded by two processes at once, each with a gradebook of its own, as the instructors' page says."""
import csv
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import course

pytest.importorskip("nbgrader", reason="nbgrader is an instructor's tool: pip install gpt2lab[dev]")
SECOND = "--db=sqlite:///gradebook-2.db"


def test_two_processes_share_a_class(tmp_path):
    root = course.make_course(tmp_path / "course")
    shutil.copy(root / "gradebook.db", root / "gradebook-2.db")
    right = course.answered(root, table=course.TABLE, split=course.PIECES)
    for student in ("ada", "bea", "max", "zoe"):
        course.submit(root, student, right if student in ("ada", "zoe") else course.release(root))
    parts = [("--student=[a-l]*",), ("--student=[m-z]*", SECOND)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda part: course.nbgrader(root, "autograde", course.NAME, *part), parts))
    points = {}
    for students, *db in parts:
        course.nbgrader(root, "generate_feedback", course.NAME, students, *db)
        course.nbgrader(root, "export", "--to", "grades.csv", *db)
        with (root / "grades.csv").open(newline="") as file:
            points |= {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert points == {"ada": 8, "bea": 0, "max": 0, "zoe": 8}
    assert {path.name for path in (root / "feedback").iterdir()} == points.keys()
