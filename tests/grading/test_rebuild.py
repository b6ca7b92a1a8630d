"""A submission is rebuilt on the release, whatever was done to it."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gpt2lab.grading.rebuild import make_harmless, read_cells, rebuild
from gpt2lab.grading.report import CaseResult, Report
from gpt2lab.grading.scorer import as_points, questions_in

from .course import check_cell, solution_cell


@pytest.fixture
def released():
    return new_notebook(
        cells=[
            new_markdown_cell("# Title", id="title"),
            new_code_cell("import torch", id="setup"),
            solution_cell("answer", "raise NotImplementedError()"),
            check_cell("check-answer", 'check("a.b", b)', 2),
            new_markdown_cell("The end", id="end"),
        ]
    )


def submitted(notebook, **sources):
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in copy.cells:
        cell.source = sources.get(cell.id.replace("-", "_"), cell.source)
    return copy


def rebuilt(released, notebook):
    result = rebuild(released, notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode())
    nbformat.validate(result)
    return [cell.source for cell in result.cells]


def test_untouched(released):
    assert rebuilt(released, released) == [c.source for c in released.cells]


def test_answer_in_its_place(released):
    assert rebuilt(released, submitted(released, answer="b = 1")) == [
        "# Title",
        "import torch",
        "b = 1",
        'check("a.b", b)',
        "The end",
    ]


def test_changed_check_is_restored_and_kept_as_a_cell_of_the_students(released):
    found = rebuilt(released, submitted(released, check_answer="b = 1"))
    assert found == ["# Title", "import torch", "raise NotImplementedError()", "b = 1", 'check("a.b", b)', "The end"]


def test_outputs_and_foreign_marks_are_dropped(released):
    copy = submitted(released)
    extra = new_code_cell("x", metadata={"nbgrader": {"grade": True, "grade_id": "mine", "points": 99}, "tags": ["a"]})
    extra.outputs = [nbformat.v4.new_output("stream", text="99")]
    copy.cells.insert(2, extra)
    copy.cells[4].metadata.nbgrader.points = 1000
    result = rebuild(released, json.dumps(copy).encode())
    assert [c.metadata.get("nbgrader", {}).get("points") for c in result.cells] == [None, None, None, None, 2, None]
    assert result.cells[2].source == "x"
    assert result.cells[2].outputs == []
    assert result.cells[2].metadata == {}


def test_own_cells_keep_their_order_and_place(released):
    copy = submitted(released)
    copy.cells[1:1] = [new_code_cell("one"), new_code_cell("two")]
    copy.cells.append(new_code_cell("three"))
    assert rebuilt(released, copy)[:3] == ["# Title", "one", "two"]
    assert rebuilt(released, copy)[-1] == "three"


def test_cells_are_recognised_without_ids(released):
    copy = submitted(released, answer="b = 1")
    for cell in copy.cells:
        del cell["id"]
    assert rebuilt(released, copy) == ["# Title", "import torch", "b = 1", 'check("a.b", b)', "The end"]


def test_everything_deleted(released):
    assert rebuilt(released, new_notebook()) == ["# Title", "import torch", "", 'check("a.b", b)', "The end"]


def test_changed_kind_of_cell(released):
    copy = submitted(released)
    copy.cells[2] = new_markdown_cell("b = 1", id="answer", metadata=copy.cells[2].metadata)
    copy.cells[3] = new_markdown_cell("nothing", id="check-answer", metadata=copy.cells[3].metadata)
    assert 'check("a.b", b)' in rebuilt(released, copy)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"{", b"null", b"[]", b"{}", b'{"cells": 3}', b"[" * 100_000, b'{"cells": [1]}']
)
def test_damaged_file(released, data):
    found = rebuilt(released, data)
    assert found[0].startswith("**")
    assert found[1:] == ["# Title", "import torch", "", 'check("a.b", b)', "The end"]


def test_huge_file():
    assert "larger than" in read_cells(b" " * (51 << 20))[1]


def test_old_format_and_lines():
    cells, problem = read_cells(json.dumps({"worksheets": [{"cells": [{"cell_type": "code", "input": ["a\n", "b"]}]}]}).encode())
    assert [c.source for c in cells] == ["a\nb"]
    assert problem == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b & c", "a < b & c"),
        ("<script>", "&lt;script>"),
        ("[x](JavaScript:a)", "[x](JavaScript :a)"),
        ("[x](&#106;avascript:a)", "[x](& #106;avascript:a)"),
        ("&colon;", "& colon;"),
        ("$x & y \\\\ z$", "$x & y \\\\ z$"),
    ],
)
def test_harmless_text(text, shown):
    cell = new_markdown_cell(text)
    make_harmless(cell)
    assert cell.source == shown


def test_questions():
    assert [(q.piece, q.expression) for q in questions_in('check("a.b", b)\ncheck("a.c", c)')] == [("a.b", "b"), ("a.c", "c")]
    for source in ("", "x = 1", 'check("a.b")', 'check("a.b", b); print(1)', "check(name, b)", "assert b"):
        with pytest.raises(ValueError, match="may hold only|holds no check"):
            questions_in(source, "cell 'x'")


def test_points_are_shared_by_the_cases():
    half = Report("a", [CaseResult("x", 1, 1), CaseResult("y", 1, 0)])
    assert as_points([half], 5) == 2.5
    assert as_points([half, half], 5) == 2.5
    assert as_points([], 5) == 0
    thirds = Report("a", [CaseResult(str(i), 0.1, 0.1) for i in range(3)])
    assert as_points([thirds], 3) == 3
