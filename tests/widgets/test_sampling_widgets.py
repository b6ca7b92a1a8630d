"""Chapter 05's widgets: their numbers are those of `gpt2lab.sampling` and of the model, in Python and in a page."""
from __future__ import annotations

import pytest
import torch

from gpt2lab.lab import Lab
from gpt2lab.sampling import beam_search, generate, next_token_probs
from gpt2lab.tokenizer import train_bpe
from gpt2lab.widgets import BeamTree, CacheCells, ProbabilityBars, TemperatureSweep, TypeAndContinue
from gpt2lab.widgets._base import token_texts
from gpt2lab.widgets.cache_cells import row_cells
from gpt2lab.widgets.temperature_sweep import repetition_rate

PROMPT = "the cat sat because"


def visible(text: str) -> str:
    """A token as a page shows it."""
    marks = {" ": "\u00b7", "\n": "\u23ce", "\t": "\u21e5", "\r": "\u240d"}
    return "".join(marks.get(c, f"\u27e8{ord(c):02X}\u27e9" if ord(c) < 32 or ord(c) == 127 else c) for c in text)


def spoken(page) -> str:
    return page.locator(".g2-spoken").first.inner_text()


@torch.inference_mode()
def log_prob(lab: Lab, prompt: str, ids: list[int]) -> float:
    """Summed log-probability of ids after the prompt, by one pass over all of it."""
    text = [*lab.encode(prompt)[0].tolist(), *ids]
    rows = lab.model(torch.tensor([text])).logits[0, -len(ids) - 1:-1].log_softmax(-1)
    return float(sum(row[i] for row, i in zip(rows, ids)))


# ---- probability bars

SETTINGS = [{}, {"temperature": 0.4}, {"temperature": 0}, {"top_k": 5}, {"top_p": 0.6}, {"top_p": 0.05}, {"repetition_penalty": 1.8},
            {"temperature": 1.7, "top_k": 30, "top_p": 0.7, "repetition_penalty": 1.4}]


def test_bars_hold_the_models_logits(tiny_lab):
    bars = ProbabilityBars.of(tiny_lab, PROMPT, top_k=7)
    logits = tiny_lab.look(PROMPT).logits[-1]
    torch.testing.assert_close(bars.probs(), next_token_probs(logits, top_k=7))
    assert bars.prev_ids == tiny_lab.encode(PROMPT)[0].tolist() and "7 of 300 tokens stay" in bars.describe()


@pytest.mark.parametrize("hard", [False, True])
def test_page_equals_next_token_probs(hard, tiny_lab, open_page):
    """Every setting, on the model's logits and on ones with ties, a forbidden token and seen tokens on both sides of 0."""
    logits = torch.tensor([2.0, 2.0, -1.0, 0.5, float("-inf"), 0.5, -3.0, 0.1])
    bars = ProbabilityBars(logits, list("abcdefgh"), prev_ids=[0, 2, 2]) if hard else ProbabilityBars.of(tiny_lab, PROMPT)
    page = open_page(bars)
    for one in SETTINGS:
        every = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0, **one}
        for name, value in every.items():
            setattr(bars, name, value)
            page.get_by_label(name.replace("_", "-" if "top" in name else " ")).first.fill(str(value))
        expected = bars.probs()
        shown = page.locator(".g2-odd").evaluate_all("rows => rows.map((r) => [Number(r.dataset.id), Number(r.dataset.chance)])")
        assert shown and all(abs(float(expected[i]) - chance) < 2e-6 for i, chance in shown), one
        assert page.locator(".g2-fact b").first.inner_text() == f"{int((expected > 0).sum()):,}", one
        best = expected.topk(min(5, int((expected > 0).sum()))).values
        assert sorted((c for _, c in shown), reverse=True)[:len(best)] == pytest.approx(best.tolist(), abs=2e-6)


def test_bars_say_why_each_token_died(open_page):
    page = open_page(ProbabilityBars([3.0, 2.0, 1.0, 0.0, -1.0], list("abcde"), prev_ids=[1], top_k=4, top_p=0.7, repetition_penalty=1.5))
    why = page.locator(".g2-odd-why").all_inner_texts()
    assert why == ["", "penalised: it stood there before; crosses p = 0.70: it stays"] or "crosses p" in why[0] + why[1]
    assert "lie above it: p is reached" in why[2] and why[-1] == "place 5: top-k keeps 4"
    line = page.locator(".g2-cutline")
    assert "stay" in line.inner_text() and "die" in line.inner_text()
    page.get_by_role("button", name="Draw 100").click()
    counts = [int(t[1:]) for t in page.locator(".g2-odd-number b").all_inner_texts() for t in [t.strip()]]
    alive = page.locator(".g2-odd:not(.g2-dead)").count()
    assert sum(counts) == 100 and len(counts) <= alive and page.locator(".g2-dead .g2-odd-number b").count() == 0


def test_drawn_token_joins_the_prompt_as_it_is(tiny_lab):
    """Not cut anew: a token that the tokenizer would never put there stays itself."""
    bars = ProbabilityBars.of(tiny_lab, "the")
    ids = [*bars.prev_ids, tiny_lab.tokenizer.ids[b"c"], tiny_lab.tokenizer.ids[b"a"]]
    for token in ids[-2:]:
        bars._answer(bars, {"append": token}, [])
    assert bars.prev_ids == ids and bars.prompt == "theca"
    torch.testing.assert_close(bars.probs(), tiny_lab.model(torch.tensor([ids])).logits[0, -1].softmax(-1), atol=1e-6, rtol=1e-4)
    for nonsense in ({"append": 10 ** 6}, {"append": "x"}, {}, "x"):
        bars._answer(bars, nonsense, [])
    bars.prompt = "cat"                                                        # the learner types again
    assert bars.prev_ids == tiny_lab.encode("cat")[0].tolist()


@pytest.mark.parametrize("arguments, options, words", [
    (([1.0, 2.0], ["a"]), {}, "one logit and one name"), (([1.0, float("nan")], ["a", "b"]), {}, "NaN"),
    (([1.0], ["a"]), {"prev_ids": [3]}, "prev_ids hold 3"), (([1.0], ["a"]), {"temperature": -1}, "temperature=-1"),
    (([1.0], ["a"]), {"top_p": 1.5}, "top_p=1.5"), (([1.0], ["a"]), {"repetition_penalty": 0}, "repetition_penalty=0")])
def test_bars_refuse_nonsense(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        ProbabilityBars(*arguments, **options)


# ---- temperature sweep

def test_repetition_rate_is_the_definition():
    assert repetition_rate([1, 2, 3]) == 0 and repetition_rate([]) == 0 and repetition_rate([5] * 4) == 0
    assert repetition_rate([5] * 8) == 1 - 1 / 5
    assert repetition_rate([1, 2, 3, 4, 1, 2, 3, 4]) == 1 - 4 / 5
    assert repetition_rate([1, 2, 1, 2, 1], n=2) == 1 - 2 / 4


def test_sweep_is_greedy_at_zero_and_repeatable(tiny_lab):
    sweep = TemperatureSweep.of(tiny_lab, PROMPT, temperatures=(0, 0.5, 2), samples=4, max_new_tokens=12, seed=3)
    prompt = tiny_lab.encode(PROMPT)
    greedy = generate(tiny_lab.model, prompt, max_new_tokens=12, eos_token_id=tiny_lab.tokenizer.eot_token)[0, prompt.shape[1]:].tolist()
    assert sweep.ids[0] == [[i for i in greedy if i != tiny_lab.tokenizer.eot_token]] * 4
    assert sweep.rates == [[round(repetition_rate(s), 4) for s in some] for some in sweep.ids]
    assert len({tuple(s) for s in sweep.ids[2]}) == 4 and not sweep.busy
    assert all(sweep.words[str(i)] == token_texts(tiny_lab.tokenizer, [i])[0] for some in sweep.ids for s in some for i in s)
    first = sweep.ids
    sweep.run += 1
    sweep.wait()
    assert sweep.ids == first
    sweep.seed += 1
    sweep.run += 1
    sweep.wait()
    assert sweep.ids[0] == first[0] and sweep.ids[2] != first[2]


def test_sweep_draws_with_the_models_probabilities(tiny_lab):
    """First tokens of 400 samples against the tempered probabilities: chi-square over the likeliest and the rest."""
    sweep = TemperatureSweep.of(tiny_lab, PROMPT, temperatures=(0.6,), samples=400, max_new_tokens=1)
    probs = next_token_probs(tiny_lab.look(PROMPT).logits[-1], temperature=0.6)
    top = probs.topk(5)
    seen = [s[0] if s else tiny_lab.tokenizer.eot_token for s in sweep.ids[0]]
    cells = [(sum(i == t for i in seen), 400 * float(p)) for p, t in zip(top.values, top.indices.tolist())]
    cells.append((400 - sum(n for n, _ in cells), 400 * (1 - float(top.values.sum()))))
    assert sum((n - e) ** 2 / e for n, e in cells) < 20.5                      # 5 degrees of freedom, p = 0.001


def test_sample_ends_with_the_text(tiny_lab, monkeypatch):
    ends = iter([False] * 3 + [True] * 50)
    real = next_token_probs

    def forced(logits, **settings):
        probs = real(logits, **settings)
        if next(ends):
            probs = torch.zeros_like(probs)
            probs[:, tiny_lab.tokenizer.eot_token] = 1
        return probs

    monkeypatch.setattr("gpt2lab.widgets.temperature_sweep.next_token_probs", forced)
    sweep = TemperatureSweep.of(tiny_lab, PROMPT, temperatures=(1,), samples=2, max_new_tokens=30)
    assert [len(s) for s in sweep.ids[0]] == [3, 3]


def test_sweep_refuses_nonsense(tiny_lab):
    for options, words in (({"temperatures": (1, 0.5)}, "rising"), ({"temperatures": (-1,)}, "rising"), ({"samples": 0}, "at least 1"),
                           ({"prompt": " cat" * 160}, "160 positions")):
        with pytest.raises(ValueError, match=words):
            TemperatureSweep.of(tiny_lab, **options)


def test_sweep_in_the_page(tiny_lab, open_page):
    sweep = TemperatureSweep.of(tiny_lab, PROMPT, temperatures=(0, 1.5), samples=3, max_new_tokens=20)
    sweep.ids = [[[1, 2, 3, 4, 9, 1, 2, 3, 4, 7]] * 3, sweep.ids[1]]
    sweep.words = {**sweep.words, **{str(i): f"w{i}" for i in (1, 2, 3, 4, 7, 9)}}
    sweep.rates = [[round(repetition_rate(s), 4) for s in some] for some in sweep.ids]
    page = open_page(sweep)
    page.get_by_label("Temperature of the samples shown").focus()
    page.keyboard.press("Home")
    assert page.locator(".g2-samples li").count() == 3 and "1 of 3" in page.locator(".g2-facts").inner_text()
    assert page.locator(".g2-samples li").first.locator("u").all_inner_texts() == ["w1", "w2", "w3", "w4"] and "14 %" in spoken(page)
    page.keyboard.press("End")
    assert "Temperature 1.5" in spoken(page)
    page.locator(".g2-column").first.click()
    assert "Temperature 0:" in spoken(page) and page.locator(".g2-dot").count() == 6


# ---- beam tree

@pytest.mark.parametrize("options", [{"num_beams": 1}, {"num_beams": 3}, {"num_beams": 8, "length_penalty": -1.0}])
def test_beam_tree_is_the_search(options, tiny_lab):
    widget = BeamTree.of(tiny_lab, PROMPT, max_new_tokens=5, **options)
    tree = widget.tree
    out = beam_search(tiny_lab.model, tiny_lab.encode(PROMPT), max_new_tokens=5, eos_token_id=tiny_lab.tokenizer.eot_token, **options)
    best = out.hypotheses[0][0]
    assert tree["hypotheses"][0]["texts"] == token_texts(tiny_lab.tokenizer, best.ids)
    assert tree["hypotheses"][0]["log_prob"] == pytest.approx(log_prob(tiny_lab, PROMPT, best.ids), abs=1e-3)
    running = {0: 0.0}                                                         # beam -> its sum: every candidate lies below its parent's
    for step in tree["steps"]:
        assert [c["score"] for c in step] == sorted((c["score"] for c in step), reverse=True) and len(step) == 2 * options["num_beams"]
        assert all(c["score"] <= running[c["parent"]] for c in step)
        running = {c["child"]: c["score"] for c in step if c["child"] >= 0}
    greedy = generate(tiny_lab.model, tiny_lab.encode(PROMPT), max_new_tokens=5, eos_token_id=tiny_lab.tokenizer.eot_token)
    assert widget.greedy["texts"] == token_texts(tiny_lab.tokenizer, greedy[0, tiny_lab.encode(PROMPT).shape[1]:].tolist())


def test_beam_tree_follows_its_settings(tiny_lab):
    tree = BeamTree.of(tiny_lab, PROMPT, num_beams=2, max_new_tokens=3)
    greedy = tree.greedy
    tree.num_beams = 5
    assert tree.greedy is greedy
    assert len(tree.tree["hypotheses"]) == 5
    tree.max_new_tokens, tree.prompt = 6, "the theory"
    assert len(tree.tree["steps"]) == len(tree.greedy["texts"]) == 6
    state = tree.page_state()
    assert [t["num_beams"] for t in state["trees"]] == [5, 1, 2]
    for options, words in (({"num_beams": 9}, "1 to 8"), ({"max_new_tokens": 0}, "1 to 24 steps")):
        with pytest.raises(ValueError, match=words):
            BeamTree.of(tiny_lab, PROMPT, **options)


def test_beam_tree_in_the_page(tiny_lab, open_page):
    widget = BeamTree.of(tiny_lab, PROMPT, num_beams=3, max_new_tokens=4)
    page = open_page(widget)
    nodes, winners = page.locator(".g2-beam"), page.locator(".g2-beam.g2-win .g2-beam-text")
    assert nodes.count() == 24 and page.locator(".g2-branch").count() == 24
    best = widget.tree["hypotheses"][0]
    assert len(best["texts"]) == winners.count() and [t.replace("\u25a0 ", "") for t in winners.all_inner_texts()] == [visible(t) for t in best["texts"]]
    page.locator(".g2-beam.g2-win").last.focus()
    assert f"= {best['log_prob']:.2f}".replace("-", "\u2212") in spoken(page)
    page.keyboard.press("ArrowLeft")
    assert page.locator(".g2-beam.g2-chosen").get_attribute("data-step") == "2"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.classList.contains('g2-chosen')")
    page.get_by_label("show what was dropped").uncheck()
    assert nodes.count() == 12
    page.get_by_label("Beams").select_option(label="1, greedy")
    assert spoken(page).startswith("The winner is") and page.locator(".g2-table tbody tr").count() == 1


# ---- cache cells

@torch.inference_mode()
@pytest.mark.parametrize("prompt, new", [(1, 1), (5, 4), (3, 9)])
def test_cache_cells_are_what_the_model_computes(prompt, new, tiny_lab):
    """Run the model both ways and count the rows that enter its first block and the weights above the mask's zeros."""
    widget = CacheCells(tiny_lab.model.config, prompt=prompt, new=new)
    ids = torch.arange(prompt + new)[None]
    for cached in (False, True):
        cache, rows, cells = tiny_lab.model.new_cache() if cached else None, 0, 0
        for step in range(new):
            end = prompt + step
            fresh = ids[:, end - 1:end] if cached and step else ids[:, :end]
            weights = tiny_lab.model(fresh, cache=cache, output_attentions=True).attentions[0][0, 0]
            rows, cells = rows + fresh.shape[1], cells + int((weights > 0).sum())
        assert widget.cost(cached)[:2] == (rows, cells)


def test_cache_cells_in_the_page_equal_python(open_page):
    widget = CacheCells("gpt2", prompt=6, new=10)
    page = open_page(widget)
    for prompt, new in ((6, 10), (1, 3), (200, 824)):
        page.get_by_label("prompt tokens").fill(str(prompt))
        page.get_by_label("new tokens").fill(str(new))
        slider = page.get_by_label("Passes through the model")
        slider.focus()
        page.keyboard.press("End")
        widget.prompt, widget.new = prompt, new
        without, cached = widget.cost(False), widget.cost(True)
        cells = page.locator(".g2-table tbody tr").nth(0).locator("td").all_inner_texts()
        rows = page.locator(".g2-table tbody tr").nth(1).locator("td").all_inner_texts()
        assert cells[:2] == [f"{144 * without.cells:,}", f"{144 * cached.cells:,}"] and rows[:2] == [f"{without.rows:,}", f"{cached.rows:,}"]
        ratio = page.locator(".g2-table tbody tr").nth(2).locator("td").nth(2).inner_text()
        assert ratio == f"{without.operations / cached.operations:.1f} \u00d7"
    page.get_by_label("new tokens").fill("900")
    assert "1,024" in page.locator(".g2-message").inner_text()
    page.get_by_label("new tokens").fill("3")
    page.keyboard.press("Tab")
    page.get_by_label("Passes through the model").fill("1")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.g2-spoken').textContent.startsWith('Step 3')")


def test_cache_cells_refuse_more_than_the_positions():
    assert row_cells(5, 5) == 15 and row_cells(5, 1) == 5
    with pytest.raises(ValueError, match="prompt=600, new=600"):
        CacheCells("gpt2", prompt=600, new=600)


# ---- type and continue

def test_typing_on_is_generate(tiny_lab):
    settings = {"temperature": 1.2, "top_k": 50, "top_p": 0.9, "repetition_penalty": 1.3}
    box = TypeAndContinue(tiny_lab, PROMPT, max_new_tokens=10, seed=4, examples=({"repetition_penalty": 1.5},), **settings)
    prompt, end = tiny_lab.encode(PROMPT), tiny_lab.tokenizer.eot_token
    new = generate(tiny_lab.model, prompt, max_new_tokens=10, do_sample=True, eos_token_id=end, generator=torch.Generator().manual_seed(4), **settings)
    ids = [i for i in new[0, prompt.shape[1]:].tolist() if i != end]
    assert box.tokens == token_texts(tiny_lab.tokenizer, ids) and len(box.times) == len(ids)
    assert sum(torch.tensor(box.chances).log()) == pytest.approx(log_prob(tiny_lab, PROMPT, ids), abs=1e-2)
    penalised = generate(tiny_lab.model, prompt, max_new_tokens=10, repetition_penalty=1.5, eos_token_id=end)[0, prompt.shape[1]:].tolist()
    assert box.examples[1]["tokens"] == token_texts(tiny_lab.tokenizer, [i for i in penalised if i != end])
    box.temperature, box.prompt = 0.0, "the other"
    box.run += 1
    box.wait()
    assert not box.busy and box.tokens and box.times == sorted(box.times) and box.tokens != token_texts(tiny_lab.tokenizer, ids)
    box.max_new_tokens = 2000
    box.run += 1
    box.stop += 1
    box.wait()
    assert not box.busy and len(box.tokens) < 2000


def test_typing_past_the_context_goes_on(tiny_lab):
    box = TypeAndContinue(tiny_lab, " cat" * 155, max_new_tokens=12, temperature=1.0, examples=())
    assert len(box.tokens) > 5 and box.chances == []


def test_type_and_continue_refuses_nonsense(tiny_lab):
    for options, words in (({"max_new_tokens": 0}, "at least 1"), ({"temperature": -1}, "temperature=-1"), ({"examples": ({"heat": 1},)}, "'heat'")):
        with pytest.raises(ValueError, match=words):
            TypeAndContinue(tiny_lab, PROMPT, **options)


def test_stop_answers_a_tokenizer_without_the_labs_model(tiny_lab):
    """A prompt cut by a tokenizer that knows more tokens than the model is an error in words, not a crash."""
    large = train_bpe(["zebra quartz zebra quartz " * 9], 320)
    box = TypeAndContinue(tiny_lab, PROMPT, max_new_tokens=3, examples=())
    box._lab = Lab(tiny_lab.model, large, tiny_lab.device, "tiny")
    box.prompt = "zebra quartz"
    box.run += 1
    box.wait()
    assert box.message and not box.busy


def test_runs_kept_in_the_page(tiny_lab, open_page):
    box = TypeAndContinue(tiny_lab, PROMPT, max_new_tokens=6, examples=({"temperature": 1.0, "top_p": 0.9},))
    page = open_page(box, reduced_motion="reduce")
    tokens = page.locator(".g2-writing .g2-token")
    assert tokens.count() == len(box.tokens) and "greedy" in spoken(page)
    page.get_by_label("Settings").select_option(label="temperature 1, top-p 0.9")
    assert tokens.all_inner_texts() == [visible(t) for t in box.examples[1]["tokens"]]
    assert page.locator(".g2-fact b").first.inner_text() == str(len(box.examples[1]["tokens"]))
