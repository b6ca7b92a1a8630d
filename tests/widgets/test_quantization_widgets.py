"""Chapter 07's widgets: a page rounds exactly as `gpt2lab.quantization` does, and says which model no other beats."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from gallery import ROWS

from gpt2lab.quantization import dequantize, quantize_tensor
from gpt2lab.widgets import QualitySize, QuantBins
from gpt2lab.widgets.quant_bins import LIMIT


def spoken(page) -> str:
    return page.locator(".g2-spoken").first.inner_text()


def facts(page) -> list[str]:
    return page.locator(".g2-fact b").all_inner_texts()


def lopsided() -> torch.Tensor:
    """Rows of different spread, one all zeros, one all positive, and an outlier."""
    torch.manual_seed(0)
    x = torch.randn(12, 64) * torch.logspace(-2, 0, 12)[:, None]
    x[3], x[5], x[7, 9] = 0.0, x[5].abs() + 0.1, 9.0
    return x


# ---- bins

SETTINGS = [{}, {"symmetric": False}, {"bits": 3}, {"bits": 2, "symmetric": False}, {"axis": 0}, {"axis": 1, "symmetric": False}, {"group_size": 32, "bits": 4},
            {"group_size": 32, "bits": 4, "symmetric": False, "clip": 0.7}, {"clip": 0.35}, {"axis": 0, "clip": 0.9, "bits": 5}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_levels_are_quantize_tensors(settings):
    x, clip = lopsided(), settings.get("clip", 1.0)
    options = {k: v for k, v in settings.items() if k != "clip"}
    view = QuantBins(x, **settings)
    if clip == 1:
        expected = dequantize(quantize_tensor(x, **options))
    else:                                                  # written out anew: the range of each part, times clip
        parts = {0: x[:, None], 1: x.T[:, None]}.get(options.get("axis"), x.reshape(-1, 1, 32) if "group_size" in options else x.reshape(1, 1, -1))
        low, high = parts.amin(-1, True).clamp(max=0), parts.amax(-1, True).clamp(min=0)
        if options.get("symmetric", True):
            high = torch.maximum(high, -low)
            low = -high
        kept = torch.maximum(torch.minimum(parts, high * clip), low * clip)
        kept = kept[:, 0].T if options.get("axis") == 1 else kept.reshape(x.shape)
        expected = dequantize(quantize_tensor(kept, **options))
    assert torch.equal(view.dequantized(), expected)
    wrong = (x - expected).double()
    assert view.error()["rms"] == pytest.approx(float(wrong.pow(2).mean().sqrt())) and view.error()["largest"] == pytest.approx(float(wrong.abs().max()))


@pytest.mark.parametrize("settings", SETTINGS)
def test_page_rounds_as_python_does(settings, open_page):
    view = QuantBins(lopsided(), **settings)
    page = open_page(view)
    error = view.error()
    shown = page.evaluate("""() => { const t = [...document.querySelectorAll('[data-rms]')][0].dataset; return [Number(t.rms), Number(t.largest)]; }""")
    assert shown == pytest.approx([error["rms"], error["largest"]], rel=1e-6)
    assert facts(page)[1] == f"{error['snr_db']:.1f} dB"
    assert error["rms"] > 0                                # else nothing was rounded and the comparison is empty


def test_page_rounds_halves_to_even(open_page):
    """Errors cannot tell: 0.5 is as far from 0 as from 1. The levels in use can."""
    x = torch.tensor([0.5, 1.5, 2.5, 3.5, -0.5, -1.5, 127.0])
    used = len(set(quantize_tensor(x).values.tolist()))
    assert facts(open_page(QuantBins(x)))[4] == f"{used} of 256" and used == 5


def test_sliders_answer_without_a_kernel(open_page):
    view = QuantBins(lopsided())
    page = open_page(view)
    for name, values in (("bits", (2, 5, 8)), ("clip", (0.4, 1.0))):
        for value in values:
            setattr(view, name, value)
            page.get_by_role("slider", name={"bits": "bits", "clip": "part of the range kept"}[name]).fill(str(value))
            assert float(page.locator("[data-rms]").get_attribute("data-rms")) == pytest.approx(view.error()["rms"], rel=1e-6)
    page.get_by_label("Range", exact=True).select_option("0")
    page.get_by_label("Scales").select_option("row")
    view.symmetric, view.scales = False, "row"
    assert float(page.locator("[data-rms]").get_attribute("data-rms")) == pytest.approx(view.error()["rms"], rel=1e-6)
    reader = page.get_by_role("slider", name="histogram of")
    reader.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert "row 3: levels are 1 apart" in page.locator(".g2-label", has_text="levels are").inner_text()      # the row of zeros
    page.get_by_label("logarithmic counts").check()
    page.locator("summary").click()
    decibels = [f"{view.error(bits)['snr_db']:.1f}" for bits in range(2, 9)]
    page.wait_for_function("""want => [...document.querySelectorAll('.g2-figures tbody tr')].map((r) => r.querySelectorAll('td')[1].textContent).join() === want""",
                           arg=",".join(decibels), timeout=10_000)             # the table follows a quarter of a second behind


def test_the_least_error_is_less(open_page):
    view = QuantBins(torch.cat([torch.randn(4000, generator=torch.Generator().manual_seed(0)), torch.tensor([12.0])]), bits=4)
    page = open_page(view)
    before = float(page.locator("[data-rms]").get_attribute("data-rms"))
    page.get_by_role("button", name="Least error").click()
    found = float(page.get_by_role("slider", name="part of the range kept").input_value())
    tried = {}
    for clip in (1, 0.97, 0.94, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2):
        view.clip = clip
        tried[clip] = view.error()["rms"]
    assert found == min(tried, key=tried.get) < 0.5 and tried[found] < before / 1.5


def test_dragging_a_triangle_clips(open_page):
    page = open_page(QuantBins(lopsided()))
    box = page.locator("svg.g2-draggable").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 40, steps=4)
    page.mouse.up()
    kept = float(page.get_by_role("slider", name="part of the range kept").input_value())
    assert 0.2 < kept < 0.7 and "are clipped" in spoken(page) and page.locator(".g2-cut-off").count() == 2
    page.mouse.move(box["x"] + 100, box["y"] + 40)                             # not pressed any more
    assert float(page.get_by_role("slider", name="part of the range kept").input_value()) == kept


def test_large_tensors_show_whole_rows_and_the_outlier(open_page):
    x = torch.zeros(1000, 1024)
    x[501, 3] = 5.0
    view = QuantBins({"large": x, "small": torch.arange(6.0)}, bits=4)
    assert len(view.card["rows"]) == LIMIT // 2 // 1024 and 501 in view.card["rows"] and float(view.x().max()) == 5
    page = open_page(view)
    assert "64 of its 1,000 rows" in page.locator(".g2-label", has_text="Shown are").inner_text()
    page.get_by_label("Tensor").select_option("small")
    assert "Shown are" not in page.locator(".g2").inner_text() and facts(page)[0] != "0"
    assert page.get_by_label("Scales").locator("option").count() == 1            # a vector has no rows to choose from
    with pytest.raises(ValueError, match="rows of 200,000 numbers"):
        QuantBins(torch.zeros(200_000))
    many = QuantBins({str(i): torch.ones(32, 1024) for i in range(10)})
    assert len(many.page_state()["cards"]) == 8 and "8 of 10 tensors" in open_page(many).locator(".g2-quiet").last.inner_text()


@pytest.mark.parametrize("x, options, words", [
    (torch.randn(4), {"bits": 9}, "bits=9"), (torch.randn(4), {"clip": 0}, "clip=0"), (torch.randn(4), {"axis": 2}, "axis=2"),
    ({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])}, {}, "b holds NaN"), (torch.randn(2, 2, 2), {}, "a vector or a matrix"), ({}, {}, "no tensor"),
    (torch.randn(3, 33), {"group_size": 32}, "does not divide"), ({"a": torch.ones(2)}, {"selected": "b"}, "no tensor 'b'")])
def test_bins_refuse_nonsense(x, options, words):
    with pytest.raises(ValueError, match=words):
        QuantBins(x, **options)


def test_bins_of_a_model(tiny_lab):
    view = QuantBins.of(tiny_lab, ["wte.weight", "h.1.mlp.c_fc.bias"], bits=4)
    assert torch.equal(view.x(), tiny_lab.model.wte.weight.detach())
    view.selected = "h.1.mlp.c_fc.bias"
    assert view.x().shape == (1, 128) and "128, at 4 bits" in view.describe()
    with pytest.raises(ValueError, match="no tensor 'lm'"):
        QuantBins.of(tiny_lab.model, "lm")


# ---- quality against size

def test_nobody_is_beaten_who_stands_on_the_line():
    view = QualitySize(ROWS)
    assert view.best() == ["int4", "int8-weight", "fp32"] and view.reference == "fp32" and view.numeric == ["bytes", "perplexity"]
    equal = QualitySize([{"name": "a", "bytes": 1, "accuracy": 0.5}, {"name": "b", "bytes": 1, "accuracy": 0.5}, {"name": "c", "bytes": 2, "accuracy": 0.4},
                         {"name": "d", "bytes": torch.tensor(3), "accuracy": np.float32(0.75)}], y="accuracy")
    assert equal.best() == ["a", "b", "d"] and equal.rows[3]["accuracy"] == 0.75


@pytest.mark.parametrize("rows, options, words", [
    ([], {}, "no rows"), ([{"bytes": 1}], {}, "name of"), (ROWS + ROWS[:1], {}, "two rows are called 'fp32'"),
    (ROWS, {"x": "kernel"}, "'kernel'"), (ROWS, {"reference": "fp8"}, "no row 'fp8'"), ([{**ROWS[0], "perplexity": float("nan")}], {}, "'perplexity'")])
def test_quality_refuses_nonsense(rows, options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        QualitySize(rows, **options)


def test_quality_is_read_in_the_page(open_page):
    rows = [{**row, "tokens_a_second": n} for row, n in zip(ROWS, (10, 30, 50, 40))]
    page = open_page(QualitySize(rows))
    look = page.get_by_label("Look at")
    look.select_option(label="int8-dynamic")
    assert "0.25 \u00d7 fp32" in spoken(page) and "2.5 % more than fp32" in spoken(page) and "int8-weight is at least as good in both" in spoken(page)
    look.select_option(label="int4")
    assert "No other is at least as good in both" in spoken(page) and page.locator(".g2-chosen-line th").inner_text() == "int4"
    assert page.locator("path.g2-f0").evaluate_all("all => all.map((n) => n.dataset.name)") == ["fp32", "int8-weight", "int4"]
    page.get_by_label("Up").select_option("tokens_a_second")                   # more is better here
    filled = page.locator("path.g2-f0").evaluate_all("all => all.map((n) => n.dataset.name)")
    assert sorted(filled) == ["int4", "int8-dynamic"] and "more is better" in page.locator(".g2-chart").text_content()
    page.locator("path[data-name=fp32]").hover()
    assert look.input_value() == "0" and spoken(page).startswith("fp32: bytes 4 MB; tokens a second 10.")
    page.get_by_label("logarithmic").check()
    assert page.locator(".g2-figures tbody tr").count() == 4
