"""The page form in a real browser, from file://: no kernel, no network, no error; mouse, keyboard, dark, narrow, print."""
from __future__ import annotations

import pytest
import torch
from gallery import ALL_WIDGETS, HOSTILE, TEXT_WIDGETS

from gpt2lab.tokenizer import merge_by_rank, pretokenize
from gpt2lab.widgets import (
    AttentionPlayground,
    AttentionViewer,
    BytesOfText,
    CompletionBox,
    HeadFinder,
    LogitLens,
    MergeSlider,
    ShapeCalculator,
    TokenCutsAttention,
    bertviz_head_view,
)

SENTENCE = "the cat sat because it"


def spoken(page) -> str:
    return page.locator(".g2-spoken").first.inner_text()


def shade(locator) -> str:
    return locator.evaluate("node => getComputedStyle(node).backgroundColor")


def ink_of(canvas) -> int:
    """How many different colours a canvas shows."""
    return canvas.evaluate("""node => { const c = node.getContext('2d').getImageData(0, 0, node.width, node.height).data;
        const seen = new Set(); for (let i = 0; i < c.length; i += 4) seen.add(c[i] << 24 | c[i+1] << 16 | c[i+2] << 8 | c[i+3]); return seen.size; }""")


# ---- what holds for all

@pytest.mark.parametrize("name", ALL_WIDGETS)
def test_accessible_in_light_and_dark_wide_and_narrow(name, tiny_lab, open_page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed").Axe()
    page = open_page(ALL_WIDGETS[name](tiny_lab, SENTENCE))
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        page.evaluate("document.body.style.background = getComputedStyle(document.querySelector('.g2')).backgroundColor")
        page.wait_for_timeout(250)                                                       # colours fade for 0.12 s
        bad = [v for v in axe.run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        assert not bad, [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"][:300]) for v in bad]
    page.set_viewport_size({"width": 400, "height": 900})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize("name", TEXT_WIDGETS)
def test_learners_text_stays_text(name, tiny_lab, open_page):
    page = open_page(TEXT_WIDGETS[name](tiny_lab, HOSTILE))
    assert page.evaluate("window.hacked") is None and page.locator("img").count() == 0


@pytest.mark.parametrize("name", TEXT_WIDGETS)
@pytest.mark.parametrize("text", ["", "\U0001f469\u200d\U0001f680\u0633\u0644\u0627\u0645", "cat " * 38])
def test_unusual_texts_draw(name, text, tiny_lab, open_page):
    page = open_page(TEXT_WIDGETS[name](tiny_lab, text), width=400)
    assert page.locator(".g2-title").count() == 1


@pytest.mark.parametrize("name", ALL_WIDGETS)
def test_without_scripts_a_picture_and_a_sentence(name, tiny_lab, open_page):
    page = open_page(ALL_WIDGETS[name](tiny_lab, SENTENCE), java_script_enabled=False)
    still = page.locator(".g2-static")
    assert len(still.inner_text()) > 20 and still.locator("svg, table, .g2-token, strong").count() > 0


def test_every_control_has_a_name(tiny_lab, open_page):
    page = open_page(*[make(tiny_lab, SENTENCE) for make in ALL_WIDGETS.values()])
    unnamed = page.evaluate("""[...document.querySelectorAll('.g2 :is(input, select, textarea)')]
        .filter((n) => !(n.labels?.length && n.labels[0].textContent.trim())).map((n) => n.outerHTML)""")
    assert page.locator(".g2-title").count() == len(ALL_WIDGETS) and not unnamed


def test_same_widget_twice_and_ids_unique(tiny_lab, open_page):
    viewer = AttentionViewer.of(tiny_lab, SENTENCE)
    page = open_page(viewer, viewer, bertviz_head_view(["a", "b"], [torch.ones(2, 2, 2).tril()]),
                     bertviz_head_view(["a", "b"], [torch.ones(2, 2, 2).tril()]))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((n) => n.id)")
    assert page.locator(".g2-title").count() == 2 and len(ids) == len(set(ids))


def test_system_dark_mode_without_a_theme_attribute(tiny_lab, open_page):
    colours = [open_page(MergeSlider(tiny_lab.tokenizer), theme=None, color_scheme=scheme).locator(".g2").evaluate(
        "n => getComputedStyle(n).backgroundColor") for scheme in ("light", "dark")]
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 26, 36)"]


def test_print_keeps_the_picture_and_drops_buttons(tiny_lab, open_page):
    page = open_page(MergeSlider(tiny_lab.tokenizer, SENTENCE))
    page.emulate_media(media="print")
    assert not page.get_by_role("button", name="Play").is_visible() and page.locator(".g2-cut .g2-token").first.is_visible()


def test_form_without_kernel_says_so(tiny_lab, open_page):
    page = open_page(LogitLens(tiny_lab, SENTENCE))
    assert "live notebook" in page.locator(".g2-quiet").last.inner_text()
    assert page.locator("textarea").get_attribute("readonly") is not None


# ---- each one, used

def test_completion_token_shows_where_the_model_looked(tiny_lab, open_page):
    box = CompletionBox(tiny_lab, SENTENCE, max_new_tokens=6, examples=("they gathered",))
    page = open_page(box)
    tokens = page.locator(".g2-writing .g2-token")
    assert tokens.count() == len(box.tokens)
    tokens.nth(box.n_prompt + 2).hover()
    assert "To write" in spoken(page) and "probability" in spoken(page)
    before = shade(tokens.nth(0))
    tokens.nth(box.n_prompt + 2).focus()
    page.keyboard.press("ArrowRight")
    assert tokens.nth(box.n_prompt + 3).evaluate("n => n === document.activeElement && n.classList.contains('g2-chosen')")
    page.get_by_label("Where it looked").select_option("1")
    page.wait_for_timeout(200)
    assert shade(tokens.nth(0)) != before or shade(tokens.nth(1)) != before
    page.get_by_label("Prompts to try").select_option(label="they gathered")
    page.wait_for_function("document.querySelector('textarea').value === 'they gathered'")


def test_completion_replay_respects_reduced_motion(tiny_lab, open_page):
    box = CompletionBox(tiny_lab, SENTENCE, max_new_tokens=6)
    for motion, shown in (("reduce", len(box.tokens)), ("no-preference", box.n_prompt)):
        page = open_page(box, reduced_motion=motion)
        count = page.evaluate("""() => { [...document.querySelectorAll('button')].find((b) => b.textContent === 'Watch it again').click();
            return document.querySelectorAll('.g2-writing .g2-token').length; }""")
        assert count == shown


@pytest.mark.parametrize("text", ["they gathered there, the theory", "x  \n\n y\t\u3000z  ", "it's \U0001f44b\U0001f3fd na\u00efve 123abc", "\u0633\u0644\u0627\u0645"])
def test_merge_slider_equals_the_chapters_tokenizer_at_every_setting(text, tiny_lab, open_page):
    merges = tiny_lab.tokenizer.merges
    page = open_page(MergeSlider(tiny_lab.tokenizer, "other"))
    page.get_by_label("Your text").fill(text)
    page.wait_for_timeout(80)
    for k in (0, 1, 5, 17, len(merges)):
        page.get_by_label("Exactly").fill(str(k))
        page.get_by_label("Exactly").press("Tab")
        ranks = {pair: r for r, pair in enumerate(merges[:k])}
        expected = [t for p in pretokenize(text) for t in merge_by_rank(p.encode(), ranks)]
        facts = page.locator(".g2-fact b").all_inner_texts()
        assert facts[1] == str(len(expected)) and facts[2] == str(len(text.encode()))
        shown = page.locator(".g2-cut .g2-token").all_inner_texts()
        assert [s.replace("\u00b7", " ") for s in shown[:3]] == [t.decode("utf-8", "ignore").replace("\n", "\u23ce").replace("\t", "\u21e5")
                                                                if _whole(t) else "\u27e8" + t.hex(" ").upper() + "\u27e9" for t in expected[:3]]


def _whole(raw: bytes) -> bool:
    try:
        return bool(raw.decode("utf-8")) or True
    except UnicodeDecodeError:
        return False


def test_merge_slider_moves_by_keyboard_and_by_change(tiny_lab, open_page):
    page = open_page(MergeSlider(tiny_lab.tokenizer, "the theory", count=0))
    tokens = page.locator(".g2-cut .g2-token")
    assert tokens.count() == 10
    page.get_by_role("button", name="next change").click()
    assert tokens.count() < 10 and page.locator(".g2-cut .g2-chosen").count() > 0
    after = tokens.count()
    page.get_by_role("button", name="previous change").click()
    assert tokens.count() == 10
    page.get_by_label("Merges applied").focus()
    exactly = page.get_by_label("Exactly")
    for key, count in (("Home", "0"), ("ArrowRight", "1"), ("ArrowUp", "2"), ("ArrowLeft", "1")):     # an arrow is at least one merge
        page.keyboard.press(key)
        assert exactly.input_value() == count
    page.keyboard.press("End")
    assert tokens.count() < after and "No later merge" in spoken(page)


def test_merge_slider_says_when_text_is_too_long(tiny_lab, open_page):
    page = open_page(MergeSlider(tiny_lab.tokenizer, "x" * 5000 + " cat"))
    assert "4,000 of 5,004" in page.locator(".g2-quiet").last.inner_text()


def test_bytes_of_an_emoji(open_page):
    page = open_page(BytesOfText("\U0001f44b\U0001f3fd"))
    assert page.locator(".g2-fact b").all_inner_texts() == ["1", "2", "8"]
    assert page.locator(".g2-byte").all_inner_texts() == ["F0", "9F", "91", "8B", "F0", "9F", "8F", "BD"]
    page.locator(".g2-byte").nth(1).focus()
    assert "continuation" in spoken(page) and "U+1F44B" in page.locator(".g2-detail").inner_text()
    page.get_by_label("Your text").fill("\u00e9")
    page.wait_for_function("document.querySelectorAll('.g2-byte').length === 2")


def test_token_cuts_follow_each_other(tiny_lab, open_page):
    widget = TokenCutsAttention(tiny_lab, "the other cat", tokenizer_b=None)
    page = open_page(widget)
    first, second = page.locator(".g2-cut-view").all()
    first.locator(".g2-token").last.click()
    assert first.locator(".g2-chosen").inner_text() == widget.cuts[0]["tokens"][-1].replace(" ", "\u00b7")
    assert second.locator(".g2-chosen").get_attribute("data-at") == str(len(widget.cuts[1]["tokens"]) - 1)
    assert spoken(page).startswith("A:") and " B:" in spoken(page)
    before = spoken(page)
    page.get_by_label("Layer", exact=True).select_option("2")
    page.get_by_label("Head", exact=True).select_option("1")
    assert spoken(page) != before and ink_of(page.locator("canvas").first) > 5


def playground_weights(page) -> list[list[float]]:
    return page.evaluate("""[...document.querySelectorAll('.g2-matrix')][0].querySelectorAll('tbody tr').values()
        .map((r) => [...r.querySelectorAll('td')].map((d) => Number(d.textContent || 0))).toArray()""")


def test_playground_shows_the_weights_of_ten_tokens_whole(tiny_lab, open_page):
    """In a notebook's usual width: the chosen row, the last one, ends at the right."""
    page = open_page(AttentionPlayground(tiny_lab, "the cat sat because it was a"), width=880)
    assert page.locator(".g2-matrix").first.locator("tbody tr").count() == 10
    assert page.get_by_label("Weights of every query").evaluate("n => n.scrollWidth <= n.clientWidth")


def test_playground_computes_what_python_does_and_switches_work(tiny_lab, open_page):
    widget = AttentionPlayground(tiny_lab, SENTENCE, layer=1, head=2)
    page = open_page(widget)
    scale, mask = page.get_by_label("scale"), page.get_by_label("mask")
    for options in ({}, {"scale": False}, {"scale": False, "mask": False}):
        scale.set_checked(options.get("scale", True))
        mask.set_checked(options.get("mask", True))
        expected = widget.weights(**options)
        shown = playground_weights(page)
        assert max(abs(a - b) for row, want in zip(shown, expected) for a, b in zip(row, want)) < 0.0051


def test_playground_drag_and_keys_change_the_weights(tiny_lab, open_page):
    page = open_page(AttentionPlayground(tiny_lab, SENTENCE))
    before = playground_weights(page)
    query = page.locator(".g2-handle.g2-query circle").bounding_box()
    plane = page.locator(".g2-plane").bounding_box()
    page.mouse.move(query["x"] + query["width"] / 2, query["y"] + query["height"] / 2)
    page.mouse.down()
    page.mouse.move(plane["x"] + 40, plane["y"] + 40, steps=4)
    page.mouse.up()
    dragged = playground_weights(page)
    assert dragged[-1] != before[-1] and dragged[:-1] == before[:-1] and "yours now" in spoken(page)
    page.locator(".g2-handle.g2-key").first.focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowUp")
    assert playground_weights(page)[1] != dragged[1]
    page.get_by_role("button", name="Put the arrows back").click()
    assert playground_weights(page) == before


def test_playground_labels_cover_neither_each_other_nor_a_mark(tiny_lab, open_page):
    page = open_page(AttentionPlayground(tiny_lab, "the cat sat because it was a"))
    handles = page.evaluate("""[...document.querySelectorAll('.g2-handle')].map((handle) => [...handle.children].map((part) => {
        const box = part.getBBox(); return [box.x, box.y, box.x + box.width, box.y + box.height]; }))""")
    for i, (_, label) in enumerate(handles):
        others = [part for j, (mark, text) in enumerate(handles) if j != i for part in (mark, text)]
        covered = [other for other in others if label[0] < other[2] and other[0] < label[2] and label[1] < other[3] and other[1] < label[3]]
        assert not covered, page.locator(".g2-vector-label").nth(i).text_content()


def test_viewer_head_and_token_by_mouse_and_keyboard(tiny_lab, open_page):
    page = open_page(AttentionViewer.of(tiny_lab, SENTENCE, layer=0, head=0))
    grid, large = page.locator("canvas").first, page.locator("canvas").nth(1)
    page.wait_for_function("document.querySelector('canvas').dataset.drawn === '12'")
    grid.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.get_by_label("Layer", exact=True).input_value() == "1" and page.get_by_label("Head", exact=True).input_value() == "1"
    said = spoken(page)
    assert said.startswith("Layer 1, head 1:")
    weights = tiny_lab.look(SENTENCE).attentions[1][1][-1]
    assert f"{100 * float(weights.max()):.0f}" in said.split("looks at")[1].split("%")[0] or float(weights.max()) < 0.1
    page.locator(".g2-tokens .g2-token").first.click()
    assert "100 %" in spoken(page)
    box = grid.bounding_box()
    grid.click(position={"x": box["width"] - 10, "y": box["height"] - 10})
    assert spoken(page).startswith("Layer 2, head 3:") and ink_of(large) > 5
    large.focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".g2-tokens .g2-chosen").get_attribute("data-at") == "1"


def test_viewer_compares_two_models(tiny_lab, open_page):
    a, b = torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)
    a[0] = torch.tensor([[1, 0], [0.75, 0.25]])
    b[0] = torch.tensor([[1, 0], [0.25, 0.75]])
    page = open_page(AttentionViewer(["x", "y"], [a], compare=[b], names=("trained", "random")))
    assert "\u201cx\u201d 75 %" in spoken(page)
    page.get_by_label("Show").select_option("random")
    assert "\u201cy\u201d 75 %" in spoken(page)
    page.get_by_label("Show").select_option("difference")
    assert "+50 %" in spoken(page) and "\u221250 %" in spoken(page)


def test_viewer_at_gpt2s_full_size_stays_usable(open_page):
    """12 layers, 12 heads, 1,024 tokens: the grid is drawn, a head that came along is exact, another says what it is."""
    torch.manual_seed(0)
    layer = torch.rand(12, 1024, 1024).pow(60).tril()
    page = open_page(AttentionViewer([f"t{i}" for i in range(1024)], [layer] * 12, layer=5, head=7))
    page.wait_for_function("document.querySelector('canvas').dataset.drawn === '144'")
    assert spoken(page).startswith("Layer 5, head 7: \u201ct1023\u201d looks at")
    page.locator("canvas").first.focus()
    slowest = page.evaluate("""async () => { const menu = document.querySelector('select'); let worst = 0;
        for (let i = 0; i < 12; i++) { const start = performance.now(); menu.value = i; menu.dispatchEvent(new Event('change'));
            worst = Math.max(worst, performance.now() - start); await new Promise((r) => requestAnimationFrame(r)); } return worst; }""")
    print(f"slowest change of head at 12x12x1024 in the page: {slowest:.0f} ms")
    assert "small picture" in spoken(page) and ink_of(page.locator("canvas").nth(1)) > 5


def test_theme_change_repaints_canvases(tiny_lab, open_page):
    page = open_page(HeadFinder(tiny_lab, length=8))
    page.evaluate("window.before = document.querySelector('canvas').toDataURL()")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function("document.querySelector('canvas').toDataURL() !== window.before")


def test_head_finder_chooses_and_explains(tiny_lab, open_page):
    finder = HeadFinder(tiny_lab, length=8)
    page = open_page(finder)
    layer, head, _score = finder.best("induction")
    assert spoken(page).startswith(f"Layer {layer}, head {head}:") and "perfect induction head" in spoken(page)
    layer, head, _score = finder.best("previous token")
    page.locator(".g2-score-map").first.locator("button").first.click()
    assert spoken(page).startswith(f"Layer {layer}, head {head}:") and "perfect previous token head" in spoken(page)
    page.locator(".g2-score-map canvas").nth(1).focus()
    page.keyboard.press("ArrowRight" if head < 3 else "ArrowLeft")
    assert "perfect first token head" in spoken(page)


def test_logit_lens_cells(tiny_lab, open_page):
    lens = LogitLens(tiny_lab, SENTENCE)
    page = open_page(lens)
    cells = page.locator(".g2-lens-cell")
    assert cells.count() == 4 * len(lens.tokens)
    assert cells.first.inner_text() == lens.table()[-1][0].replace(" ", "\u00b7")            # the output stands on top
    cells.first.click()
    assert "the output" in spoken(page) and page.locator(".g2-bar").count() == lens.top
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.locator(".g2-lens-cell.g2-chosen").get_attribute("aria-label").startswith("layer 1,")


def test_shape_calculator_equals_python_and_explains_errors(open_page):
    page = open_page(ShapeCalculator("gpt2"))
    for name in ("mini", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"):
        page.get_by_label("Size").select_option(name)
        assert page.locator(".g2-fact b").first.inner_text() == f"{ShapeCalculator(name).total():,}"
    page.get_by_label("heads").fill("7")
    assert "multiple of the number of heads" in page.locator(".g2-message").inner_text()
    page.get_by_label("heads").fill("20")
    assert not page.locator(".g2-message").is_visible() and page.get_by_label("Size").input_value() == "own"
    page.get_by_label("length T").fill("5000")
    assert "1,024 positions" in page.locator(".g2-message").inner_text()


def test_bertviz_draws_hovers_and_switches_heads(open_page):
    weights = torch.tensor([[[1.0, 0, 0], [0.2, 0.8, 0], [0.1, 0.2, 0.7]], [[1.0, 0, 0], [1, 0, 0], [1, 0, 0]]])
    page = open_page(bertviz_head_view(["<b>", " cat", "sat"], [weights, weights.flip(0)]))
    lines = page.locator(".g2-bertviz line")
    assert lines.count() == 2 * 9 and page.locator(".g2-bertviz text").all_text_contents() == ["<b>", "\u00b7cat", "sat"] * 2
    page.locator(".g2-bertviz text").nth(2).hover()
    assert page.locator("line[visibility=visible]").count() == 2 * 3
    page.mouse.move(900, 800)
    page.locator(".g2-bertviz svg > g:last-child rect").nth(1).click()                    # the second head off
    opacities = lines.evaluate_all("all => all.map((n) => Number(n.getAttribute('stroke-opacity')))")
    assert opacities[:9] == pytest.approx([1, 0, 0, 0.2, 0.8, 0, 0.1, 0.2, 0.7], abs=1e-3) and set(opacities[9:]) == {0}
    page.get_by_label("Layer").select_option("1")
    assert lines.evaluate_all("all => all.map((n) => Number(n.getAttribute('stroke-opacity')))")[3] == 1
