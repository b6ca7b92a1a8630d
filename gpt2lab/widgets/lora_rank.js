// A weight change, its best fit of a rank, and the rest: the fit is put together here from small factors at every move.

export default {
  render({ model, el }) {
    const live = !model.isStatic;
    const ui = frame(el, "How many ranks does a change need?", "The fit keeps the strongest directions only. Guess the rank at which it looks like the change, then move the slider.");
    const cleanups = [];
    let one = null, values = [], left = [], right = [], whole = [], K = 0, kept = 0, total = 0, place = null;

    const pick = choice("Matrix", model.get("names").map((n) => [n, n]), model.get("selected"), (name) => { model.set("selected", name); model.save_changes(); if (!live) load(); });
    const ranks = slider("rank", { min: 0, max: 1, value: model.get("rank") }, (v) => { model.set("rank", v); model.save_changes(); draw(); });
    put(ui.controls, model.get("names").length > 1 ? pick.node : null, ranks.node);
    const facts = h("div", { class: "g2-facts" });
    const views = ["The change", "The fit", "What is left"].map((name) => ({ name, title: h("div", { class: "g2-label" }, name), canvas: h("canvas", { role: "img" }) }));
    const key = legend("", "", "difference"), said = h("span", { class: "g2-label" });
    const error = svg("svg", { class: "g2-chart", role: "img" }), spectrum = svg("svg", { class: "g2-chart", role: "img" });
    const table = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "The ranks in numbers" });
    put(ui.body, facts, h("div", { class: "g2-three" }, views.map((v) => h("div", {}, v.title, v.canvas))), h("div", { class: "g2-row" }, key.node, said),
      h("div", { class: "g2-columns g2-charts" }, h("div", {}, error), h("div", {}, spectrum)), folded("The ranks as a table", table));

    const card = () => (live ? model.get("card") : model.get("cards")[model.get("selected")]);
    const rank = () => Math.max(0, Math.min(kept, model.get("rank")));
    const share = (p) => (p > 0.995 ? `${grouped(100 * p)} %` : percent(p));             // more than the matrix itself is possible
    const rest = (r) => { let sum = 0; for (let i = K - 1; i >= r; i--) sum += values[i] * values[i]; return Math.sqrt(sum) / total; };
    function load() {
      one = card();
      pick.select.value = model.get("selected");
      for (const node of [facts, ...views.map((v) => v.canvas.parentNode.parentNode), key.node, said, error, spectrum]) node.toggleAttribute("hidden", !one);
      if (!one) { ui.say(`${model.get("selected")}: this page does not hold it. The live notebook shows every matrix.`); return; }
      [values, left, right, whole] = ["singular", "left", "right", "picture"].map((name) => floatsOf(one[name]));
      K = values.length;
      total = Math.hypot(...values);
      kept = left.length / one.cells[0];
      ranks.input.max = kept;
      ranks.set(rank());
      const [R, C] = one.shape;
      refill(table, tableOf(["rank", "numbers", "of the matrix", "left over"], [0, 1, 2, 4, 8, 16, 32, 64, 128].filter((r) => r <= kept).map((r) => [r, grouped(r * (R + C)), share((r * (R + C)) / (R * C)), percent(rest(r))]), "Numbers and error of some ranks"));
      draw();
    }
    function fitOf(r) {                                    // (P, Q) from (P, kept), (kept,), (Q, kept)
      const [P, Q] = one.cells, out = new Float32Array(P * Q);
      for (let i = 0; i < P; i++) for (let j = 0; j < Q; j++) {
        let sum = 0;
        for (let k = 0; k < r; k++) sum += left[i * kept + k] * values[k] * right[j * kept + k];
        out[i * Q + j] = sum;
      }
      return out;
    }
    function draw() {
      if (!one) return;
      const r = rank(), fit = fitOf(r), over = whole.map((v, i) => v - fit[i]), [P, Q] = one.cells, [R, C] = one.shape, peak = Math.max(...whole.map(Math.abs)) || 1;
      const numbers = r * (R + C), error_ = rest(r);
      factsOf(facts, [[r, "rank"], [grouped(numbers), `numbers: ${r} \u00d7 (${R} + ${C})`], [share(numbers / (R * C)), `of the ${grouped(R * C)} in the matrix`], [percent(error_), "of its norm is left over"]]);
      [whole, fit, over].forEach((picture, i) => {
        const canvas = views[i].canvas, wide = Math.max(90, Math.min(300, canvas.parentNode.clientWidth)), high = Math.round(Math.max(wide / 2.5, Math.min(1.15 * wide, (wide * R) / C)));
        drawCells(canvas, picture, P, Q, wide, high, (v) => signed(Math.max(-1, Math.min(1, v / peak))));
        views[i].title.textContent = i === 1 ? `The fit, rank ${r}` : views[i].name;
        canvas.setAttribute("aria-label", `${views[i].title.textContent} of ${model.get("selected")}, ${R} by ${C}. Its largest cell is ${tidy(Math.max(...picture.map(Math.abs)))} from 0.`);
        canvas.dataset.norm = Math.hypot(...picture).toExponential(6);
      });
      key.set(tidy(-peak), tidy(peak), "difference");
      const per = (R * C) / (P * Q);
      said.textContent = per > 1 ? `One scale for all three; a cell is the mean of about ${grouped(per)} numbers.` : "One scale for all three.";
      const wide = Math.max(240, error.parentNode.clientWidth || 400), high = 190;
      const a = place = plane({ width: wide, height: high, x: [0, kept], y: [0, 1], xName: "rank", yName: "left over, share of the norm", sayY: (v) => percent(v) });
      error.setAttribute("viewBox", `0 0 ${wide} ${high}`);
      refill(error, a.axes, svg("path", { d: pathOf(Array.from({ length: kept + 1 }, (_, i) => [a.x(i), a.y(rest(i))])), class: "g2-line g2-s0 g2-strong" }), svg("line", { x1: a.x(r), x2: a.x(r), y1: a.top, y2: a.bottom, class: "g2-cursor" }), mark(1, a.x(r), a.y(error_), 5, { class: "g2-f1" }));
      error.setAttribute("aria-label", `What is left over, by rank: ${[0, 1, 2, 4, 8, 16, 32, 64, 128].filter((k) => k <= kept).map((k) => `${k}: ${percent(rest(k))}`).join(", ")}`);
      const b = plane({ width: wide, height: high, x: [1, Math.max(2, K)], y: [0, values[0]], xName: "which one", yName: "singular values; filled: kept" });
      spectrum.setAttribute("viewBox", `0 0 ${wide} ${high}`);
      const step = Math.max(1, (b.right - b.left) / K);
      refill(spectrum, b.axes, Array.from(values, (v, i) => svg("rect", { x: b.x(i + 1) - step * 0.4, width: Math.max(0.8, step * 0.8), y: b.y(v), height: Math.max(0, b.bottom - b.y(v)), class: i < r ? "g2-count" : "g2-open" })));
      const real = values.findIndex((v) => v <= Math.max(R, C) * 1.2e-7 * values[0]);        // torch.linalg.matrix_rank's limit
      spectrum.setAttribute("aria-label", `${K} singular values from ${tidy(values[0])} to ${tidy(values[K - 1])}; ${r} are kept`);
      ui.say(`Rank ${r}: ${grouped(numbers)} numbers, ${share(numbers / (R * C))} of the matrix, leave ${percent(error_)} of its norm.${real >= 0 ? ` The matrix itself has rank ${real}.` : ""}`);
    }
    error.addEventListener("click", (event) => {
      const box = error.getBoundingClientRect(), r = Math.round(place.x.back(((event.clientX - box.left) * place.width) / box.width));
      model.set("rank", Math.max(0, Math.min(kept, r)));
      model.save_changes();
      ranks.set(rank());
      draw();
    });
    if (live) cleanups.push(listen(model, ["card"], load), listen(model, ["rank"], () => { if (!ui.root.contains(document.activeElement)) { ranks.set(rank()); draw(); } }));
    else {
      const held = Object.keys(model.get("cards")).length, all = model.get("names").length;
      ui.whisper(held < all ? `This page holds ${held} of ${all} matrices; the live notebook shows all.` : "");
    }
    cleanups.push(onTheme(draw), onResize(ui.body, draw));
    load();
    return () => cleanups.forEach((f) => f());
  },
};
