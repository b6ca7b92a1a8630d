"""The pieces of exercise 08 fit together, and score like the package: the same prompts, choices, truncation and intervals."""

import re

import pytest
import torch

import gpt2lab.decoder
import gpt2lab.prompting
import gpt2lab.tokenizer

from .test_exercises_together import pieces_of, run_last_cell

TEMPLATES = ("{query} {answer}\n", "Q: {query}\nA: {answer}.\n\n", "<{query}>\n{answer}\n", "{query} -> {answer}; ")
EXAMPLES = [("vodu", "mek"), ("{answer}", "a café"), ("two words", "two more"), ("keli", "tas")]
CHOICES = ["mek", "a café", "me", "日本"]


@pytest.fixture(scope="module")
def pieces():
    return pieces_of("08_prompting")


@pytest.fixture(scope="module")
def tokenizer():
    """A token for every byte: texts and their ids are joined alike."""
    return gpt2lab.tokenizer.Tokenizer({i: bytes([i]) for i in range(256)}, [], {"<|endoftext|>": 256})


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = gpt2lab.decoder.GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=128, vocab_size=257, initializer_range=0.3)
    return gpt2lab.decoder.GPT2(config).eval()


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("instruction", ["", "Say what it means."])
def test_prompts_as_in_the_package(pieces, template, instruction):
    for shots in (0, 1, 4):
        arguments = EXAMPLES[:shots], "{query} two ", instruction, template
        assert pieces["few_shot_prompt"](*arguments) == gpt2lab.prompting.few_shot_prompt(*arguments)


def scored(pieces, model, prompt: list[int], choices: list[list[int]]):
    """Choices behind one prompt, padded on the right, by the learner's rule."""
    rows = torch.nn.utils.rnn.pad_sequence([torch.tensor(prompt + ids) for ids in choices], batch_first=True)
    with torch.no_grad():
        logits = model(rows).logits
    return pieces["choice_log_likelihoods"](logits, rows, len(prompt), [len(ids) for ids in choices])


@pytest.mark.parametrize("normalize", ["none", "tokens", "bytes"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_choices_score_as_in_the_package(pieces, model, tokenizer, template, normalize):
    prompt = gpt2lab.prompting.FewShotPrompt(gpt2lab.prompting.Task("words", template=template), EXAMPLES)
    text, texts = prompt.text("vodu"), prompt.choices(CHOICES)
    choices = [tokenizer.encode(choice) for choice in texts]
    mine = scored(pieces, model, tokenizer.encode(text), choices)
    theirs = gpt2lab.prompting.score_choices(model, tokenizer, text, texts, normalize)
    torch.testing.assert_close(mine, theirs.log_likelihoods, rtol=1e-5, atol=1e-4)
    probabilities, best = pieces["normalised_choice"](mine, texts, [len(ids) for ids in choices], normalize)
    torch.testing.assert_close(probabilities, theirs.probabilities, rtol=1e-3, atol=1e-5)
    assert best == theirs.best


def test_calibration_as_in_the_package(pieces):
    torch.manual_seed(0)
    scores, free = 2 * torch.randn(6, 5), 2 * torch.randn(3, 5)
    mine = pieces["calibrate"](scores.softmax(-1), free.softmax(-1))
    for row, their_scores in zip(mine, scores, strict=True):
        torch.testing.assert_close(row, gpt2lab.prompting.calibrate(their_scores, free).softmax(-1))


@pytest.mark.parametrize("n_positions", [16, 17, 30, 44, 45, 46, 47, 60])
def test_what_fits_as_in_the_package(pieces, tokenizer, n_positions):
    """Their room for the longest answer is what is called new tokens here."""
    prompt = gpt2lab.prompting.FewShotPrompt(gpt2lab.prompting.Task("words"), EXAMPLES)
    fitted, dropped = prompt.fit(tokenizer, n_positions, "vodu", CHOICES)
    examples = [tokenizer.encode(f"{query} {answer}\n") for query, answer in EXAMPLES]
    longest = max(len(tokenizer.encode(choice)) for choice in prompt.choices(CHOICES))
    mine = pieces["shots_that_fit"](examples, tokenizer.encode("vodu"), n_positions, longest)
    assert mine == (tokenizer.encode(fitted.text("vodu")), dropped)


def test_interval_as_in_the_package(pieces):
    for right, n in ((0, 1), (1, 1), (7, 10), (20, 20), (61, 200)):
        for z in (1.0, 1.96):
            mine = pieces["icl_accuracy"]([0] * right + [1] * (n - right), [0] * n, z)
            assert mine == pytest.approx((right / n, *gpt2lab.prompting.wilson_interval(right, n, z)))


def test_the_code_of_the_last_cell_runs(pieces, capsys):
    """On the course's own model: better than one guess of four."""
    run_last_cell("08_prompting", pieces)
    accuracy, low, high = map(float, re.findall(r"0\.\d\d", capsys.readouterr().out))
    assert 0.25 < low < accuracy < high
