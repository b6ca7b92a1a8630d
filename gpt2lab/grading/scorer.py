"""Scoring a rebuilt notebook: its code runs in the sandbox, its answers come out as data, the marks are made here."""

from __future__ import annotations

import ast
import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path

from .bank import hidden_cases
from .cases import Case, Check, Inputs
from .checks import find_check
from .plain import Outcome
from .report import CaseResult, Report, judge
from .sandbox import Limits
from .session import CellResult, Died, Session


@dataclass(frozen=True)
class Question:
    """One `check("piece", expression)` of a check cell."""

    piece: str
    expression: str


@dataclass
class Score:
    """What came of one notebook. `reports` by piece, `cells` one per source given, `problem` for the whole."""

    reports: dict[str, Report] = field(default_factory=dict)
    cells: list[CellResult] = field(default_factory=list)
    seconds: float = 0.0


def questions_in(source: str, name: str = "this cell") -> list[Question]:
    """The checks in a released check cell, which may hold nothing else. ValueError for the instructor otherwise."""
    found = []
    for statement in ast.parse(source).body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        is_check = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "check"
        if not is_check or len(call.args) != 2 or call.keywords or not isinstance(call.args[0], ast.Constant):
            raise ValueError(f'{name} may hold only lines of the form check("piece", answer), it has: {ast.unparse(statement)!r}')
        found.append(Question(str(call.args[0].value), ast.unparse(call.args[1])))
    if not found:
        raise ValueError(f'{name} holds no check("piece", answer): nobody could get its points')
    return found


def score(sources: list[str], questions: list[Question], exercise: Path, hide: list[str], limits: Limits | None = None) -> Score:
    """Run the code cells of one notebook and judge its pieces over visible and hidden cases.

    exercise: the folder in `solutions/` with the hidden cases. hide: folders the student's code must not see.
    """
    hidden = hidden_cases(exercise)
    answers = [{"piece": q.piece, "expression": q.expression} for q in questions]
    result = Score()
    began = time.monotonic()
    with Session(sources, answers, hide, limits) as session:
        found = session.run_cells()
        for question in questions:
            check = find_check(question.piece)
            cases = check.cases + hidden.get(question.piece, ())
            result.reports[question.piece] = _score_piece(session, check, cases, question, min(found.get(question.piece, 0), 4))
        result.cells = session.results
    result.seconds = time.monotonic() - began
    return result


def _score_piece(session: Session, check: Check, cases: tuple[Case, ...], question: Question, definitions: int) -> Report:
    """The best of the definitions found, the last one first: an experiment left behind in the notebook costs nothing."""
    best = None
    for which in range(definitions):
        report = judge(check, cases, _Asking(session, check.piece, which))
        if best is None or report.points > best.points:
            best = report
        if best.points == best.out_of:
            break
    if best is None:
        results = [CaseResult(c.name, c.points, 0.0, c.hidden, problem="not run") for c in cases]
        best = Report(check.title, results, note=f"There is no {question.expression} when all cells of the notebook have run.")
    return best


class _Asking:
    """Asks one definition of a piece in the sandbox, as long as it answers in time."""

    def __init__(self, session: Session, piece: str, which: int):
        self.session, self.piece, self.which = session, piece, which
        self.left = session.limits.piece_seconds
        self.given_up = ""

    def __call__(self, case: Case, inputs: Inputs) -> Outcome:
        if not self.given_up and (self.left <= 0 or self.session.seconds_left() <= 0):
            self.given_up = "the time for this piece is used up"
        if self.given_up:
            return Outcome(error=("NotRun",), message=self.given_up)
        began = time.monotonic()
        try:
            outcome = _trusted(self.session.ask(self.piece, self.which, case, inputs, self.left))
        except Died as end:
            self.given_up = "an earlier case ended the process"
            outcome = Outcome(error=("Stopped",), message=str(end))
        self.left -= time.monotonic() - began
        return outcome


def _trusted(outcome: Outcome) -> Outcome:
    """The names that have a meaning for the scorer are its own: a student's class may be called like one, with any text."""
    if not outcome.ok and outcome.error[0] == "TimeUp":
        return dataclasses.replace(outcome, message="it ran out of time")
    if not outcome.ok and outcome.error[0] in ("Stopped", "NotRun"):
        return dataclasses.replace(outcome, error=("Exception",))
    return outcome


def as_points(reports: list[Report], points: float) -> float:
    """The share of a cell's points that its reports earn; never more than there are, nothing for nothing."""
    out_of = sum(r.out_of for r in reports)
    if not out_of:
        return 0.0
    return round(min(points, points * sum(r.points for r in reports) / out_of), 4)
