"""A check as data: `Check`, `Case`, `Diagnosis`, the inputs of a call, and the drivers that make the call."""

from __future__ import annotations

import copy
import functools
import importlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .compare import Comparison, close, same_outcome, show
from .plain import Outcome, to_plain

Inputs = Any  # plain data; what it holds is between the case and its driver
Driver = Callable[[Any, Inputs], Any]

DRIVERS: dict[str, Driver] = {}


@dataclass(frozen=True, eq=False)  # compared by identity, so that outcomes can be remembered by it
class Diagnosis:
    """A mistake we know. Give `variant` (a wrong version of the piece, itself or as "module:name": same signature, run
    through the same driver; it matches when it does the same as the learner's) or `when(inputs, expected, got) -> bool`, or both (either matches).
    """

    name: str  # short, as in the bank: "no mask"
    says: str  # one sentence for the learner: "every token also attends to the ones after it."
    section: str = ""  # "2.5"
    variant: Any = None
    when: Callable[[Inputs, Outcome, Outcome], bool] | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """One named question to a piece."""

    name: str
    inputs: Callable[[np.random.Generator], Inputs]  # the generator is seeded from piece, name and `seed`
    points: float = 1.0
    compare: Comparison = field(default_factory=close)
    driver: str = "call"
    seed: int = 0
    seconds: float = 10.0  # longest honest answer, on a slow machine
    smaller: Callable[[np.random.Generator], Iterable[Inputs]] | None = None  # easier inputs, smallest first
    reference: Any = None  # overrides the check's
    hidden: bool = False  # set by the loader of hidden cases


@dataclass(frozen=True, eq=False)
class Check:
    """Everything known about one piece. `reference` is "module:name", imported only when a case is judged."""

    piece: str  # "attention.causal_mask"
    reference: Any
    cases: tuple[Case, ...]
    diagnoses: tuple[Diagnosis, ...] = ()
    section: str = ""  # where the lesson builds it

    @property
    def title(self) -> str:
        return self.piece.rpartition(".")[2]


def args(*positional: Any, **named: Any) -> Inputs:
    """The inputs of the driver "call": `args(q, k, v, mask=m)`. numpy arrays arrive as tensors."""
    return {"args": tuple(positional), "kwargs": named}


def driver(name: str) -> Callable[[Driver], Driver]:
    """Register `drive(piece, inputs) -> plain data, tensors or arrays` under a name that a case can give."""

    def register(function: Driver) -> Driver:
        DRIVERS[name] = function
        return function

    return register


@driver("call")
def call(piece: Any, inputs: Inputs) -> Any:
    return piece(*as_tensors(inputs["args"]), **as_tensors(inputs["kwargs"]))


def as_tensors(value: Any) -> Any:
    """numpy arrays -> tensors, all the way down; everything else as it is."""
    if isinstance(value, np.ndarray):
        import torch  # only when a case has arrays

        return torch.from_numpy(value.copy())
    if isinstance(value, list | tuple):
        return type(value)(as_tensors(v) for v in value)
    if isinstance(value, dict):
        return {k: as_tensors(v) for k, v in value.items()}
    return value


def drive(case_driver: str, piece: Any, inputs: Inputs) -> Outcome:
    """One call, every error caught but the learner's own Ctrl-C. The inputs are copied: a piece may change its own."""
    try:
        return Outcome(to_plain(DRIVERS[case_driver](piece, copy.deepcopy(inputs))))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  SystemExit too: `sys.exit()` in an answer is an answer like any other
        return Outcome.of_error(error)


def make_inputs(check: Check, case: Case) -> Inputs:
    return to_plain(case.inputs(_rng(check, case)))


def make_smaller(check: Check, case: Case) -> list[Inputs]:
    return [to_plain(i) for i in case.smaller(_rng(check, case))] if case.smaller else []


def _rng(check: Check, case: Case) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(check.piece.encode()), zlib.crc32(case.name.encode()), case.seed])


@functools.cache
def _import_path(path: str) -> Any:
    module, _, name = path.partition(":")
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def reference_of(check: Check, case: Case) -> Any:
    reference = check.reference if case.reference is None else case.reference
    return _import_path(reference) if isinstance(reference, str) else reference


@functools.lru_cache(maxsize=2000)
def prepared(check: Check, case: Case) -> tuple[Inputs, Outcome]:
    """The inputs of a case and the right outcome: the same for a whole class, so worked out once."""
    inputs = make_inputs(check, case)
    return inputs, drive(case.driver, reference_of(check, case), inputs)


def matching(check: Check, case: Case, got: Outcome) -> list[Diagnosis]:
    """The known mistakes that would have given this wrong outcome."""
    return [d for d in check.diagnoses if _matches(check, case, d, got)]


def _matches(check: Check, case: Case, diagnosis: Diagnosis, got: Outcome) -> bool:
    inputs, expected = prepared(check, case)
    if diagnosis.when is not None:
        try:
            if diagnosis.when(inputs, expected, got):
                return True
        except Exception:  # noqa: BLE001, S110  a predicate meets every kind of wrong answer: one it cannot read is no match
            pass
    if diagnosis.variant is None:
        return False
    theirs = _outcome_of_variant(check, case, diagnosis)
    return theirs is not None and same_outcome(theirs, got)


@functools.lru_cache(maxsize=20_000)
def _outcome_of_variant(check: Check, case: Case, diagnosis: Diagnosis) -> Outcome | None:
    """None where the mistake makes no difference on the inputs of this case, so that it explains nothing."""
    inputs, expected = prepared(check, case)
    variant = _import_path(diagnosis.variant) if isinstance(diagnosis.variant, str) else diagnosis.variant
    theirs = drive(case.driver, variant, inputs)
    return None if compare(case, inputs, expected, theirs) is None else theirs


def compare(case: Case, inputs: Inputs, expected: Outcome, got: Outcome) -> str | None:
    """`case.compare`, where an answer of a form that it cannot read is a wrong answer."""
    try:
        return case.compare(inputs, expected, got)
    except Exception:  # noqa: BLE001
        return f"the answer has another form than expected: {show(got.value)}"
