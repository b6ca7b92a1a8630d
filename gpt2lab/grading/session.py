"""The scorer's side of the sandbox: starts the child, runs a notebook's cells in it, asks its answers, survives its deaths."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from . import plain, sandbox
from .cases import Case

PACKAGE = Path(__file__).parents[1]
FLOORS = (
    "tokenizer", "bpe", "tokenizer_files", "attention", "decoder", "weights", "weight_files", "sampling", "next_token", "reading",
    "beams", "fast_decoder", "finetuning", "lora", "text_data", "losses", "optimizer", "training_run", "quantization", "rounding",
    "quantized_matrices", "quantized_model", "prompting", "prompts", "tasks", "choices", "evaluation", "distillation", "formats",
)  # fmt: skip  (what a chapter's floor stands on and the same exercise asks for comes behind it: away with it)
NOT_IN_CHILD = ("lab", "cli")
GRACE = 3.0  # seconds between the last alarm inside the child and its end
MAX_STARTS = 6


class Died(Exception):
    """The child ended, hung or wrote nonsense; the text says which."""


@dataclass
class CellResult:
    error: str = ""
    output: str = ""

    @property
    def ok(self) -> bool:
        return not self.error


class Session:
    """One submission: `with Session(cells, answers) as session: session.run_cells(); session.ask(...)`.

    cells: the sources of the code cells in order. answers: [{"piece", "expression"}] as the release's check cells ask.
    hidden: folders that must not be seen. When the child dies, the next request starts another one, which runs the same
    cells but for those that killed or outstayed their time.
    """

    def __init__(
        self,
        cells: Iterable[str],
        answers: Iterable[dict] = (),
        hidden: Iterable[str] = (),
        limits: sandbox.Limits | None = None,
        layers: frozenset[str] = sandbox.ALL_LAYERS,
    ):
        self.cells = list(cells)
        self.answers = list(answers)
        self.hidden = [os.path.realpath(p) for p in hidden]
        self.limits = limits or sandbox.Limits()
        self.layers = layers  # fewer only to see what the others hold
        self.held_by: list[str] = []
        self.chapters = sorted({a["piece"].partition(".")[0] for a in self.answers})
        self.results: list[CellResult] = [CellResult() for _ in self.cells]
        self.skip: set[int] = set()
        self.starts = 0
        self.process: subprocess.Popen | None = None
        self.ready = False
        self.began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()

    # --- what the scorer asks -------------------------------------------------------------------------------------

    def run_cells(self) -> dict[str, int]:
        """Run every cell; how many definitions of each piece were found."""
        while not self.ready:
            self._run_cells_once()
        try:
            found = self._request({"do": "found"}, 5)
        except Died:
            return {}
        return {a["piece"]: found[a["piece"]] for a in self.answers if isinstance(found.get(a["piece"]), int)}

    def run_cell(self, index: int, source: str) -> CellResult:
        reply = self._request(
            {"do": "cell", "index": index, "source": source, "seconds": self.limits.cell_seconds}, self.limits.cell_seconds
        )
        return CellResult(str(reply.get("error", "")), str(reply.get("output", "")))

    def ask(self, piece: str, which: int, case: Case, inputs: Any, left: float) -> plain.Outcome:
        """One call of one definition. Died when the process did not survive it."""
        if not self.ready:
            self.run_cells()
        seconds = round(max(0.5, min(case.seconds, left, self.seconds_left())), 1)
        request = {
            "do": "case",
            "piece": piece,
            "which": which,
            "driver": case.driver,
            "inputs": plain.encode(inputs),
            "seconds": seconds,
        }
        reply = self._request(request, seconds)
        try:
            return plain.outcome_from_plain(plain.decode(reply["outcome"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            self.stop()
            raise Died(f"its answer could not be read ({error})") from error

    def seconds_left(self) -> float:
        return self.limits.submission_seconds - (time.monotonic() - self.began)

    # --- the child -------------------------------------------------------------------------------------------------

    def _run_cells_once(self) -> None:
        began = time.monotonic()
        for index, source in enumerate(self.cells):
            if index in self.skip or not source.strip():
                continue
            if time.monotonic() - began > self.limits.cells_seconds or self.seconds_left() < 0:
                self.results[index] = CellResult("not run: the cells before took all the time there is")
                self.skip.add(index)
                continue
            try:
                self.results[index] = self.run_cell(index, source)
                if self.results[index].error.startswith("TimeUp"):
                    self.skip.add(index)  # not a second time, should the cells be run again
            except Died as end:
                self.results[index] = CellResult(f"Stopped: {end}")
                self.skip.add(index)
                return
        if self.process is None:
            self._start()
        self.ready = True

    def _start(self) -> None:
        self.starts += 1
        if self.starts > MAX_STARTS:  # go on with a process that runs nothing of the notebook
            self.skip.update(range(len(self.cells)))
        self.folder = Path(tempfile.mkdtemp(prefix="gpt2lab-"))
        work, runtime = self.folder / "work", self.folder / "runtime"
        work.mkdir()
        copy_package(runtime, self.chapters)
        start = f"import sys; sys.path.insert(0, {str(runtime)!r}); from gpt2lab.grading.child import main; main()"
        self.process = subprocess.Popen(
            sandbox.command([sys.executable, "-I", "-B", "-c", start], runtime, work, self.hidden, self.layers),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=work, env=sandbox.environment(work), start_new_session=True,
        )  # fmt: skip
        self.complaints = b""
        self.replies: queue.Queue = queue.Queue()
        threading.Thread(target=self._listen, args=(self.process, self.replies), daemon=True).start()
        threading.Thread(target=self._hear_complaints, args=(self.process,), daemon=True).start()
        message = {"runtime": str(runtime), "work": str(work), "hidden": self.hidden, "chapters": self.chapters}
        message |= {"answers": self.answers, "limits": dataclasses.asdict(self.limits), "layers": sorted(self.layers)}
        try:
            self._send(message)
            reply = self._receive(60)
        except Died as end:  # no student's code has run yet: the fault is ours
            raise RuntimeError(f"the sandbox did not start ({end}): {self.complaints.decode(errors='replace')[-2000:]}") from end
        self.held_by = reply["held_by"]

    def _request(self, message: dict, seconds: float) -> dict:
        if self.process is None:
            self._start()
        try:
            self._send(message)
            return self._receive(seconds * sandbox.PATIENCE + GRACE)
        except Died:
            self.stop()
            raise

    def _send(self, message: dict) -> None:
        data = json.dumps(message).encode("ascii")
        try:
            self.process.stdin.write(struct.pack(">I", len(data)) + data)
            self.process.stdin.flush()
        except OSError as error:
            raise Died("the process ended") from error

    def _receive(self, seconds: float) -> dict:
        end = time.monotonic() + seconds
        while True:
            try:
                reply = self.replies.get(timeout=0.25)
                break
            except queue.Empty:
                if time.monotonic() > end:
                    raise Died("it ran endlessly and did not heed the alarm") from None
                if folder_size(self.folder / "work", self.limits.folder_size) > self.limits.folder_size:
                    raise Died(f"it wrote more than {self.limits.folder_size >> 20} MB of files") from None
        if isinstance(reply, str):
            raise Died(reply)
        return reply

    def _listen(self, process: subprocess.Popen, replies: queue.Queue) -> None:
        while True:
            try:
                head = process.stdout.read(4)
                size = struct.unpack(">I", head)[0] if len(head) == 4 else 0
                if size > self.limits.answer_size:
                    replies.put(f"its answer is larger than {self.limits.answer_size >> 20} MB")
                    return
                data = process.stdout.read(size)
                reply = json.loads(data) if len(head) == 4 and len(data) == size else None
            except (ValueError, RecursionError, OSError):
                reply = {}
            if not isinstance(reply, dict):
                replies.put("the process ended (exit, out of memory, or a crash)")
                return
            replies.put(reply)
            if not reply:
                return

    def _hear_complaints(self, process: subprocess.Popen) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := process.stderr.read1(4096):
                self.complaints = (self.complaints + data)[-8192:]

    def stop(self) -> None:
        """End the child and remove its files."""
        self.ready = False
        if self.process is None:
            return
        process, self.process = self.process, None
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def copy_package(runtime: Path, chapters: list[str]) -> None:
    """The part of gpt2lab that a graded answer may use: floors below the exercise's own, and the drivers of its cases."""
    own = min((FLOORS.index(c) for c in chapters if c in FLOORS), default=0)
    absent = FLOORS[own:] + NOT_IN_CHILD
    target = runtime / "gpt2lab"
    (target / "grading" / "checks").mkdir(parents=True)
    for path in PACKAGE.glob("*.py"):
        if path.stem not in absent:
            shutil.copy(path, target)
    for path in (PACKAGE / "grading").glob("*.py"):
        shutil.copy(path, target / "grading")
    checks = PACKAGE / "grading" / "checks"
    for name in ("__init__", *chapters):
        if (checks / name).is_dir():  # a chapter whose checks fill several files
            shutil.copytree(checks / name, target / "grading" / "checks" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(checks / f"{name}.py", target / "grading" / "checks")


def folder_size(folder: Path, enough: int) -> int:
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (
                    os.lstat(os.path.join(where, name)).st_blocks * 512
                    if os.name == "posix"
                    else os.path.getsize(os.path.join(where, name))
                )
        if total > enough:
            break
    return total
