"""Chapter 06's widgets, in Python and in a page: training as it was recorded, ranks as an SVD has them, attention that moved."""
from __future__ import annotations

import dataclasses
import time
from typing import NamedTuple

import nbformat
import numpy as np
import pytest
import torch
from gallery import RECORDS, other
from nbclient import NotebookClient

from gpt2lab.finetuning import FinetuneConfig, TextData, finetune
from gpt2lab.lora import add_lora, merge_lora
from gpt2lab.widgets import AttentionDifference, LoraRank, TrainingCurves
from gpt2lab.widgets import _attention_data as data
from gpt2lab.widgets.attention_difference import moved
from gpt2lab.widgets.lora_rank import look_at
from gpt2lab.widgets.weight_browser import blocks

SENTENCE = "the cat sat because it"


def spoken(page) -> str:
    return page.locator(".g2-spoken").first.inner_text()


def facts(page) -> list[str]:
    return page.locator(".g2-fact b").all_inner_texts()


# ---- training curves

class Row(NamedTuple):
    step: int
    loss: float


@dataclasses.dataclass
class Line:
    step: int
    lr: float
    val_loss: float | None = None


def test_curves_hold_what_was_recorded():
    curves = TrainingCurves(RECORDS)
    assert curves.points("loss") == [(r["step"], pytest.approx(r["loss"])) for r in RECORDS if "loss" in r]
    assert curves.points("eval_loss") == [(0, 5.5), (9, pytest.approx(4.7))] and curves.samples == [{"step": 9, "text": "a < b & c"}]
    table = np.frombuffer(curves.columns, "<f4").reshape(5, -1)
    assert table.shape == (5, 10) and np.isnan(table[1, 0]) and table[4, 1] == 1 and not curves.message
    log_history = [{"loss": 5.0, "grad_norm": torch.tensor(2.0), "learning_rate": 1e-4, "epoch": 0.1, "step": 1}, {"eval_loss": 4.9, "epoch": 0.1, "step": 1},
                   {"train_runtime": 2.0, "train_loss": 9.9, "step": 1}]
    hugging_face = TrainingCurves(log_history)
    assert [hugging_face.points(n) for n in ("loss", "eval_loss", "grad_norm")] == [[(1, 5.0)], [(1, pytest.approx(4.9))], [(1, 2.0)]]
    mixed = TrainingCurves([Row(1, 3.0), Line(2, 0.5, None), {"step": 3, "train_loss": 2.0, "validation_loss": 1.0, "gradient_norm": None}])
    assert mixed.points("loss") == [(1, 3), (3, 2)] and mixed.points("learning_rate") == [(2, 0.5)] and mixed.points("eval_loss") == [(3, 1)]


def test_a_resumed_run_takes_the_place_of_what_it_repeats():
    curves = TrainingCurves([{"step": s, "loss": 1.0, "sample": str(s)} for s in range(1, 8)])
    for step in (5, 6):
        curves({"step": step, "loss": 2.0}, "the model", anything=1)           # a callback may be given more
    assert curves.points("loss") == [(s, 1.0) for s in range(1, 5)] + [(5, 2.0), (6, 2.0)] and [s["step"] for s in curves._texts] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("records, words", [([{"loss": 1.0}], "has no \"step\""), ([(1, 2.0)], "is a tuple"), ([{"step": 1, "sample": 3}], "sample is a int")])
def test_curves_refuse_records_without_a_place(records, words):
    with pytest.raises((ValueError, TypeError), match=words):
        TrainingCurves(records)


def test_bands_are_checked_and_nan_is_said():
    with pytest.raises(ValueError, match="steps rising"):
        TrainingCurves(band=[(0, 3, 2)])
    curves = TrainingCurves([{"step": 1, "loss": 2.0}, {"step": 2, "loss": float("nan")}, {"step": 3, "grad_norm": float("inf")}])
    assert "loss is NaN or infinite at step 2" in curves.message and curves.points("loss") == [(1, 2.0)]


def test_thousands_of_records_are_few_messages_and_none_is_lost():
    curves, sent = TrainingCurves(), []
    curves.observe(lambda change: sent.append(len(change["new"]) // 20), "columns")
    for step in range(1, 3001):
        curves.update({"step": step, "loss": 1 / step})
    until = time.monotonic() + 5
    while (not sent or sent[-1] < 3000) and time.monotonic() < until:
        time.sleep(0.02)
    assert sent[-1] == 3000 and 1 <= len(sent) < 30


def test_curves_follow_finetune(tiny_lab):
    text = "the cat sat because it was tired. " * 30
    rows = TextData.from_texts(tiny_lab.tokenizer, [text], block_size=16)
    model, curves = other(tiny_lab, 0.0), TrainingCurves(max_steps=4)
    with curves:
        history = finetune(model, rows, FinetuneConfig(max_steps=4, per_device_train_batch_size=2, eval_steps=2, learning_rate=1e-3, warmup_steps=1), callback=curves)
    for name in ("loss", "eval_loss", "learning_rate", "grad_norm"):
        expected = [(r["step"], pytest.approx(r[name], rel=1e-5)) for r in history if name in r]
        assert expected and curves.points(name) == expected, name
    assert not curves.running and "step 4" in curves.describe()


def test_the_stored_notebook_holds_the_whole_curve(tmp_path):
    cell = ("from gpt2lab.widgets import TrainingCurves\nwith TrainingCurves(max_steps=3) as curves:\n"
            "    for step in (1, 2, 3):\n        curves({'step': step, 'loss': 3.0 - step})")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    (output,) = notebook.cells[0].outputs
    assert output.data["text/plain"] == "Training curves: loss 2.000 at step 1 to 0.000 at step 3."


def test_curves_are_read_by_keyboard_and_mouse(open_page):
    page = open_page(TrainingCurves(RECORDS, max_steps=12, max_grad_norm=0.3, band=[(0, 5, 6), (12, 4, 5)]))
    assert spoken(page).startswith("Step 9: loss 4.500, held-out loss 4.700, learning rate 0.001. Expected there: 4.25 to 5.25")
    assert facts(page)[:3] == ["9", "4.500", "4.700"] and facts(page)[-1] == "33 %"            # 3 of 9 norms lie above 0.3
    page.get_by_role("slider", name="Read the curves at").focus()
    page.keyboard.press("ArrowLeft")
    assert spoken(page).startswith("Step 8: loss 4.700, held-out loss 5.500 (step 0)") and page.locator(".g2-sample-text").count() == 0
    page.keyboard.press("End")
    assert page.locator(".g2-sample-text").inner_text() == "a < b & c"
    box = page.locator(".g2-chart").first.bounding_box()
    page.mouse.move(box["x"] + 70, box["y"] + 60)
    assert spoken(page).startswith("Step 0:")
    page.locator("summary").click()
    assert page.locator(".g2-figures tbody tr").count() == len(RECORDS)
    shape = page.locator(".g2-chart .g2-strong").first.get_attribute("d")
    page.get_by_label("smoothing").fill("0")
    assert page.locator(".g2-chart .g2-strong").first.get_attribute("d") != shape
    five = page.locator(".g2-chart .g2-tick", has_text="5").first
    height = float(five.get_attribute("y"))
    page.get_by_label("logarithmic loss").check()
    assert float(five.get_attribute("y")) < height - 2                         # between 4 and 6 a logarithm rises faster at first


def test_empty_and_broken_runs_draw(open_page):
    page = open_page(TrainingCurves(), TrainingCurves([{"step": 1, "loss": 2.0}, {"step": 2, "loss": float("nan")}]))
    assert "Nothing was recorded" in spoken(page) and page.locator(".g2-chart[hidden]").count() == 4
    assert "step 2" in page.locator(".g2-message").nth(1).inner_text() and "NaN" in page.locator(".g2-alarm").text_content()


def test_ten_thousand_steps_move_within_a_tenth_of_a_second(open_page):
    page = open_page(TrainingCurves([{"step": s, "loss": 5 - s / 5000 + (s % 7) / 10, "learning_rate": 1e-4, "grad_norm": 1.0} for s in range(1, 10_001)]))
    took = page.evaluate("""() => { const slider = document.querySelector('input[type=range]'), times = [];
        for (let i = 0; i < 8; i++) { const start = performance.now(); slider.value = 1000 * i; slider.dispatchEvent(new Event('input')); times.push(performance.now() - start); }
        return times.sort((a, b) => a - b)[4]; }""")
    print(f"reading another of 10,000 steps in the page: {took:.0f} ms")
    assert page.locator(".g2-chart .g2-strong").first.get_attribute("d").count("L") < 2500


# ---- LoRA ranks

def test_fit_is_the_svds(tiny_lab):
    torch.manual_seed(0)
    matrix = torch.randn(96, 32)
    view = LoraRank(matrix, rank=5)
    U, S, Vh = np.linalg.svd(matrix.numpy())
    for rank in (0, 1, 5, 31, 32):
        rest = matrix.numpy() - U[:, :rank] * S[:rank] @ Vh[:rank]
        assert view.error(rank) == pytest.approx(np.linalg.norm(rest) / np.linalg.norm(matrix), abs=1e-5)
    card = look_at(matrix)
    left, right = (np.frombuffer(card[name], "<f4").reshape(-1, 32) for name in ("left", "right"))
    singular = np.frombuffer(card["singular"], "<f4")
    fit = torch.tensor(U[:, :5] * S[:5] @ Vh[:5])
    np.testing.assert_allclose(left[:, :5] * singular[:5] @ right[:, :5].T, blocks(fit, 64, 64), atol=1e-4)
    assert "640 numbers instead of 3,072" in view.describe()


def test_changes_of_a_model_most_first_and_adapters_as_if_merged(tiny_lab):
    after = other(tiny_lab)
    with torch.no_grad():
        after.h[1].mlp.c_fc.weight.add_(0.5)
    view = LoraRank.of(tiny_lab, after)
    assert view.names[0] == "h.1.mlp.c_fc.weight" and len(view.names) == 12 and all(n.endswith("weight") for n in view.names)
    adapted = add_lora(other(tiny_lab, 0.0), r=3, alpha=6)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    unmerged = LoraRank.of(tiny_lab.model, adapted)
    merged = LoraRank.of(tiny_lab.model, merge_lora(adapted))
    assert sorted(unmerged.names) == sorted(merged.names) == [f"h.{i}.attn.c_attn.weight" for i in range(3)]
    assert unmerged.error(2) > 1e-3 and unmerged.error(3) < 1e-5 and merged.error(2) == pytest.approx(unmerged.error(2), abs=1e-4)
    chosen = LoraRank.of(tiny_lab, after, ["wpe.weight", "h.0.attn.c_proj.weight"])           # wpe has not changed
    assert chosen.names == ["h.0.attn.c_proj.weight"]
    view.selected = "h.0.attn.c_proj.weight"
    assert view.card["name"] == "h.0.attn.c_proj.weight" and view.card["shape"] == [32, 32]


@pytest.mark.parametrize("matrix, words", [(torch.zeros(3, 4), "all zeros"), (torch.ones(3), "pass a matrix"), (torch.full((2, 2), float("nan")), "NaN"), ({}, "no matrix")])
def test_ranks_refuse_what_has_none(matrix, words):
    with pytest.raises(ValueError, match=words):
        LoraRank(matrix)


def test_ranks_refuse_models_that_do_not_differ_or_fit(tiny_lab):
    with pytest.raises(ValueError, match="none of these matrices differs"):
        LoraRank.of(tiny_lab, tiny_lab)
    with pytest.raises(ValueError, match="'h.9.attn' is not in both"):
        LoraRank.of(tiny_lab, other(tiny_lab), ["h.9.attn"])


def test_rank_slider_puts_the_fit_together_in_the_page(open_page):
    torch.manual_seed(0)
    low = torch.randn(40, 3) @ torch.randn(3, 24)
    view = LoraRank({"noise": torch.randn(40, 24), "rank three": low}, rank=4)
    page = open_page(view)
    U, S, Vh = torch.linalg.svd(view._matrices["noise"])
    for rank in (0, 4, 9, 24):
        page.get_by_role("slider", name="rank").fill(str(rank))
        fit = U[:, :rank] * S[:rank] @ Vh[:rank]
        norms = [float(c.get_attribute("data-norm")) for c in page.locator("canvas").all()]
        assert norms == pytest.approx([float(view._matrices["noise"].norm()), float(fit.norm()), float((view._matrices["noise"] - fit).norm())], abs=1e-3)
        assert facts(page)[:2] == [str(rank), f"{rank * 64:,}"]
    assert facts(page)[2] == "160 %"                                           # more numbers than the matrix itself
    page.get_by_label("Matrix").select_option("rank three")
    assert "has rank 3" in spoken(page)
    page.locator("svg.g2-chart").first.click(position={"x": 58, "y": 60})
    assert facts(page)[0] == "0"


# ---- attention before and after

def test_change_is_the_share_that_moved(tiny_lab):
    before, after = (lab.look(SENTENCE) for lab in (tiny_lab, dataclasses.replace(tiny_lab, model=other(tiny_lab))))
    view = AttentionDifference(before.tokens, before.attentions, after.attentions)
    expected = [[np.mean([0.5 * float((a[h, i] - b[h, i]).abs().sum()) for i in range(a.shape[-1])]) for h in range(4)] for a, b in zip(before.attentions, after.attentions)]
    np.testing.assert_allclose(view.change(), expected, atol=2e-5)
    assert view.chosen == list(divmod(int(np.argmax(expected)), 4)) and view.names == ["before", "after"]
    one, zero = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([[1.0, 0], [1, 0]])
    assert moved(one, zero) == 0.5 and moved(one, one) == 0


def test_small_differences_keep_their_numbers():
    a = torch.rand(1, 2, 5, 5).tril()
    b = a + 0.001 * torch.randn(1, 2, 5, 5).tril()
    packed, reach = data.packed_difference(a, b)
    raw = np.frombuffer(data.triangle(packed[0, 1]), np.uint8).astype(float)
    rows, columns = np.tril_indices(5)
    np.testing.assert_allclose((raw - 128) / 127 * reach, (b - a)[0, 1][rows, columns], atol=reach / 250)
    equal, _ = data.packed_difference(a, a)
    assert set(data.triangle(equal[0, 0])) == {128}
    thumb = torch.zeros(1, 1, 100, 100)
    thumb[0, 0, 60, 10], thumb[0, 0, 61, 10] = -0.9, 0.4
    small = np.frombuffer(data.signed_thumbnails(data.packed_difference(torch.zeros(1, 1, 100, 100), thumb)[0], 10), np.uint8).reshape(10, 10)
    assert small[6, 1] == 1 and small[9, 9] == 128                             # the furthest from equal is kept, with its sign


def test_several_models_and_an_own_text(tiny_lab):
    view = AttentionDifference.of(tiny_lab, SENTENCE, {"much": other(tiny_lab, 0.1), "little": dataclasses.replace(tiny_lab, model=other(tiny_lab, 0.001))}, name="float32")
    assert view.names == ["float32", "much", "little"] and view.change("much").mean() > 10 * view.change("little").mean()
    assert view.reaches[0] > 10 * view.reaches[1] and len(view.triangles) == 5
    old = view.changes
    view.text = "the other cat"
    assert view.changes != old and len(view.changes) == 2 and view.change("much").mean() > 10 * view.change("little").mean()
    assert len(view.tokens) == len(tiny_lab.encode("the other cat")[0]) and not view.message
    with pytest.raises(ValueError, match="there is much, little"):
        view.change("none")
    with pytest.raises(ValueError, match="layer 3, head 0 does not exist"):
        AttentionDifference(["a"], [torch.ones(1, 1, 1)], [torch.ones(1, 1, 1)], layer=3)
    with pytest.raises(ValueError, match="the models differ"):
        AttentionDifference(["a"], [torch.ones(1, 1, 1)], [torch.ones(2, 1, 1)])


def test_difference_in_the_page_says_what_python_knows(open_page):
    a, b = torch.zeros(2, 2, 3, 3), torch.zeros(2, 2, 3, 3)
    a[..., 0] = b[..., 0] = 1
    b[1, 1, 2] = torch.tensor([0.9, 0.04, 0.06])
    c = a.clone()
    c[0, 0, 1] = torch.tensor([0.998, 0.002, 0])
    page = open_page(AttentionDifference(["x", "y", "z"], list(a), {"after": list(b), "less": list(c)}, names=("before",)))
    assert spoken(page).startswith("Layer 1, head 1, \u201cz\u201d: \u221210.0 % on \u201cx\u201d, +6.0 % on \u201cz\u201d, +4.0 % on \u201cy\u201d.")
    assert facts(page) == ["3.3 %", "0.83 %"]                                  # a tenth of one of three rows, in one of four heads
    assert page.locator("canvas").count() == 4
    page.get_by_label("Compare before with").select_option("less")
    page.locator("button", has_text="L0 H0").click()
    assert facts(page)[0] == "0.07 %" and "nothing moved by more than" in spoken(page)
    page.locator("canvas").nth(3).focus()
    page.keyboard.press("ArrowUp")
    assert "\u201cy\u201d: \u22120.200 % on \u201cx\u201d, +0.200 % on \u201cy\u201d" in spoken(page)
    page.locator("canvas").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_label("Head", exact=True).input_value() == "1" and facts(page)[0] == "0 %"
    page.locator(".g2-tokens .g2-token").first.click()
    assert "\u201cx\u201d" in spoken(page)


def test_long_texts_send_heads_one_by_one(tiny_lab, monkeypatch, open_page):
    monkeypatch.setattr(data, "ALL_AT_ONCE", 2_000)
    view = AttentionDifference.of(tiny_lab, "the cat sat there " * 8, other(tiny_lab))
    view.page_budget = 9_000
    sent = []
    view.send = lambda content, buffers: sent.append(content["head"])
    view._answer(view, {"want": "head", "model": 2, "layer": 1, "head": 3}, [])
    assert sent == [[2, 1, 3]] and not any(view.triangles) and [len(t) for t in view.thumbs] == [12 * 48 * 48] * 3
    state = view.page_state()["heads"]
    assert all(0 < len(some) < 12 for some in state)
    page = open_page(view)
    assert "layer" in spoken(page).lower() and "small picture" not in spoken(page)
    gone = next(f"{l},{h}" for l in range(3) for h in range(4) if f"{l},{h}" not in state[2])
    for name, value in zip(("Layer", "Head"), gone.split(",")):
        page.get_by_label(name, exact=True).select_option(value)
    assert "small pictures" in spoken(page) and "looks" not in spoken(page)
