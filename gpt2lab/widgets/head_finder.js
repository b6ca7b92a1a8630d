// Three maps, layers by heads; one head large with the places its kind would look at.

export default {
  render({ model, el }) {
    const live = !model.isStatic;
    const ui = frame(el, `What do the heads of ${model.get("model_name")} do?`,
      "The same tokens stand there twice. A head that copies what followed last time can predict the whole second half: an induction head.", live);
    const cleanups = [];
    const box = textBox("Your text, repeated twice (leave it empty for random tokens)", model.get("text"), { live, rows: 1, onchange: (v) => { model.set("text", v); model.save_changes(); } });
    const slide = h("input", { type: "range", min: 2, max: 60, value: model.get("length"), disabled: !live });
    const said = h("output", {}, String(model.get("length")));
    const sendLength = debounce((v) => { model.set("length", v); model.save_changes(); }, 30);
    slide.addEventListener("input", () => { said.textContent = slide.value; sendLength(+slide.value); });
    const slideField = field("Random tokens to repeat", slide, said);
    slideField.classList.add("g2-grow");
    const dice = button("Other random tokens", () => { model.set("seed", model.get("seed") + 1); model.save_changes(); });
    put(ui.controls, live ? box.node : null, live ? slideField : null, live ? dice : null);

    let L = 1, H = 1, layer = 0, head = 0, kind = 2;
    const maps = model.get("kinds").map((name, number) => {
      const canvas = h("canvas", { tabindex: 0, role: "img" });
      const top = h("div", { class: "g2-row" });
      const what = ["each token looks at the one before it", "each token looks at the very first", "looks at what followed the same token last time"][number];
      const node = h("div", { class: "g2-score-map" }, h("strong", {}, name), h("div", { class: "g2-label" }, what), canvas, top);
      scoresChosen(canvas, () => ({ L, H, layer, head, width: node.clientWidth || 280 }), (l, hd) => pick(l, hd, number));
      return { name, number, canvas, top, node };
    });
    const key = legend("0", "1");
    const layerPick = choice("Layer", [], 0, (v) => pick(+v, head, kind)), headPick = choice("Head", [], 0, (v) => pick(layer, +v, kind));
    const large = h("canvas", { role: "img" }), largeTitle = h("div", { class: "g2-label" });
    const strip = tokenStrip("Tokens: choose one to see where this head looks", [], (i) => { query = i; drawHead(); });
    let query = 0;
    put(ui.body, h("div", { class: "g2-row" }, h("span", { class: "g2-label" }, "Rows are layers, columns heads; the score is the mean weight on the place named."), key.node),
      h("div", { class: "g2-columns g2-score-maps" }, maps.map((m) => m.node)),
      h("div", { class: "g2-columns", style: { marginTop: "0.9rem" } }, h("div", {}, largeTitle, large),
        h("div", {}, h("div", { class: "g2-row" }, layerPick.node, headPick.node), h("p", { class: "g2-label" }, "The tokens: choose one, the shade says where it looks."), strip.node)));

    function drawMaps() {
      key.recolour();
      const colours = inkColours(ui.root), scores = model.get("scores");
      for (const m of maps) {
        const values = scores[m.number];
        drawScores(m.canvas, { L, H, values, layer, head, width: m.node.clientWidth || 280, colours });
        const order = values.map((v, i) => [v, i]).sort((a, b) => b[0] - a[0]).slice(0, 3);
        refill(m.top, h("span", { class: "g2-label" }, "strongest"), order.map(([v, i]) =>
          button(`L${Math.floor(i / H)} H${i % H}: ${v.toFixed(2)}`, () => pick(Math.floor(i / H), i % H, m.number), { "aria-label": `${m.name}: layer ${Math.floor(i / H)}, head ${i % H}, score ${v.toFixed(2)}`, class: "g2-small" })));
        m.canvas.setAttribute("aria-label", `${m.name} scores, layers by heads; strongest layer ${Math.floor(order[0][1] / H)}, head ${order[0][1] % H}: ${order[0][0].toFixed(2)}. Arrow keys choose a head.`);
      }
    }
    function pick(l, hd, which) {
      layer = Math.max(0, Math.min(L - 1, l));
      head = Math.max(0, Math.min(H - 1, hd));
      kind = which;
      layerPick.select.value = layer;
      headPick.select.value = head;
      drawMaps();
      drawHead();
    }
    function target(i) {                              // where a perfect head of the chosen kind would look from i
      const n = model.get("period");
      if (kind === 0) return i >= 1 ? i - 1 : -1;
      if (kind === 1) return i >= 1 ? 0 : -1;
      return i > n ? i - n + 1 : -1;
    }
    function drawHead() {
      const tokens = model.get("tokens"), T = tokens.length, n = triangleLength(T), at = (layer * H + head) * n;
      const tri = asBytes(model.get("triangles")).subarray(at, at + n), colours = inkColours(ui.root);
      const width = Math.max(180, Math.min(420, large.parentNode.clientWidth || 380)), pitch = width / T, c = fitCanvas(large, width, width);
      c.imageSmoothingEnabled = false;
      c.drawImage(headImage(tri, T, palette("heat"), 1024), 0, 0, width, width);
      c.strokeStyle = colours.line;
      c.strokeRect(0.5, 0.5, width - 1, width - 1);
      c.strokeStyle = colours.second;
      c.lineWidth = 1;
      for (let i = 0; i < T; i++) if (target(i) >= 0) c.strokeRect(target(i) * pitch + 0.5, i * pitch + 0.5, pitch - 1, pitch - 1);
      c.lineWidth = 2;
      c.strokeRect(1, query * pitch, (query + 1) * pitch, Math.max(2, pitch));
      const names = model.get("kinds"), value = model.get("scores")[kind][layer * H + head];
      largeTitle.textContent = `Layer ${layer}, head ${head}: ${names[kind]} score ${value.toFixed(2)}. Small frames: where a perfect ${names[kind]} head would look.`;
      const row = rowOf(tri, query);
      strip.shade(query, row);
      const goal = target(query);
      ui.say(`Layer ${layer}, head ${head}: ${looksAt(tokens, query, row, 2)}.` + (goal >= 0 ? ` A perfect ${names[kind]} head would look at ${quoted(tokens[goal])} only; this one gives it ${percent(row[goal] / 255)}.` : ""));
      large.setAttribute("aria-label", ui.spoken.textContent);
      ui.warn(model.get("message"));
    }
    large.addEventListener("click", (event) => {
      const r = large.getBoundingClientRect();
      query = Math.max(0, Math.min(model.get("tokens").length - 1, Math.floor(((event.clientY - r.top) / r.height) * model.get("tokens").length)));
      drawHead();
    });
    function load(first) {
      [L, H] = model.get("shape");
      const tokens = model.get("tokens"), scores = model.get("scores");
      strip.set(tokens);
      if (first) {
        refill(layerPick.select, [...Array(L).keys()].map((i) => h("option", { value: i }, i)));
        refill(headPick.select, [...Array(H).keys()].map((i) => h("option", { value: i }, i)));
        const best = scores[2].indexOf(Math.max(...scores[2]));
        layer = Math.floor(best / H);
        head = best % H;
      }
      query = Math.min(tokens.length - 1, model.get("period") + 2);
      pick(layer, head, kind);
    }
    cleanups.push(listen(model, ["tokens"], () => load(false)), listen(model, ["message"], () => ui.warn(model.get("message"))),
      onTheme(() => { drawMaps(); drawHead(); }));
    load(true);
    cleanups.push(onResize(ui.body, () => { drawMaps(); drawHead(); }));
    return () => cleanups.forEach((f) => f());
  },
};
