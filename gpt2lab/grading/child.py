"""The process that runs a student's code. It answers one request at a time over pipes, in JSON, and knows no right answers.

Requests: start, cell, case. A request's reply is the only thing the parent believes, and it believes it about the
student's answers only: scores are made elsewhere.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import io
import json
import linecache
import os
import signal
import struct
import sys
import types
from typing import Any, BinaryIO

from . import cases, plain, report, sandbox

KEEP_OUTPUT = 10_000  # characters of what a cell prints
KEEP_ANSWERS = 4  # definitions of one piece: the last ones count


class TimeUp(BaseException):
    """Not an Exception, so that `except Exception` in an answer does not swallow it."""


class Output(io.TextIOBase):
    """What a cell prints: the beginning is kept, the rest is forgotten."""

    encoding, errors = "utf-8", "replace"

    def __init__(self) -> None:
        self.text, self.lost = "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        room = KEEP_OUTPUT - len(self.text)
        self.text += text[:room]
        self.lost += max(0, len(text) - room)
        return len(text)

    def take(self) -> str:
        text = self.text + (f"\n... and {self.lost:,} characters more\n" if self.lost else "")
        self.text, self.lost = "", 0
        return text


class Magics:
    """Stands where IPython's shell would: `%matplotlib inline`, `!pip install` and `?name` do nothing here."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


class Child:
    def __init__(self, answers: list[dict]) -> None:
        self.answers = [a for a in answers]  # {"piece", "expression"}: what each check cell of the release asks for
        self.found: dict[str, list[Any]] = {a["piece"]: [] for a in answers}
        self.output = Output()
        self.namespace = self._main_module()

    def _main_module(self) -> dict[str, Any]:
        main = types.ModuleType("__main__")
        main.__dict__.update(__builtins__=builtins, get_ipython=Magics)
        with contextlib.suppress(ImportError):
            from IPython.display import display

            main.__dict__["display"] = display
        sys.modules["__main__"] = main
        return main.__dict__

    def cell(self, index: int, source: str, seconds: float) -> dict:
        name = f"<cell {index}>"
        error = ""
        try:
            with time_limit(seconds):
                source = plain_python(source)
                linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
                exec(compile(source, name, "exec"), self.namespace)  # noqa: S102  what this process is for
        except TimeUp:
            error = f"TimeUp: the cell ran longer than {seconds:g} s"
        except BaseException as problem:  # noqa: BLE001
            error = describe(problem, name)
        self._look_for_answers()
        return {"error": error, "output": self.output.take()}

    def _look_for_answers(self) -> None:
        for answer in self.answers:
            found = self.found[answer["piece"]]
            name = answer["expression"]
            if name.isidentifier():
                value = self.namespace.get(name)
            else:
                try:
                    value = eval(name, self.namespace)
                except BaseException:  # noqa: BLE001, S112  not defined yet, or never
                    continue
                if found and type(found[-1]) is type(value) and "lambda" in name:
                    continue  # a lambda in a check cell is a new object each time
            if value is not None and not any(value is other for other in found):
                found.append(value)
                del found[:-KEEP_ANSWERS]

    def case(self, piece: str, which: int, driver: str, inputs: Any, seconds: float) -> plain.Outcome:
        """`which`: 0 is the last definition in the notebook, 1 the one before it, ..."""
        answer = self.found[piece][-1 - which]
        try:
            with time_limit(seconds):
                outcome = cases.drive(driver, answer, inputs)
            if "TimeUp" in outcome.error:
                raise TimeUp
            return outcome
        except TimeUp:
            return plain.Outcome(error=("TimeUp",), message=f"it ran longer than {seconds:g} s")


@contextlib.contextmanager
def time_limit(seconds: float):
    """Raise TimeUp in the main thread after so many seconds of computing, or PATIENCE times as many on the clock.

    Counting computing time, a busy machine takes no marks away. The parent kills what does not heed the alarm.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number, frame):
        raise TimeUp

    for alarm, timer, limit in (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, seconds * sandbox.PATIENCE),
    ):
        signal.signal(alarm, stop)
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def plain_python(source: str) -> str:
    """Notebook source -> Python: IPython's own translation of magics, where IPython is installed."""
    try:
        ast.parse(source)
        return source
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return TransformerManager().transform_cell(source)


def describe(problem: BaseException, name: str) -> str:
    line = 0
    if isinstance(problem, SyntaxError):
        line = problem.lineno or 0
    trace = problem.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    outcome = plain.Outcome.of_error(problem)
    message = problem.msg if isinstance(problem, SyntaxError) else outcome.message
    return f"{outcome.error[0]}: {str(message)[:500]}" + (f" (line {line} of the cell)" if line else "")


def check_later(piece: str, answer: Any) -> report.Report:
    """What `check` is while graded: the scorer asks the questions, after all cells have run."""
    return report.Report(piece, note="checked by the scorer")


def main() -> None:
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    start = read_message(requests)
    installed = ("site-packages", "dist-packages")  # there a second gpt2lab may stand beside torch: the runtime's comes first
    others = (p for p in sys.path if p.endswith(installed) or not os.path.isdir(os.path.join(p, "gpt2lab")))
    sys.path[:] = [start["runtime"], *(p for p in others if p != start["runtime"])]
    with contextlib.suppress(ImportError):  # while the disk can still be read freely: a second less for every cell
        import IPython.core.inputtransformer2  # noqa: F401
    for chapter in start["chapters"]:
        importlib.import_module(f"gpt2lab.grading.checks.{chapter}")  # their drivers
    os.chdir(start["work"])
    limits = sandbox.Limits(**start["limits"])
    held_by = sandbox.enter(limits, start["runtime"], start["work"], start["hidden"], frozenset(start["layers"]))
    sys.modules["gpt2lab.grading"].check = check_later
    child = Child(start["answers"])
    sys.stdout = sys.stderr = child.output
    write_message(replies, {"ready": True, "held_by": held_by})
    while (request := read_message(requests)) is not None:
        write_message(replies, answer_to(child, request))


def answer_to(child: Child, request: dict) -> dict:
    try:
        if request["do"] == "cell":
            return child.cell(request["index"], request["source"], request["seconds"])
        if request["do"] == "found":
            return {piece: len(found) for piece, found in child.found.items()}
        outcome = child.case(
            request["piece"], request["which"], request["driver"], plain.decode(request["inputs"]), request["seconds"]
        )
        return {"outcome": plain.encode(plain.outcome_to_plain(outcome))}
    except BaseException as problem:  # noqa: BLE001  a late alarm, or an answer that cannot be written down
        outcome = plain.Outcome.of_error(problem)
        return {"error": outcome.error[0], "output": "", "outcome": plain.encode(plain.outcome_to_plain(outcome))}


def read_message(stream: BinaryIO) -> dict | None:
    head = stream.read(4)
    if len(head) < 4:
        return None
    return json.loads(stream.read(struct.unpack(">I", head)[0]))


def write_message(stream: BinaryIO, message: dict) -> None:
    data = json.dumps(message).encode("ascii")
    stream.write(struct.pack(">I", len(data)) + data)
    stream.flush()
