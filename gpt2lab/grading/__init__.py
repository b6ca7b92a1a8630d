"""Checks that say what is wrong with an answer, and the scorer behind `nbgrader autograde`.

    from gpt2lab.grading import check
    check("attention.causal_mask", causal_mask)

How to write a check
--------------------
A check is data, in `CHECKS` of `gpt2lab/grading/checks/<chapter>.py`, or of the folder `<chapter>/` where one file would be long:

    Check(
        piece="attention.causal_mask",               # chapter module, dot, name
        section="2.5",
        reference="gpt2lab.attention:causal_mask",   # a text: imported only by whoever judges
        cases=(
            Case("three tokens", lambda rng: args(3), compare=exact()),
            Case("with a cache", lambda rng: args(2, 5), points=2, compare=exact()),
            Case("not negative", lambda rng: args(-1), compare=raises("ValueError", mentions=("-1",))),
        ),
        diagnoses=(
            Diagnosis("triu for tril", "tokens see the future and not the past.", section="2.5",
                      variant=lambda T, S=None: torch.ones(T, S or T).triu().bool()),
            Diagnosis("float mask", "True and False are wanted, not 0.0 and 1.0.", section="2.5",
                      when=lambda inputs, expected, got: got.value.dtype.kind == "f"),
        ),
    )

- `inputs(rng)` returns plain data: None, numbers, text, bytes, lists, tuples, dicts, numpy arrays. `args(*a, **k)` for a
  plain call; numpy arrays reach the piece as tensors (keep them float32: `rng.normal(size=...).astype("float32")`).
- `compare`: `close(rtol, atol, names=("out", "weights"))`, `exact(names=...)`, `raises(kind, mentions)`, or any function
  `(inputs, expected, got) -> None | "what is wrong"` where expected and got are `Outcome`s (`.ok .value .error .message`):
  for a property such as "token 3 changed when token 4 was edited".
- A class, or anything that is not one call, needs a driver in the same file; all of it runs where the learner's code runs:

      @driver("attention.module")
      def _module(piece, inputs):                    # piece: the learner's class; inputs: plain data
          module = piece(SimpleNamespace(**inputs["config"])).eval()
          module.load_state_dict(as_tensors(inputs["weights"]))
          return {"out": module(as_tensors(inputs["x"]))}

      Case("one layer", make_inputs, driver="attention.module")

  The reference and the diagnoses' variants go through the same driver. A dict that a driver returns names its entries in
  the report: `out[0, 1]`.
- A module of checks imports lower floors at most, never its own chapter's: where a student's code is graded, that floor
  and the ones above it do not exist.
- A diagnosis matches when its `variant` does the same as the learner's piece on a failing case and is wrong there too, or
  when `when(...)` is true. Give cases that separate: sizes that differ from each other, gain not 1, bias not 0.
- `smaller(rng)`: yields easier inputs, smallest first, for "the smallest input on which it fails"; for a plain call texts
  and lists are cut down without it.
- Points: those of the cases; nbgrader's cell gets `its points * earned / total` over visible and hidden cases.

Hidden cases: `solutions/NN_topic/hidden_cases.py` with `HIDDEN = {"attention.causal_mask": (Case(...), ...)}`. They use the
drivers and diagnoses of the visible check.

The bank: `solutions/NN_topic/bank/right/*.py` and `bank/wrong/*.py`, plain Python files that define pieces. First line
`# piece: attention.causal_mask` (several: separate them with commas); in `wrong/` the second line is `# mistake: <name of
the diagnosis>`. Each piece is the global called like the last part of the piece's name. `tests/grading/test_banks.py`
runs all of it.
"""

from __future__ import annotations

from typing import Any

from .cases import Case, Check, Diagnosis, args, as_tensors, driver
from .checks import all_pieces, find_check
from .compare import close, exact, raises
from .plain import Outcome
from .report import Report, judge, run_here

__all__ = [
    "Case", "Check", "Diagnosis", "Outcome", "Report", "all_pieces", "args", "as_tensors",
    "check", "close", "driver", "exact", "find_check", "raises", "sandbox_report",
]  # fmt: skip


def check(piece: str, answer: Any) -> Report:
    """Run the visible cases of a piece on your answer, print what is right and what is wrong, and return the report."""
    found = find_check(piece)
    report = judge(found, found.cases, run_here(answer))
    if str(getattr(answer, "__module__", "")).startswith("gpt2lab."):
        report.note = "This is the package's own version. Where answers are graded it cannot be imported: write your own."
    print(report)
    return report


def __getattr__(name: str) -> Any:
    if name == "sandbox_report":  # for `gpt2lab doctor`; a learner's notebook has no use for it
        from .protection import sandbox_report

        return sandbox_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
