"""The diagnoses of exercises 01 to 03: each mistake is told from the others, shown in the bank, and explained in the chapter."""

import re
from pathlib import Path

import nbformat
import pytest

from gpt2lab.grading import all_pieces, find_check
from gpt2lab.grading.bank import hidden_cases, read_bank
from gpt2lab.grading.cases import _import_path
from gpt2lab.grading.modules import NO_SUPER, NOTHING_RETURNED
from gpt2lab.grading.report import judge, run_here

ROOT = Path(__file__).parents[2]
CHAPTERS = {"tokenizer": "01_tokenizer", "attention": "02_attention", "decoder": "03_decoder"}
PIECES = [piece for piece in all_pieces() if piece.partition(".")[0] in CHAPTERS]
WRONG = [answer for name in CHAPTERS.values() for answer in read_bank(ROOT / "solutions" / name) if answer.mistake]


def chapter_of(piece: str) -> str:
    return CHAPTERS[piece.partition(".")[0]]


def all_cases(piece: str):
    return find_check(piece).cases + hidden_cases(ROOT / "solutions" / chapter_of(piece)).get(piece, ())


@pytest.mark.parametrize("piece", PIECES)
def test_each_mistake_is_told_from_the_others(piece):
    """Whoever makes one known mistake sees it in the visible cases, and is told of that one alone."""
    check = find_check(piece)
    for diagnosis in check.diagnoses:
        if diagnosis.variant is None:
            continue
        report = judge(check, all_cases(piece), run_here(_import_path(diagnosis.variant)))
        assert report.mistakes == [diagnosis.name], f"{diagnosis.name}\n{report}"
        assert any(r.problem and not r.hidden for r in report.results), f"only hidden cases see {diagnosis.name!r}"
        unnamed = [r.name for r in report.results if r.problem and not r.mistake]
        assert not unnamed, f"{diagnosis.name}: {unnamed}"


@pytest.mark.parametrize("answer", WRONG, ids=lambda a: f"{a.path.parts[-4]}-{a.path.stem}")
def test_a_wrong_answer_hears_of_its_own_mistake_first(answer):
    piece = answer.pieces[0]
    report = answer.reports(hidden_cases(ROOT / "solutions" / chapter_of(piece)))[0]
    visible = [r for r in report.results if r.problem and not r.hidden]
    assert visible, f"the learner sees nothing wrong:\n{report}"
    assert visible[0].mistake, f"the first wrong case has no cause:\n{report}"
    assert visible[0].mistake.name == answer.mistake, str(report)


@pytest.mark.parametrize("piece", PIECES)
def test_each_diagnosis_has_a_wrong_answer(piece):
    """So that no diagnosis is only a wish."""
    shown = {answer.mistake for answer in WRONG if answer.pieces == (piece,)}
    diagnoses = [d for d in find_check(piece).diagnoses if d not in (NOTHING_RETURNED, NO_SUPER)]
    known = {diagnosis.name for diagnosis in diagnoses if not diagnosis.name.startswith("two mistakes: ")}
    assert known <= shown
    assert shown <= {diagnosis.name for diagnosis in find_check(piece).diagnoses}


@pytest.mark.parametrize("piece", PIECES)
def test_sections_exist(piece):
    """Every section that a learner is sent to is a heading of the chapter."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter_of(piece)}.ipynb", as_version=4)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = set(re.findall(r"^## (\d+\.\d+) ", prose, re.MULTILINE))
    check = find_check(piece)
    named = {check.section, *(d.section for d in check.diagnoses if d not in (NOTHING_RETURNED, NO_SUPER))}
    assert named <= headings, named - headings


@pytest.mark.parametrize("name", CHAPTERS.values())
def test_sections_linked_in_the_exercise_exist(name):
    exercise = nbformat.read(ROOT / "solutions" / name / f"{name}.ipynb", as_version=4)
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    linked = set(re.findall(r"\[(?:section )?(\d+\.\d+)\]\(", "\n".join(cell.source for cell in exercise.cells)))
    headings = set(re.findall(r"^## (\d+\.\d+) ", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE))
    assert len(linked) >= 4
    assert linked <= headings, linked - headings
    for target in re.findall(r"\]\(([^)]+\.ipynb)\)", "\n".join(cell.source for cell in exercise.cells)):
        assert (ROOT / "solutions" / name / target).resolve().exists(), target
