"""Every answer kept with an exercise: right ones get full marks, wrong ones lose marks and are told why."""

from pathlib import Path

import pytest

from gpt2lab.grading import all_pieces, find_check
from gpt2lab.grading.bank import hidden_cases, read_bank

SOLUTIONS = Path(__file__).parents[2] / "solutions"
EXERCISES = sorted(p for p in SOLUTIONS.glob("[0-9][0-9]_*") if p.is_dir())
BANK = [(exercise, answer) for exercise in EXERCISES for answer in read_bank(exercise)]
IDS = [f"{exercise.name}-{answer.path.parent.name}-{answer.path.stem}" for exercise, answer in BANK]
HIDDEN = {exercise: hidden_cases(exercise) for exercise in EXERCISES}


@pytest.mark.parametrize(("exercise", "answer"), BANK, ids=IDS)
def test_bank_answer(exercise, answer):
    reports = answer.reports(HIDDEN[exercise])
    said = "\n".join(map(str, reports))
    if not answer.mistake:
        assert all(r.points == r.out_of for r in reports), said
    else:
        assert any(r.points < r.out_of for r in reports), f"no mark lost:\n{said}"
        assert any(answer.mistake in r.mistakes for r in reports), f"{answer.mistake!r} is not named:\n{said}"


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_every_piece_has_right_and_wrong_answers(exercise):
    """At least three right forms and one wrong one a piece; every diagnosis is shown by some wrong answer."""
    answers = read_bank(exercise)
    pieces = {piece for answer in answers for piece in answer.pieces}
    assert pieces, "the bank is empty"
    for piece in sorted(pieces):
        mine = [a for a in answers if piece in a.pieces]
        assert sum(not a.mistake for a in mine) >= 3, f"{piece}: fewer than three right forms"
        assert any(a.mistake for a in mine), f"{piece}: no wrong answer"
        known = {d.name for d in find_check(piece).diagnoses}
        assert {a.mistake for a in mine if a.mistake and len(a.pieces) == 1} <= known, piece


def test_every_piece_can_be_judged():
    """The reference gets full marks from its own check."""
    from gpt2lab.grading.cases import _import_path
    from gpt2lab.grading.report import judge, run_here

    for piece in all_pieces():
        check = find_check(piece)
        report = judge(check, check.cases, run_here(_import_path(check.reference)))
        assert report.points == report.out_of > 0, str(report)
