"""Beam search: Hugging Face's texts, token for token; and against trying every text there is."""
from __future__ import annotations

import itertools

import pytest
import torch
from sampling_twins import PAD, left_padded, texts, twins

from gpt2lab.sampling import beam_search, generate

TWINS = [twins(1, std) for std in (0.8, 0.3, 0.5)]        # surer and less sure
STOPS = {"none": None, "one": 8, "several": [2, 4, 8, 10, 14, 19]}      # tokens that these models like


def theirs_and_ours(pair, ids, mask=None, **settings):
    ours, theirs = pair
    mask = torch.ones_like(ids) if mask is None else mask
    with torch.no_grad():
        expected = theirs.generate(ids, attention_mask=mask, do_sample=False, pad_token_id=PAD, **settings)
    return expected, generate(ours, ids, attention_mask=mask, pad_token_id=PAD, **settings)


@pytest.mark.parametrize("stops", STOPS)
@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("length_penalty", [-1.0, 0.0, 0.6, 1.0, 2.0])
def test_beams_are_hugging_faces(length_penalty, early_stopping, stops):
    """1 to 8 beams for each setting; models and prompts take turns, two prompts at a time."""
    for num_beams in range(1, 9):
        settings = dict(num_beams=num_beams, max_new_tokens=14, eos_token_id=STOPS[stops])
        if num_beams > 1:
            settings |= dict(length_penalty=length_penalty, early_stopping=early_stopping)
        if 7 * num_beams > 40 and stops == "several":
            continue                       # 1 + 6 stop tokens: more candidates a step than the vocabulary has
        expected, found = theirs_and_ours(TWINS[num_beams % 3], texts(2, 4, seed=num_beams), **settings)
        assert torch.equal(found, expected), num_beams


@pytest.mark.parametrize("num_beams", [2, 3, 5, 8])
@pytest.mark.parametrize("penalty", [1.3, 0.7])
def test_penalised_beams_are_hugging_faces(num_beams, penalty):
    expected, found = theirs_and_ours(TWINS[0], texts(2, 6), num_beams=num_beams, repetition_penalty=penalty, max_new_tokens=20, eos_token_id=8)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_left_padded_beams_are_hugging_faces(penalty):
    ids, mask, _ = left_padded([2, 7, 4])
    expected, found = theirs_and_ours(TWINS[1], ids, mask, num_beams=4, repetition_penalty=penalty, max_new_tokens=20, eos_token_id=[8, 10])
    assert torch.equal(found, expected)


def test_the_stops_matter_in_these_comparisons():
    """Were no text to end early, the rules about ended texts would be compared with nothing."""
    lengths = {len(beam_search(ours, texts(1, 4, seed), 4, max_new_tokens=14, eos_token_id=STOPS["several"]).hypotheses[0][0].ids)
               for ours, _ in TWINS for seed in range(6)}
    assert len(lengths) >= 4 and min(lengths) < 14


def test_wide_enough_beams_find_the_best_text_there_is():
    ours, _ = twins(4, vocab_size=40)
    ids, steps, V = texts(1, 3), 2, 40
    with torch.no_grad():
        first = ours(ids).logits[0, -1].log_softmax(-1)
        second = ours(torch.cat([ids.expand(V, -1), torch.arange(V)[:, None]], 1)).logits[:, -1].log_softmax(-1)
    total = first[:, None] + second                    # (V, V): every text of two tokens
    best = max(itertools.product(range(V), range(V)), key=lambda pair: total[pair].item())
    out = beam_search(ours, ids, 20, max_new_tokens=steps)
    assert tuple(out.hypotheses[0][0].ids) == best
    assert out.scores[0].item() == pytest.approx(total[best].item() / 2, rel=1e-5)


def test_a_score_is_what_the_model_thinks_of_the_text():
    ours, _ = TWINS[1]
    ids = texts(2, 4)
    out = beam_search(ours, ids, 5, max_new_tokens=9, length_penalty=0.7, eos_token_id=[8, 10, 14])
    for row, texts_of_row in enumerate(out.hypotheses):
        assert len(texts_of_row) == 5 and [t.score for t in texts_of_row] == sorted((t.score for t in texts_of_row), reverse=True)
        assert len({tuple(t.ids) for t in texts_of_row}) == 5
        for text in texts_of_row:
            whole = torch.cat([ids[row], torch.tensor(text.ids)])[None]
            picked = ours(whole).logits[0, 3:-1].log_softmax(-1).gather(1, whole[0, 4:, None]).sum().item()
            assert text.log_prob == pytest.approx(picked, abs=1e-4)
            assert text.score == pytest.approx(picked / len(text.ids) ** 0.7, abs=1e-4)


def test_the_trace_tells_the_whole_search():
    ours, _ = TWINS[1]
    out = beam_search(ours, texts(1, 4), 3, max_new_tokens=8, eos_token_id=[8, 10, 14])
    running, ended = [[]], []
    for step in out.trace[0]:
        assert len(step) == 12 and [c.score for c in step] == sorted((c.score for c in step), reverse=True)
        ended += [(*running[c.parent], c.token) for c in step if c.finished]
        running = [[*running[c.parent], c.token] for c in sorted((c for c in step if c.child is not None), key=lambda c: c.child)]
    assert {tuple(t.ids) for t in out.hypotheses[0]} <= set(ended)


def test_one_text_does_not_wait_for_another():
    """A text that has ended in a batch keeps the result of its own search."""
    ours, _ = TWINS[2]
    ids = texts(4, 4, seed=9)
    settings = dict(max_new_tokens=12, eos_token_id=[8, 10, 14], early_stopping=True)
    together = beam_search(ours, ids, 4, **settings)
    for row in range(4):
        alone = beam_search(ours, ids[row:row + 1], 4, **settings)
        assert alone.hypotheses[0][0].ids == together.hypotheses[row][0].ids


def test_no_new_tokens_is_no_search():
    ids = texts(2, 4)
    assert torch.equal(beam_search(TWINS[0][0], ids, 3, max_new_tokens=0).sequences, ids)
