"""The diagnoses of the exercises: each mistake is told from the others, shown in the bank, and explained in the chapter."""

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
CHAPTERS = {"tokenizer": "01_tokenizer", "attention": "02_attention", "decoder": "03_decoder", "weights": "04_weights",
            "sampling": "05_sampling", "finetuning": "06_finetuning", "quantization": "07_quantization", "prompting": "08_prompting"}  # fmt: skip
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


# Mistakes that learners of such a course are known to make; the bank may lose none of them.
LISTED = {
    "tokenizer.bytes_to_unicode": ["bytes mapped with chr(b)"],
    "tokenizer.pretokenize": [".split() loses leading spaces", "ASCII-only pattern", r"\s+(?!\S) is missing"],
    "tokenizer.train_merges": ["only the first occurrence merged", "merged from the right", "merges across pre-token borders",
                               "tie-break left to dict order"],
    "tokenizer.merge_by_rank": ["merged by frequency in the text at hand", "only the first occurrence merged", "merged from the right"],
    "tokenizer.encode": ["special token in user text always honoured", "merges across pre-token borders"],
    "tokenizer.decode": ["each token decoded as UTF-8 by itself"],
    "decoder.embed": ["wpe[token_id]", "positions from 1", "concatenated instead of added", "clipped beyond n_positions",
                      "wrapped beyond n_positions", "position restarts at 0"],
    "attention.causal_mask": ["no mask", "triu for tril", "strict tril", "one future token visible", "no offset with a cache"],
    "attention.scaled_dot_product_attention": ["no 1/sqrt(d_head)", "sqrt(d_model)", "d_head without root", "no mask", "softmax over queries",
                                               "mask after the softmax without renormalising", "filled with 0 instead of -inf"],
    "attention.split_heads": ["heads split by view without transpose", "heads interleaved"],
    "attention.merge_heads": ["heads merged by view without transpose"],
    "attention.CausalSelfAttention": ["q, k, v in the wrong order", "c_proj forgotten", "dropout active in eval", "mask not sliced"],
    "attention.attend_with_cache": ["no offset with a cache", "cache on the wrong axis"],
    "decoder.LayerNorm": ["ddof=1", "eps outside the root", "eps 1e-12", "wrong axis: over the tokens", "no gain or bias", "RMSNorm"],
    "decoder.gelu": ["erf GELU"],
    "decoder.MLP": ["erf GELU"],
    "decoder.Block": ["post-LN", "residual from the normalised x", "one LN for both sublayers"],
    "decoder.GPT2": ["no ln_f", "head copied, not tied"],
    "decoder.next_token_loss": ["no shift", "shifted twice"],
    "weights.conv1d_to_linear": ["square c_proj not transposed"],
    "weights.tie_head": ["lm_head copied, not tied"],
    "weights.load_weights": ["missing keys hidden by strict=False", "square c_proj not transposed"],
    "sampling.temperature_probs": ["temperature multiplies", "T=0 divides by zero", "temperature after the softmax"],
    "sampling.top_p_filter": ["top-p drops the token that crosses p", "top-p leaves nothing", "no un-sort after top-p"],
    "sampling.next_token_probs": ["no renormalisation"],
    "sampling.apply_repetition_penalty": ["penalty divides negative logits", "penalty once per occurrence"],
    "sampling.beam_step": ["beam adds probabilities", "finished beams keep growing"],
    "sampling.left_pad_positions": ["position restarts at 0", "left padding with plain arange positions"],
    "sampling.cache_step": ["cache on the wrong axis", "beams not reordered"],
    "finetuning.shift_targets": ["no shift", "shifted twice", "pads are targets"],
    "finetuning.token_mean_loss": ["pads counted in the mean", "mean of micro-batch means", "shifted twice"],
    "finetuning.adamw_step": ["L2 through the gradient", "no bias correction", "eps inside the root", "decay after the step"],
    "finetuning.lr_at": ["warm-up one step early", "cosine that ends at the wrong step"],
    "finetuning.clip_gradients": ["each tensor clipped by its own norm", "scales small gradients up", "norms added up"],
    "finetuning.step_gradients": ["clip per micro-batch", "clipped after every micro-batch", "mean of micro-batch means"],
    "finetuning.LoRALinear": ["both A and B random", "alpha instead of alpha / r", "base not frozen", "merged twice",
                              "A and B the wrong way round"],
    "quantization.quantize_symmetric": ["scale max/128", "truncation for rounding", "wrong channel axis", "all-zero row divides by zero"],
    "quantization.quantize_asymmetric": ["zero point not rounded", "zero point not clamped"],
    "quantization.dequantize_per_channel": ["wrong channel axis: the last", "wrong channel axis: the first"],
    "quantization.int8_linear": ["accumulating in int8", "scales applied before the sum", "only the scale of x", "only the scale of the weight"],
    "quantization.fake_quantize": ["gradient zero through round", "gradient not cut at the clamp"],
    "prompting.few_shot_prompt": ["trailing space left", "label leaked into the query line", "order reversed"],
    "prompting.choice_log_likelihoods": ["prompt tokens counted", "off by one position", "mean instead of sum", "only the first token counts"],
    "prompting.normalised_choice": ["softmax over choices before normalising", "dividing by characters for bytes"],
    "prompting.calibrate": ["calibration subtracting probabilities", "not renormalised"],
    "prompting.shots_that_fit": ["truncation from the wrong end", "truncation in the middle of an example", "the query is cut"],
    "prompting.icl_accuracy": ["the simple interval, p +- z sqrt(p (1 - p) / n)"],
}  # fmt: skip


@pytest.mark.parametrize("piece", LISTED)
def test_the_bank_has_the_listed_mistakes(piece):
    assert set(LISTED[piece]) <= {answer.mistake for answer in WRONG if answer.pieces == (piece,)}


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
