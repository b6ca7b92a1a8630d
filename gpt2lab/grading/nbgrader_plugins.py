"""What makes plain `nbgrader autograde` score safely. Named in `nbgrader_config.py`:

    c.Autograde.exporter_class = "gpt2lab.grading.nbgrader_plugins.RebuildingExporter"
    c.Autograde.pre_convert_hook = "gpt2lab.grading.nbgrader_plugins.drop_links"
    c.Autograde.autograde_preprocessors = ["gpt2lab.grading.nbgrader_plugins.ScoreAnswers", ...]   # in place of Execute

The exporter rebuilds the submission on the release; the preprocessor writes a cell's points as its result, which
nbgrader's own SaveAutoGrades then puts into the gradebook, and the report as its output, which becomes the feedback.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Float, Integer

from .rebuild import rebuild
from .sandbox import Limits
from .scorer import Question, as_points, questions_in, score


class RebuildingExporter(NotebookExporter):
    """Reads a submission whatever its state, and rebuilds it on the released notebook."""

    def from_filename(self, filename: str, resources: dict | None = None, **kw: Any) -> tuple[str, dict]:
        autograde = self.parent
        if not getattr(autograde, "_sanitizing", False):  # the second pass reads what the first one wrote
            return super().from_filename(filename, resources, **kw)
        assignment = resources["nbgrader"]["assignment"]
        release = Path(autograde.coursedir.format_path(autograde.coursedir.release_directory, ".", assignment))
        path = release / f"{resources['nbgrader']['notebook']}.ipynb"
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: run `nbgrader generate_assignment {assignment}` first")
        rebuilt = rebuild(nbformat.read(path, as_version=4), read_submission(Path(filename)))
        return self.from_file(io.StringIO(nbformat.writes(rebuilt)), resources=resources, **kw)


def read_submission(path: Path) -> bytes:
    """The bytes of a submitted file; nothing for a link, which could point at the solution."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return b""
        return path.read_bytes()
    except OSError:
        return b""


def drop_links(notebooks: list[str], **_: Any) -> None:
    """Before nbgrader copies a submission: remove links, pipes and devices from it, which a copy would follow."""
    for folder in {os.path.dirname(os.path.abspath(n)) for n in notebooks}:
        for where, folders, files in os.walk(folder):
            for name in folders + files:
                path = os.path.join(where, name)
                mode = os.lstat(path).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    os.unlink(path)


class ScoreAnswers(NbGraderPreprocessor):
    """Runs the notebook's code in the sandbox and gives every check cell its points and its report."""

    cell_seconds = Float(Limits.cell_seconds, help="Longest computing time for one cell of a student's.").tag(config=True)
    piece_seconds = Float(Limits.piece_seconds, help="Longest time for all cases of one piece.").tag(config=True)
    submission_seconds = Float(Limits.submission_seconds, help="Longest time for one notebook.").tag(config=True)
    memory_mb = Integer(Limits.memory >> 20, help="Most memory (address space) for one notebook, in MB.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        checks = [cell for cell in nb.cells if is_check(cell)]
        asked = {cell.metadata.nbgrader["grade_id"]: self._questions(cell) for cell in checks}
        own = [cell for cell in nb.cells if cell.cell_type == "code" and not is_check(cell)]
        coursedir = self._coursedir()
        exercise = Path(coursedir.format_path(coursedir.source_directory, ".", resources["nbgrader"]["assignment"]))
        questions = list(dict.fromkeys(q for found in asked.values() for q in found))
        result = score([cell.source for cell in own], questions, exercise, [coursedir.root], self._limits())
        self.log.info("%s: %.1f s in the sandbox", resources["nbgrader"]["student"], result.seconds)
        for cell, ran in zip(own, result.cells, strict=True):
            cell.outputs = [new_output("stream", name="stdout", text=ran.output)] if ran.output else []
            if not ran.ok:
                cell.outputs.append(new_output("stream", name="stdout", text=f"This cell did not run to its end: {ran.error}\n"))
        for cell in checks:
            reports = [result.reports[q.piece] for q in asked[cell.metadata.nbgrader["grade_id"]]]
            points = as_points(reports, float(cell.metadata.nbgrader["points"]))
            text = "\n".join(map(str, reports)) + "\n"
            cell.outputs = [
                new_output("stream", name="stdout", text=text),
                new_output("execute_result", data={"text/plain": f"{points:g}"}, execution_count=None),
            ]
        return nb, resources

    def _questions(self, cell: NotebookNode) -> list[Question]:
        return questions_in(cell.source, f"the check cell {cell.metadata.nbgrader['grade_id']!r}")

    def _limits(self) -> Limits:
        return Limits(
            cell_seconds=self.cell_seconds,
            piece_seconds=self.piece_seconds,
            submission_seconds=self.submission_seconds,
            memory=self.memory_mb << 20,
        )

    def _coursedir(self) -> Any:
        """The converter's course folders: preprocessor -> exporter -> Autograde."""
        owner = self.parent
        while owner is not None and not hasattr(owner, "coursedir"):
            owner = owner.parent
        if owner is None:
            raise RuntimeError("ScoreAnswers works inside `nbgrader autograde` only")
        return owner.coursedir


def is_check(cell: NotebookNode) -> bool:
    marks = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(marks.get("grade")) and not marks.get("solution")
