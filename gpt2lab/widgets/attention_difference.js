// How much every head moved; one head before, after, and as a difference with a scale of its own.

export default {
  render({ model, el }) {
    const ui = frame(el, model.get("title"), "Each number says what share of a head's attention lies elsewhere now. Which heads did the change touch, and which tokens did they turn to?",
      !model.isStatic || model.get("text") === null);
    const cleanups = [];
    let tokens = [], T = 0, L = 0, H = 0, layer = 0, head = 0, query = 0, other = 0, pitch = 1;

    if (model.get("text") !== null)
      put(ui.controls, textBox("Your text", model.get("text"), { live: !model.isStatic, onchange: (v) => { model.set("text", v); model.save_changes(); } }).node);
    const names = () => model.get("names"), several = names().length > 2;
    const otherPick = choice(`Compare ${names()[0]} with`, names().slice(1).map((n, i) => [i, n]), 0, (v) => { other = +v; pick(layer, head); });
    const layerPick = choice("Layer", [], "", (v) => pick(+v, head)), headPick = choice("Head", [], "", (v) => pick(layer, +v));
    put(ui.controls, several ? otherPick.node : null, layerPick.node, headPick.node);
    const grid = h("canvas", { tabindex: 0, role: "img" }), gridBox = h("div", {}, h("div", { class: "g2-label" }, "Share of the attention that moved, in %: rows are layers, columns heads"), grid);
    const facts = h("div", { class: "g2-facts" }), top = h("div", { class: "g2-row" });
    const views = [0, 1, 2].map(() => ({ title: h("div", { class: "g2-label" }), canvas: h("canvas", { tabindex: 0, role: "img" }) }));
    const key = legend("0", "1"), gapKey = legend("", "", "difference");
    const strip = tokenStrip("Tokens: choose one to see where its attention went", [], (i) => { query = i; drawHead(); });
    put(ui.body, h("div", { class: "g2-columns" }, gridBox, h("div", {}, facts, h("div", { style: { height: "0.6rem" } }), top)),
      h("div", { class: "g2-three" }, views.map((v) => h("div", {}, v.title, v.canvas))), h("div", { class: "g2-row" }, key.node, gapKey.node),
      h("div", { class: "g2-label", style: { marginTop: "0.8rem" } }, "The text: choose a token, the shade says how much its attention to each token before it changed"), strip.node);

    const store = headStore(model, (l, hd) => { if (l === layer && hd === head) drawHead(); });
    cleanups.push(store.close);
    const parts = () => [0, 1 + other, names().length + other];            // where the three lie among the triangles
    const small = (p) => (p >= 0.0995 ? percent(p) : p < 0.00005 ? "0 %" : (100 * p).toFixed(p < 0.00995 ? 2 : 1) + " %");
    const gapSize = (v) => { const reach = model.get("reaches")[other]; return (100 * Math.abs(v)).toFixed(reach < 0.01 ? 3 : reach < 0.1 ? 2 : 1).replace(/^100\.0+$/, "100") + " %"; };

    function load() {
      store.forget();
      tokens = model.get("tokens");
      T = tokens.length;
      [L, H] = model.get("shape");
      [layer, head] = model.get("chosen");
      query = T - 1;
      refill(layerPick.select, [...Array(L).keys()].map((i) => h("option", { value: i }, `${i}`)));
      refill(headPick.select, [...Array(H).keys()].map((i) => h("option", { value: i }, `${i}`)));
      strip.set(tokens);
      pick(layer, head);
    }
    function pick(l, hd) {
      layer = Math.max(0, Math.min(L - 1, l));
      head = Math.max(0, Math.min(H - 1, hd));
      layerPick.select.value = layer;
      headPick.select.value = head;
      if (!model.isStatic) { model.set("chosen", [layer, head]); model.save_changes(); }
      drawGrid();
      drawHead();
      store.ask(parts().map((m) => [m, layer, head]));
    }
    const gridWidth = () => Math.max(200, gridBox.clientWidth || 400);
    function drawGrid() {
      const values = model.get("changes")[other], most = Math.max(...values) || 1, order = values.map((v, i) => [v, i]).sort((a, b) => b[0] - a[0]);
      drawScores(grid, { L, H, values, layer, head, width: gridWidth(), colours: inkColours(ui.root), shade: (v) => v / most, say: (v) => small(v).replace(" %", "") });
      const mean = values.reduce((a, b) => a + b, 0) / values.length, at = (i) => [Math.floor(i / H), i % H];
      factsOf(facts, [[small(values[layer * H + head]), `moved in layer ${layer}, head ${head}`], [small(mean), "moved, mean of all heads"]]);
      refill(top, h("span", { class: "g2-label" }, "most changed"), order.slice(0, 5).map(([v, i]) => button(`L${at(i)[0]} H${at(i)[1]}: ${small(v)}`, () => pick(...at(i)), { class: "g2-small", "aria-label": `layer ${at(i)[0]}, head ${at(i)[1]}: ${small(v)} moved` })));
      grid.setAttribute("aria-label", `Share of the attention that moved, in percent, layers by heads; most in layer ${at(order[0][1])[0]}, head ${at(order[0][1])[1]}: ${small(order[0][0])}. Arrow keys choose a head.`);
    }
    function drawHead() {
      const found = parts().map((m) => store.get(m, layer, head)), reach = model.get("reaches")[other], colours = inkColours(ui.root), [first, second] = [names()[0], names()[1 + other]];
      [first, second, `${second} minus ${first}`].forEach((name, i) => {
        const width = Math.max(90, Math.min(320, views[i].canvas.parentNode.clientWidth || 300)), table = palette(i === 2 ? "difference" : "heat");
        const image = (dots) => (!found[i] ? thumbImage(store.thumb(parts()[i], layer, head), model.get("thumb_size"), table) : i === 2 ? signedImage(found[i], T, table, dots) : headImage(found[i], T, table, dots));
        pitch = largeHead(views[i].canvas, { tokens, query, width, colours, image, whole: !!found[i], names: width >= 200 ? 24 : 0 }).pitch;
        views[i].title.textContent = name;
        views[i].canvas.setAttribute("aria-label", `Layer ${layer}, head ${head}, ${name}. Arrow keys choose a token.`);
      });
      key.recolour();
      gapKey.set("\u2212" + gapSize(reach), "+" + gapSize(reach), "difference");
      ui.warn(model.get("message"));
      if (!found[2]) {
        strip.shade(query, null);
        ui.say(model.isStatic ? "This head is shown as small pictures: its numbers are in the live notebook." : "Fetching this head\u2026");
        return;
      }
      const row = rowOf(found[2], query), gaps = Array.from(row, (v, j) => [j, (v - 128) / 127]);
      strip.shade(query, row.map((v) => Math.min(255, 2 * Math.abs(v - 128))));
      const told = gaps.filter((g) => g[1]).sort((x, y) => Math.abs(y[1]) - Math.abs(x[1])).slice(0, 3).map(([j, g]) => `${g > 0 ? "+" : "\u2212"}${gapSize(g * reach)} on ${quoted(tokens[j])}`);
      ui.say(`Layer ${layer}, head ${head}, ${quoted(tokens[query])}: ${told.join(", ") || "nothing moved by more than " + gapSize(reach / 127)}.`);
    }
    for (const view of views) rowsChosen(view.canvas, () => ({ pitch, query, count: T }), (i) => { query = i; drawHead(); });
    scoresChosen(grid, () => ({ L, H, layer, head, width: gridWidth() }), pick);
    const again = () => { drawGrid(); drawHead(); };
    cleanups.push(onResize(ui.body, again), onTheme(again), listen(model, ["tokens", "changes"], load), listen(model, ["message"], () => ui.warn(model.get("message"))));
    load();
    return () => cleanups.forEach((f) => f());
  },
};
