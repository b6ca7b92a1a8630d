// Drag queries and keys; scores, scale, mask and softmax follow at once. Everything is computed here.

export default {
  render({ model, el }) {
    const live = !model.isStatic;
    const ui = frame(el, "Queries, keys, and who looks at whom",
      "Drag an arrow. A key pointing the way the query points gets a large score. Turn the scale off, then the mask: which rows change, and which never can?", true);
    if (!live) ui.whisper("Dragging and the switches work here; your own text needs the live notebook.");
    const cleanups = [];
    const [L, H, d] = model.get("shape");
    let [layer, head] = model.get("chosen"), tokens = [], T = 0, q = [], k = [], query = 0, scale = true, mask = true, moved = false;

    const box = textBox("Your text", model.get("text"), { live, rows: 1, onchange: (v) => { model.set("text", v); model.save_changes(); } });
    const layerPick = choice("Start from layer", [...Array(L).keys()].map((i) => [i, i]), layer, (v) => { layer = +v; reset(); });
    const headPick = choice("head", [...Array(H).keys()].map((i) => [i, i]), head, (v) => { head = +v; reset(); });
    const scaleBox = toggle(`scale: divide by \u221a${d}`, true, (on) => { scale = on; draw(); });
    const maskBox = toggle("mask: no looking ahead", true, (on) => { mask = on; draw(); });
    put(ui.controls, box.node, layerPick.node, headPick.node, scaleBox.node, maskBox.node, button("Put the arrows back", () => reset()));

    const SIZE = 360;
    const plane = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, class: "g2-plane", role: "group", "aria-label": "Queries and keys in the plane. Tab reaches an arrow, the arrow keys move it." });
    const steps = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "Step by step for the chosen query" });
    const matrix = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "Weights of every query" });
    const strip = h("div", { class: "g2-tokens", role: "group", "aria-label": "Whose query?", dir: "auto" });
    const key = legend("0", "1");
    put(ui.body,
      h("div", { class: "g2-label" }, "Whose query? It is the round handle; the square ones are keys."), strip,
      h("div", { class: "g2-columns", style: { marginTop: "0.6rem" } }, h("div", { class: "g2-plane-box" }, plane),
        h("div", { class: "g2-weights-box" }, h("div", { class: "g2-row" }, h("span", { class: "g2-label" }, "Weights: each row adds up to 1"), key.node), matrix)),
      h("div", { class: "g2-label", style: { marginTop: "0.8rem" } }, "The chosen row, step by step"), steps);

    let span = 1, dots = [], line = null;
    const toPixel = ([x, y]) => [SIZE / 2 + (x / span) * (SIZE / 2 - 34), SIZE / 2 - (y / span) * (SIZE / 2 - 34)];
    const toPlane = (px, py) => [((px - SIZE / 2) / (SIZE / 2 - 34)) * span, (-(py - SIZE / 2) / (SIZE / 2 - 34)) * span];

    function reset() {
      tokens = model.get("tokens");
      const raw = asBytes(model.get("vectors")), all = new Float32Array(raw.slice().buffer);
      const grew = tokens.length !== T;
      T = tokens.length;
      const at = (part, t) => { const o = (((layer * H + head) * 2 + part) * T + t) * 2; return [all[o], all[o + 1]]; };
      q = tokens.map((_, t) => at(0, t));
      k = tokens.map((_, t) => at(1, t));
      if (grew || query >= T) query = T - 1;
      moved = false;
      span = Math.max(1e-3, ...[...q, ...k].map(([x, y]) => Math.hypot(x, y))) * 1.05;
      build();
    }
    function build() {
      refill(strip, tokens.map((t, i) => button(short(t, 14), () => { query = i; build(); }, { class: "g2-token" + (i === query ? " g2-chosen" : ""), "aria-pressed": String(i === query) })));
      const axes = [svg("line", { x1: 8, x2: SIZE - 8, y1: SIZE / 2, y2: SIZE / 2, class: "g2-axis" }), svg("line", { y1: 8, y2: SIZE - 8, x1: SIZE / 2, x2: SIZE / 2, class: "g2-axis" })];
      dots = [];
      const ghosts = q.map((p, i) => i !== query && svg("circle", { r: 3, class: "g2-ghost", cx: toPixel(p)[0], cy: toPixel(p)[1] }));
      const keys = k.map((p, i) => handle("key", i));
      refill(plane, axes, ghosts, keys, handle("query", query));
      draw();
    }
    function handle(kind, i) {
      const vectors = kind === "query" ? q : k;
      const shaft = svg("line", { x1: SIZE / 2, y1: SIZE / 2, class: "g2-shaft g2-" + kind });
      const mark = kind === "query" ? svg("circle", { r: 9 }) : svg("rect", { width: 13, height: 13, rx: 2 });
      const label = svg("text", { class: "g2-vector-label" }, short(tokens[i], 9));
      const group = svg("g", { class: "g2-handle g2-" + kind, tabindex: 0, role: "button" }, mark, label);
      const place = () => {
        const [x, y] = toPixel(vectors[i]);
        shaft.setAttribute("x2", x); shaft.setAttribute("y2", y);
        if (kind === "query") { mark.setAttribute("cx", x); mark.setAttribute("cy", y); }
        else { mark.setAttribute("x", x - 6.5); mark.setAttribute("y", y - 6.5); }
        group.setAttribute("aria-label", `${kind} of ${visible(tokens[i])}: ${vectors[i][0].toFixed(1)}, ${vectors[i][1].toFixed(1)}. Arrow keys move it.`);
      };
      const move = (p) => { vectors[i] = p.map((x) => Math.max(-span, Math.min(span, x))); moved = true; place(); draw(); };
      group.addEventListener("pointerdown", (event) => { event.preventDefault(); group.focus(); group.setPointerCapture(event.pointerId); group.dataset.held = "1"; });
      group.addEventListener("pointermove", (event) => {
        if (!group.dataset.held) return;
        const r = plane.getBoundingClientRect();
        move(toPlane(((event.clientX - r.left) / r.width) * SIZE, ((event.clientY - r.top) / r.height) * SIZE));
      });
      for (const end of ["pointerup", "pointercancel"]) group.addEventListener(end, () => delete group.dataset.held);
      group.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
        if (!way) return;
        event.preventDefault();
        const far = span * (event.shiftKey ? 0.1 : 0.03);
        move([vectors[i][0] + way[0] * far, vectors[i][1] + way[1] * far]);
      });
      place();
      dots.push({ kind, i, group, shaft, label });
      return [shaft, group];
    }
    // Each label on the first side of its mark where it covers no mark and no label; on the first inside the plane if none is free.
    function placeLabels() {
      const at = ({ kind, i }) => toPixel((kind === "query" ? q : k)[i]);
      const taken = dots.map((mine) => { const [x, y] = at(mine); return [x - 8, y - 8, x + 8, y + 8]; });
      for (const mine of [...dots].reverse()) {                            // the query comes last, and chooses first
        const [x, y] = at(mine), width = 7.3 * mine.label.textContent.length;
        const sides = [[x + 11, y + 4, "start", 0], [x - 11, y + 4, "end", 1], [x, y - 12, "middle", 0.5], [x, y + 20, "middle", 0.5]]
          .map(([left, base, anchor, share]) => ({ left, base, anchor, box: [left - share * width, base - 10, left + (1 - share) * width, base + 3] }))
          .filter(({ box }) => box[0] >= 0 && box[2] <= SIZE && box[1] >= 0 && box[3] <= SIZE);
        const free = sides.find(({ box: [x0, y0, x1, y1] }) => !taken.some(([a0, b0, a1, b1]) => x0 < a1 && a0 < x1 && y0 < b1 && b0 < y1));
        const side = free ?? sides[0] ?? { left: x, base: y - 12, anchor: "middle", box: [x, y, x, y] };
        mine.label.setAttribute("x", side.left); mine.label.setAttribute("y", side.base);
        mine.label.setAttribute("text-anchor", side.anchor);
        taken.push(side.box);
      }
    }
    const dot = (a, b) => a[0] * b[0] + a[1] * b[1];
    function rowFor(i) {
      const scores = k.map((v) => dot(q[i], v)), scaled = scores.map((s) => (scale ? s / Math.sqrt(d) : s));
      const masked = scaled.map((s, j) => (mask && j > i ? -Infinity : s)), top = Math.max(...masked);
      const e = masked.map((s) => Math.exp(s - top)), sum = e.reduce((a, b) => a + b, 0);
      return { scores, scaled, masked, weights: e.map((x) => x / sum) };
    }
    const number = (x) => (x === -Infinity ? "\u2212\u221e" : (Math.abs(x) >= 100 ? x.toFixed(0) : x.toFixed(1)).replace("-", "\u2212"));
    function draw() {
      key.recolour();
      const rows = tokens.map((_, i) => rowFor(i)), chosen = rows[query];
      const cellOf = (w) => { const td = h("td", { class: "g2-cell" }, w === 0 ? "" : w < 0.005 ? "0" : w.toFixed(2).replace(/^0/, "")); paint(td, w); return td; };
      refill(matrix, h("table", { class: "g2-matrix" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "g2-hidden" }, "query")), tokens.map((t) => h("th", { scope: "col" }, short(t, 6))))),
        h("tbody", {}, rows.map((r, i) => h("tr", { class: i === query ? "g2-chosen-row" : null }, h("th", { scope: "row" }, short(tokens[i], 8)), r.weights.map(cellOf))))));
      const stage = (name, list, off) => h("tr", { class: off ? "g2-off" : null }, h("th", { scope: "row" }, name), list.map((x) => h("td", {}, number(x))));
      refill(steps, h("table", { class: "g2-matrix g2-steps" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, `query ${quoted(short(tokens[query], 8))}`), tokens.map((t) => h("th", { scope: "col" }, short(t, 8))))),
        h("tbody", {}, stage("q \u00b7 k", chosen.scores), stage(`\u00f7 \u221a${d}`, chosen.scaled, !scale), stage("mask", chosen.masked, !mask),
          h("tr", {}, h("th", { scope: "row" }, "softmax"), chosen.weights.map(cellOf)))));
      for (const { kind, i, group, shaft } of dots) {
        const hidden = kind === "key" && mask && i > query;
        group.classList.toggle("g2-masked", hidden);
        shaft.classList.toggle("g2-masked", hidden);
        if (kind === "key") shaft.style.strokeWidth = 1 + 5 * chosen.weights[i];
      }
      placeLabels();
      const best = chosen.weights.map((w, j) => [w, j]).sort((a, b) => b[0] - a[0])[0];
      ui.say(`${quoted(tokens[query])} looks most at ${quoted(tokens[best[1]])}: ${percent(best[0])}.` +
        (best[0] > 0.98 && !scale && T > 1 ? " Without the scale one key takes nearly everything." : "") +
        (moved ? " These arrows are yours now." : ` These two dimensions keep ${percent(model.get("kept")[layer * H + head] ?? 0)} of the head's spread in scores.`));
      ui.warn(model.get("message"));
      const notes = [model.get("note"), live ? "" : "Dragging and the switches work here; your own text needs the live notebook."];
      ui.whisper([...notes, "Scores of a row are shown around their mean: a shift changes no weight."].filter(Boolean).join(" "));
    }
    cleanups.push(listen(model, ["vectors"], reset), listen(model, ["message"], () => ui.warn(model.get("message"))), onTheme(draw));
    reset();
    return () => cleanups.forEach((f) => f());
  },
};
