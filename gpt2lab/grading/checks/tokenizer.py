"""Checks of chapter 01: the byte-level BPE tokenizer."""

from __future__ import annotations

from ..cases import Case, Check, Diagnosis, args
from ..compare import exact


def _chr_of_byte() -> dict[int, str]:
    return {b: chr(b) for b in range(256)}


BYTES_TO_UNICODE = Check(
    piece="tokenizer.bytes_to_unicode",
    section="1.3",
    reference="gpt2lab.tokenizer:bytes_to_unicode",
    cases=(
        Case("all 256 bytes", lambda rng: args(), points=2, compare=exact()),
    ),
    diagnoses=(
        Diagnosis(
            "bytes mapped with chr(b)",
            "a space, a line break and the control characters stay invisible and would be lost when a vocabulary file is split at white space.",
            section="1.3",
            variant=_chr_of_byte,
        ),
        Diagnosis(
            "keys and values swapped",
            "the table goes from a byte's number to its character.",
            section="1.3",
            when=lambda inputs, expected, got: got.value == {c: b for b, c in expected.value.items()},
        ),
    ),
)

CHECKS = (BYTES_TO_UNICODE,)
