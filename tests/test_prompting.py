"""Prompts and the scores of choices: beside the plain loop, beside Hugging Face's loss, and every refusal."""
from __future__ import annotations

import importlib
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPT2Config as TheirConfig
from transformers import GPT2LMHeadModel

from gpt2lab import prompting
from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.prompting import (CONTENT_FREE, Example, FewShotPrompt, Task, attention_to_examples, calibrate, choice_log_likelihoods,
                               example_spans, few_shot_prompt, normalise_scores, score_choices, split_at_choice)
from gpt2lab.tokenizer import Tokenizer
from gpt2lab.weights import MINI, from_pretrained, save_pretrained

PAIRS = [("vodu", "mek"), ("bafi", "zonur"), ("li", "hate")]
TEMPLATES = ["{query} {answer}\n", "{query} -> {answer}\n", "Q: {query}\nA: {answer}\n\n", "{query}  {answer}. ", "{{{query}}} = {answer}",
             "The word {query} means {answer}, they say.\n", "{query}\n{answer}\n\n"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(MINI)


@pytest.fixture(scope="module")
def mini() -> GPT2:
    return from_pretrained(MINI)


@pytest.fixture(scope="module")
def tiny() -> GPT2:
    """mini's vocabulary, room for 64 tokens, and weights large enough for attention to matter."""
    torch.manual_seed(0)
    return GPT2(GPT2Config(n_layer=2, n_head=2, n_embd=32, n_positions=64, vocab_size=4096, initializer_range=0.3)).eval()


@torch.inference_mode()
def one_by_one(model: GPT2, prompt_ids: list[int], choice: list[int]) -> float:
    """The log-probability of a choice, a run of the model for each of its tokens."""
    total = 0.0
    for i, token in enumerate(choice):
        logits = model(torch.tensor([prompt_ids + choice[:i]])).logits[0, -1].double()
        total += (logits[token] - logits.logsumexp(-1)).item()
    return total


# ---- prompts

def test_a_prompt_is_instruction_examples_and_the_query_up_to_the_answer():
    assert few_shot_prompt(PAIRS[:2], "li") == "vodu mek\nbafi zonur\nli"
    assert few_shot_prompt(PAIRS[:1], "li", "Say it.", "Q: {query}\nA: {answer}\n\n") == "Say it.\nQ: vodu\nA: mek\n\nQ: li\nA:"
    assert few_shot_prompt([], "li") == "li"
    assert few_shot_prompt([], "li", "Say it.") == "Say it.\nli"
    assert few_shot_prompt([("a{query}", "{b}")], "{answer}") == "a{query} {b}\n{answer}", "braces in a word are its own"


def test_the_order_of_the_examples_is_kept():
    assert few_shot_prompt(PAIRS[::-1], "x").split("\n")[:3] == ["li hate", "bafi zonur", "vodu mek"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_prompt_and_choice_make_the_solved_text(template):
    prompt = FewShotPrompt(Task("t", template=template), PAIRS[:2])
    solved = few_shot_prompt(PAIRS, "", template=template)
    whole = prompt.text("li") + prompt.choices(["hate"])[0]
    assert solved.startswith(whole)
    assert not prompt.text("li").endswith(" ")
    assert prompt.choices(["hate"])[0] == prompt.choices(["hate"])[0].rstrip(" ")


@pytest.mark.parametrize("template, named", [
    ("{question} {answer}", "{question}"), ("{query}", "{query}"), ("{answer} {query}", "{answer} {query}"), ("no field", "no field"),
    ("{query} {query} {answer}", "{query} {query} {answer}"), ("{query} {answer} {more}", "{more}"), ("{} {answer}", "{}"),
    ("{query:>5} {answer}", "{query:>5}"), ("{query!r} {answer}", "{query!r}"), ("{query.real} {answer}", "{query.real}"),
    ("{query {answer}", "brace"), ("{query} {answer}}", "brace")])
def test_a_template_with_other_fields_is_refused(template, named):
    with pytest.raises(ValueError) as refusal:
        few_shot_prompt([], "x", template=template)
    assert named in str(refusal.value) and repr(template) in str(refusal.value)
    with pytest.raises(ValueError):
        FewShotPrompt(Task("t"), template=template)


@pytest.mark.parametrize("pair", [("a",), ("a", "b", "c"), "ab", ("a", 3), (None, "b")])
def test_an_example_that_is_no_pair_is_named(pair):
    with pytest.raises(ValueError, match="example 1 is"):
        few_shot_prompt([("a", "b"), pair], "x")


def test_examples_that_can_be_read_once_are_kept():
    """A generator is used up by the check of the template; and a list that its owner changes later changes no prompt."""
    mine = list(PAIRS[:2])
    assert FewShotPrompt(Task("t"), (pair for pair in mine)).text("li") == FewShotPrompt(Task("t"), mine).text("li")
    prompt = FewShotPrompt(Task("t"), mine)
    mine.clear()
    assert prompt.text("li") == "vodu mek\nbafi zonur\nli"


def test_an_empty_answer_is_refused():
    with pytest.raises(ValueError, match="empty"):
        FewShotPrompt(Task("t"), PAIRS).choices(["mek", ""])


def test_instruction_and_template_of_the_task_can_be_overruled():
    task = Task("t", template="{query}: {answer}\n", instruction="Look.")
    assert FewShotPrompt(task, PAIRS[:1]).text("x") == "Look.\nvodu: mek\nx:"
    assert FewShotPrompt(task, PAIRS[:1], instruction="", template="{query} {answer}\n").text("x") == "vodu mek\nx"
    with pytest.raises(ValueError, match="no field"):
        FewShotPrompt(task, PAIRS[:1], template="")        # no template is None, an empty one is a mistake


# ---- the border

@settings(deadline=None, max_examples=80)
@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=20), st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=10))
def test_the_two_parts_are_the_whole_or_are_refused(prompt, choice):
    tokenizer = Tokenizer.load(MINI)
    whole, first = (tokenizer.encode(text, disallowed_special=()) for text in (prompt + choice, prompt))
    try:
        prompt_ids, choice_ids = split_at_choice(tokenizer, prompt, choice)
    except ValueError:
        assert whole[:len(first)] != first
        return
    assert prompt_ids == (first or [tokenizer.eot_token])
    assert (first and prompt_ids or []) + choice_ids == whole and choice_ids


def test_a_token_over_the_border_is_an_error_that_says_what_to_do(tokenizer):
    with pytest.raises(ValueError, match="without the space"):
        split_at_choice(tokenizer, "the name is ", "number")
    with pytest.raises(ValueError, match="reaches over the border"):
        split_at_choice(tokenizer, "the num", "ber")
    assert split_at_choice(tokenizer, "the name is", " number")[1] == tokenizer.encode(" number")


def test_white_space_before_an_answer_that_makes_one_token_says_how_to_mend_it(tokenizer):
    """What stands before {answer} ends in a line break and a space: the line break's token reaches over."""
    prompt = FewShotPrompt(Task("t", template="{query}:\n  {answer}\n"), PAIRS)
    with pytest.raises(ValueError, match="in a template, put a word or a mark last"):
        split_at_choice(tokenizer, prompt.text("x"), prompt.choices(["mek"])[0])


def test_an_empty_prompt_is_the_start_of_a_document(tokenizer):
    assert split_at_choice(tokenizer, "", "The") == ([tokenizer.eot_token], tokenizer.encode("The"))


def test_a_special_token_in_the_text_gives_no_commands(tokenizer):
    prompt_ids, choice_ids = split_at_choice(tokenizer, "say <|endoftext|>", " now")
    assert tokenizer.eot_token not in prompt_ids + choice_ids


# ---- likelihoods

CASES = {"one token each": [[5], [9], [700]], "unequal": [[5, 6, 7, 8], [9], [10, 11]], "a shared beginning": [[5, 6, 7], [5, 6, 8], [5, 9]],
         "one begins another": [[5, 6], [5, 6, 7]], "alone": [[5, 6, 7]], "token 0, which is also the filling": [[0, 0], [0, 0, 0], [5, 0]]}


@pytest.mark.parametrize("choices", CASES.values(), ids=CASES)
@pytest.mark.parametrize("prompt_ids", [[3], [3, 1, 4, 1, 5, 9, 2, 6]], ids=["one token", "eight"])
def test_the_same_as_a_run_for_every_token(tiny, prompt_ids, choices):
    expected = [one_by_one(tiny, prompt_ids, choice) for choice in choices]
    for batch_size in (1, 2, 64):
        found = choice_log_likelihoods(tiny, prompt_ids, choices, batch_size)
        assert found.dtype == torch.float32 and found.shape == (len(choices),)
        torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-4 if max(map(abs, expected)) > 20 else 2e-5)


def test_the_same_as_hugging_faces_loss_of_each_choice(tmp_path):
    torch.manual_seed(1)
    ours = GPT2(GPT2Config(n_layer=2, n_head=2, n_embd=32, n_positions=40, vocab_size=100, initializer_range=0.1)).eval()
    save_pretrained(ours, tmp_path)
    theirs = GPT2LMHeadModel(TheirConfig(n_layer=2, n_head=2, n_embd=32, n_positions=40, vocab_size=100, bos_token_id=0, eos_token_id=0)).eval()
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    generator = torch.Generator().manual_seed(0)
    for length in (1, 7, 30):
        prompt_ids = torch.randint(100, (length,), generator=generator).tolist()
        choices = [torch.randint(100, (size,), generator=generator).tolist() for size in (1, 2, 3, 6)]
        losses = []
        for choice in choices:
            labels = torch.tensor([[-100] * length + choice])
            with torch.inference_mode():
                losses.append(-theirs(torch.tensor([prompt_ids + choice]), labels=labels).loss.item() * len(choice))
        torch.testing.assert_close(choice_log_likelihoods(ours, prompt_ids, choices), torch.tensor(losses), rtol=0, atol=1e-5)


def test_every_token_as_a_choice_adds_up_to_one(tiny):
    everything = [[token] for token in range(4096)]
    assert choice_log_likelihoods(tiny, [1, 2, 3], everything).exp().sum().item() == pytest.approx(1, abs=1e-4)
    behind = [[7, token] for token in range(4096)]
    together = choice_log_likelihoods(tiny, [1, 2, 3], behind).double().logsumexp(0).item()
    assert together == pytest.approx(choice_log_likelihoods(tiny, [1, 2, 3], [[7]]).item(), abs=1e-4)


def test_the_prompt_is_read_once(tiny):
    rows = []
    hook = tiny.wte.register_forward_hook(lambda module, inputs, output: rows.append(inputs[0].numel()))
    try:
        choice_log_likelihoods(tiny, list(range(20)), [[1, 2, 3], [4, 5], [6]])
    finally:
        hook.remove()
    assert sum(rows) == 20 + 2 * 2, "the prompt, and all but the last token of those with more than one, filled up"


def test_up_to_the_last_position_and_no_further(tiny):
    fits = choice_log_likelihoods(tiny, list(range(62)), [[1, 2, 3], [4]])
    assert fits[0].item() == pytest.approx(one_by_one(tiny, list(range(62)), [1, 2, 3]), abs=1e-4), "nobody asks what follows the last token"
    with pytest.raises(ValueError, match="63 tokens and the longest choice 3: that needs 65 positions but the model has 64"):
        choice_log_likelihoods(tiny, list(range(63)), [[1, 2, 3], [4]])


@pytest.mark.parametrize("prompt_ids, choices", [([], [[1]]), ([1], []), ([1], [[1], []])])
def test_nothing_to_score_is_an_error(tiny, prompt_ids, choices):
    with pytest.raises(ValueError, match="at least one"):
        choice_log_likelihoods(tiny, prompt_ids, choices)


@pytest.mark.parametrize("choices, settings, named", [
    ([[5, 6], [7, 8]], {"batch_size": -1}, "batch_size=-1"), ([[5, 6], [7, 8]], {"batch_size": 0}, "batch_size=0"),
    ([[-1], [7]], {}, "token id -1"), ([[4096, 1], [7]], {}, "token id 4096"), ([[5, -2], [7]], {}, "token id -2")])
def test_choices_that_are_no_tokens_and_batches_of_none_are_named(tiny, choices, settings, named):
    """Each of them once gave numbers, or an error about an index."""
    with pytest.raises(ValueError, match=named):
        choice_log_likelihoods(tiny, [1, 2], choices, **settings)


def test_a_broken_model_has_no_opinion(tokenizer):
    """NaN compares as neither more nor less: a curve over it would come out as chance."""
    torch.manual_seed(0)
    broken = GPT2(GPT2Config(n_layer=1, n_head=2, n_embd=8, n_positions=32, vocab_size=4096)).eval()
    with torch.no_grad():
        broken.ln_f.weight[0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        score_choices(broken, tokenizer, "vodu", [" a", " b"])


@pytest.mark.gpu
def test_the_same_on_a_gpu(tiny):
    choices, prompt_ids = [[5, 6, 7, 8], [9], [10, 11]], [3, 1, 4, 1, 5]
    there = GPT2(tiny.config).eval().cuda()
    there.load_state_dict(tiny.state_dict())
    torch.testing.assert_close(choice_log_likelihoods(there, prompt_ids, choices), choice_log_likelihoods(tiny, prompt_ids, choices),
                               rtol=0, atol=1e-3)


# ---- lengths, calibration, choices as texts

def test_three_ways_to_count_length():
    sums = torch.tensor([-6.0, -6.0])
    assert normalise_scores(sums, [2, 3], [4, 12]).tolist() == [-6, -6]
    assert normalise_scores(sums, [2, 3], [4, 12], "tokens").tolist() == [-3, -2]
    assert normalise_scores(sums, [2, 3], [4, 12], "bytes").tolist() == [-1.5, -0.5]
    with pytest.raises(ValueError, match="normalize='words'"):
        normalise_scores(sums, [2, 3], [4, 12], "words")
    with pytest.raises(ValueError, match="0 tokens"):
        normalise_scores(sums, [0, 3], [4, 12], "tokens")


def test_bytes_are_bytes_and_no_characters(tiny, tokenizer):
    found = score_choices(tiny, tokenizer, "a", [" é", " xyz"], "bytes")
    assert found.bytes == [3, 4]
    torch.testing.assert_close(found.scores, found.log_likelihoods / torch.tensor([3.0, 4.0]))


def test_texts_scored_by_hugging_faces_model_alone(tmp_path, tokenizer):
    """From the texts on, as evaluation harnesses do it: one padded batch, log_softmax, and the positions that foresee the choice."""
    torch.manual_seed(2)
    ours = GPT2(GPT2Config(n_layer=2, n_head=2, n_embd=32, n_positions=64, vocab_size=4096, initializer_range=0.2)).eval()
    save_pretrained(ours, tmp_path)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    prompts = ["Look.\nvodu mek\nbafi zonur\nvodu", "N/A", "[MASK]"]
    choices = [" mek\n", " me\n", " zonur and more, é\n"]
    lengths = {"none": [1, 1, 1], "tokens": [len(tokenizer.encode(c)) for c in choices], "bytes": [len(c.encode()) for c in choices]}
    sums = []
    for prompt in prompts:
        start, whole = len(tokenizer.encode(prompt)), [tokenizer.encode(prompt + choice) for choice in choices]
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in whole], batch_first=True)
        with torch.inference_mode():
            log_probs = theirs(ids).logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
        sums.append(torch.stack([log_probs[i, start - 1:len(row) - 1].sum() for i, row in enumerate(whole)]))
    for normalize, sizes in lengths.items():
        plain, *free = (row / torch.tensor(sizes) for row in sums)
        found = score_choices(ours, tokenizer, prompts[0], choices, normalize)
        torch.testing.assert_close(found.scores, plain, rtol=0, atol=2e-5)
        quotients = plain.softmax(-1) / torch.stack(free).softmax(-1).mean(0)
        calibrated = score_choices(ours, tokenizer, prompts[0], choices, normalize, prompts[1:])
        torch.testing.assert_close(calibrated.probabilities, quotients / quotients.sum(), rtol=0, atol=2e-5)


def test_calibration_divides_by_the_mean_probability():
    p, blank = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1]])
    expected = p / blank.mean(0)
    torch.testing.assert_close(calibrate(p.log(), blank.log()).softmax(-1), expected / expected.sum())
    torch.testing.assert_close(calibrate(p.log() + 5, blank.log() - 3).softmax(-1), expected / expected.sum())       # only differences count
    for wrong in (torch.zeros(3), torch.zeros(2, 2), torch.zeros(0, 3)):
        with pytest.raises(ValueError, match="content_free"):
            calibrate(p.log(), wrong)


@pytest.mark.parametrize("normalize", ["none", "tokens", "bytes"])
def test_calibrated_with_itself_a_prompt_says_nothing(tiny, tokenizer, normalize):
    choices = [" mek\n", " zonur\n", " hate\n"]
    found = score_choices(tiny, tokenizer, "vodu", choices, normalize, "vodu")
    torch.testing.assert_close(found.probabilities, torch.full((3,), 1 / 3))
    several = score_choices(tiny, tokenizer, "vodu", choices, normalize, ["vodu", "vodu"])
    torch.testing.assert_close(several.scores, found.scores)


def test_pmi_ranks_by_the_ratio_to_the_domain_alone(tiny, tokenizer):
    choices = [" mek\n", " zonur\n", " hate\n"]
    with_query, alone = (score_choices(tiny, tokenizer, text, choices).log_likelihoods for text in ("vodu mek\nvodu", "Answer:"))
    found = score_choices(tiny, tokenizer, "vodu mek\nvodu", choices, calibrate_with="Answer:")
    ratio = with_query - alone
    torch.testing.assert_close(found.scores - found.scores[0], ratio - ratio[0])


def test_scores_are_those_of_the_choices_own_tokens(tiny, tokenizer):
    prompt = FewShotPrompt(Task("t"), PAIRS)
    found = score_choices(tiny, tokenizer, prompt.text("vodu"), prompt.choices(["mek", "zonur"]))
    for text, score, tokens in zip([" mek\n", " zonur\n"], found.log_likelihoods.tolist(), found.tokens):
        ids = tokenizer.encode(text)
        assert tokens == len(ids)
        assert score == pytest.approx(one_by_one(tiny, tokenizer.encode("vodu mek\nbafi zonur\nli hate\nvodu"), ids), abs=1e-4)
    assert found.probabilities.sum().item() == pytest.approx(1)
    assert found.best == int(found.log_likelihoods.argmax())


def test_a_choice_that_begins_another_is_never_the_less_likely(tiny, tokenizer):
    short, long = " a", " a b"
    assert tokenizer.encode(long)[:1] == tokenizer.encode(short)
    with pytest.raises(ValueError, match="' a' is the beginning of ' a b'"):
        score_choices(tiny, tokenizer, "x", [long, short])
    score_choices(tiny, tokenizer, "x", [long + "\n", short + "\n"])           # their ends tell them apart
    score_choices(tiny, tokenizer, "x", [long, short], "tokens")
    score_choices(tiny, tokenizer, "x", [long, short], calibrate_with="y")


@pytest.mark.parametrize("choices, settings, named", [
    ([" a", " b", " a"], {}, "' a' is given twice"), ([" a", ""], {}, "empty"), ([], {}, "choices="), (" ab", {}, "choices=' ab'"),
    ([" a", " b"], {"normalize": "mean"}, "normalize='mean'"), ([" a", " b"], {"calibrate_with": []}, "calibrate_with"),
    (["a", " b"], {}, "reaches over the border")])
def test_choices_without_sense_are_named(tiny, tokenizer, choices, settings, named):
    with pytest.raises(ValueError, match=named):
        score_choices(tiny, tokenizer, "the num" if "border" in named else "x", ["ber", *choices[1:]] if "border" in named else choices, **settings)


def test_a_prompt_over_the_context_is_refused_before_it_is_read(tiny, tokenizer, monkeypatch):
    monkeypatch.setattr(GPT2, "forward", lambda *_, **__: pytest.fail("the model was run"))
    with pytest.raises(ValueError, match="the model has 64: show fewer examples"):
        score_choices(tiny, tokenizer, "word " * 70 + "x", [" a", " b"])
    with pytest.raises(ValueError, match="normalize='x'"):
        score_choices(tiny, tokenizer, "x", [" a", " b"], "x")


# ---- room

def test_fit_drops_the_oldest_and_no_more_than_needed(tiny, tokenizer):
    examples = [(f"q{i}", f"a{i}") for i in range(30)]
    prompt = FewShotPrompt(Task("t", instruction="Look."), examples)
    fitting, dropped = prompt.fit(tokenizer, 64, "q7", ["a1", "a22"])
    assert 0 < dropped < 30 and list(fitting.examples) == examples[dropped:]
    assert fitting.text("q7").startswith("Look.\n") and fitting.text("q7").endswith("\nq7")

    def tokens(some):
        return max(len(tokenizer.encode(some.text("q7") + choice)) for choice in some.choices(["a1", "a22"]))
    assert tokens(fitting) <= 64 < tokens(FewShotPrompt(prompt.task, examples[dropped - 1:]))
    score_choices(tiny, tokenizer, fitting.text("q7"), fitting.choices(["a1", "a22"]))


def test_what_fits_stays_as_it_is(tokenizer):
    prompt = FewShotPrompt(Task("t"), PAIRS)
    assert prompt.fit(tokenizer, 64, "x", ["a"]) == (prompt, 0)


def test_a_query_that_is_too_long_by_itself_is_an_error(tokenizer):
    with pytest.raises(ValueError, match="even without examples"):
        FewShotPrompt(Task("t"), PAIRS).fit(tokenizer, 16, "word " * 30, ["a"])


# ---- attention to the examples

@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("instruction", ["", "Look, ünd tell."])
def test_spans_are_the_examples(tokenizer, template, instruction):
    pairs = [Example("vodu", "mek"), Example("bäfi 字", "zonur"), Example("li", "hate")]
    prompt = FewShotPrompt(Task("t"), pairs, instruction, template)
    ids, spans = tokenizer.encode(prompt.text("vodu")), example_spans(tokenizer, prompt, "vodu")
    assert len(spans) == 3 and all(a.stop == b.start for a, b in zip(spans, spans[1:]))
    lines = [few_shot_prompt([pair], "", template=template)[:len(few_shot_prompt([pair], "", template=template))
                                                              - len(few_shot_prompt([], "", template=template))] for pair in pairs]
    for span, line in zip(spans, lines):
        text = tokenizer.decode(ids[span.start:span.stop])
        assert text.strip(" ") == line.strip(" "), "a space at a border may belong to the token after it"


def test_spans_of_no_examples(tokenizer):
    assert example_spans(tokenizer, FewShotPrompt(Task("t", instruction="Look.")), "x") == []


def test_attention_to_the_examples_is_the_last_row_added_up(tiny, tokenizer):
    prompt = FewShotPrompt(Task("t", instruction="Look."), PAIRS)
    seen = attention_to_examples(tiny, tokenizer, prompt, "vodu")
    assert seen.shape == (2, 2, 4)
    torch.testing.assert_close(seen.sum(-1), torch.ones(2, 2))
    with torch.inference_mode():
        row = torch.stack(tiny(torch.tensor([tokenizer.encode(prompt.text("vodu"))]), output_attentions=True).attentions)[:, 0, :, -1]
    for i, span in enumerate(example_spans(tokenizer, prompt, "vodu")):
        torch.testing.assert_close(seen[..., i], row[..., list(span)].sum(-1))


def test_attention_needs_examples_and_room(tiny, tokenizer):
    with pytest.raises(ValueError, match="no examples"):
        attention_to_examples(tiny, tokenizer, FewShotPrompt(Task("t")), "x")
    with pytest.raises(ValueError, match="64 positions"):
        attention_to_examples(tiny, tokenizer, FewShotPrompt(Task("t"), PAIRS * 20), "x")


def test_the_names_that_are_promised():
    assert {"FewShotPrompt", "score_choices", "icl_curve"} <= set(prompting.__all__)
    assert len(CONTENT_FREE) == len(set(CONTENT_FREE)) >= 2 and math.isfinite(len(prompting.CAPITALS))


@pytest.mark.parametrize("name", ["prompts", "tasks", "choices"])
def test_the_last_module_has_all_of_the_chapter_under_one_name(name):
    module = importlib.import_module(f"gpt2lab.{name}")
    assert module.__all__ and set(module.__all__) <= set(prompting.__all__)
    assert all(getattr(prompting, name) is getattr(module, name) for name in module.__all__)
