// A beam search as a tree: columns are steps, rows candidates best first, lines lead to what grew out of a beam.

export default {
  render({ model, el }) {
    const live = !model.isStatic, WIDE = 106, HIGH = 46, LEFT = 84, TOP = 22, NODE = 84;
    const ui = frame(el, "Several continuations at once: beam search", "Each step keeps the best few beginnings, not only the best one. When does the winner come from a beam that was behind?", live);
    const cleanups = [];
    let tree = model.get("tree"), path = new Set(), winners = new Set(), nodes = [], chosen = null, dropped = true;

    const ask = (name) => debounce((v) => { model.set(name, v); model.save_changes(); }, 30);
    const box = textBox("Your prompt", model.get("prompt"), { live, rows: 1, onchange: ask("prompt") });
    const slide = (name, label, min, max, step) => slider(label, { min, max, step, value: model.get(name) }, ask(name)).node;
    const show = toggle("show what was dropped", dropped, (on) => { dropped = on; build(); });
    if (live) put(ui.controls, box.node, slide("num_beams", "beams", 1, model.get("most"), 1), slide("max_new_tokens", "steps", 1, 24, 1), slide("length_penalty", "length penalty", -1, 3, 0.1), show.node);
    else put(ui.controls, box.node, choice("Beams", model.get("trees").map((t, i) => [i, t.num_beams === 1 ? "1, greedy" : t.num_beams]), 0, (i) => { tree = model.get("trees")[i]; load(); }).node, show.node);
    const scroll = h("div", { class: "g2-scroll g2-beams", tabindex: 0, role: "group", "aria-label": "The tree: arrow keys move between candidates" });
    const result = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "The continuations found" });
    put(ui.body, h("div", { class: "g2-row g2-label" }, h("span", { class: "g2-swatch g2-beam-win" }), "the way to the winner", h("span", { class: "g2-swatch g2-beam-kept" }), "kept", h("span", { class: "g2-swatch g2-beam-drop" }), "dropped", h("span", {}, "\u25a0 ended. The number is the summed log-probability.")),
      scroll, h("div", { style: { height: "0.6rem" } }), result);

    const two = (x) => x.toFixed(2).replace("-", "\u2212");
    const keyOf = (s, i) => `${s}/${i}`;
    // The candidate one step earlier that runs as the given beam.
    const beamAt = (s, beam) => (s < 0 ? -1 : tree.steps[s].findIndex((c) => c.child === beam));
    function wayTo(s, i) {                                 // [step, index] from the first step to this candidate
      const way = [];
      for (let at = i; s >= 0 && at >= 0; s--) { way.unshift([s, at]); at = beamAt(s - 1, tree.steps[s][at].parent); }
      return way;
    }
    function winner() {                                    // the last candidate of the best continuation: same texts, same sum
      const best = tree.hypotheses[0], s = best.texts.length - 1;
      if (s < 0 || s >= tree.steps.length) return [];
      const i = tree.steps[s].findIndex((c, at) => Math.abs(c.score - best.log_prob) < 2e-3 && wayTo(s, at).map(([a, b]) => tree.steps[a][b].text).join("\u0000") === best.texts.join("\u0000"));
      return i < 0 ? [] : wayTo(s, i);
    }
    function load() {
      chosen = null;
      const way = winner();
      winners = new Set(way.map(([s, i]) => keyOf(s, i)));
      build();
      tellWinner();
    }
    function tellWinner() {
      const best = tree.hypotheses[0], greedy = model.get("greedy");
      ui.say(`The winner is ${quoted(best.text)} with ${two(best.log_prob)}` + (tree.num_beams === 1 || !greedy.texts ? "." : best.text === greedy.text ? ": greedy search finds the same." : `; greedy search finds ${quoted(greedy.text)} with ${two(greedy.log_prob)}.`));
      ui.warn(model.get("message"));
    }
    function build() {
      const rowsAt = tree.steps.map((step) => step.map((c, i) => [c, i]).filter(([c, i]) => dropped || c.child >= 0 || c.finished || winners.has(keyOf(tree.steps.indexOf(step), i))));
      const rows = Math.max(1, ...rowsAt.map((r) => r.length)), width = LEFT + tree.steps.length * WIDE, height = TOP + rows * HIGH + 6;
      const where = new Map();
      rowsAt.forEach((list, s) => list.forEach(([, i], row) => where.set(keyOf(s, i), [LEFT + s * WIDE, TOP + row * HIGH])));
      const lines = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
      nodes = [];
      rowsAt.forEach((list, s) => {
        put(lines, svg("text", { x: LEFT + s * WIDE + 6, y: 14, class: "g2-tick" }, `step ${s + 1}`));
        for (const [c, i] of list) {
          const [x, y] = where.get(keyOf(s, i)), before = s === 0 ? [0, TOP] : where.get(keyOf(s - 1, beamAt(s - 1, c.parent)));
          if (!before) continue;
          const x0 = s === 0 ? before[0] + 60 : before[0] + NODE, y0 = before[1] + (s ? 19 : 13), kind = winners.has(keyOf(s, i)) ? " g2-win" : c.child < 0 && !c.finished ? " g2-drop" : "";
          lines.append(svg("path", { d: `M${x0} ${y0}C${x0 + 14} ${y0} ${x - 14} ${y + 19} ${x} ${y + 19}`, class: "g2-branch" + kind, "data-key": keyOf(s, i) }));
          const fate = c.finished ? "ended" : c.child >= 0 ? `kept as beam ${c.child + 1}` : "dropped";
          const text = wayTo(s, i).map(([a, b]) => tree.steps[a][b].text).join("");
          const node = h("button", { type: "button", class: "g2-beam" + kind, "data-step": s, "data-index": i, "data-key": keyOf(s, i), tabindex: -1, style: { left: x + "px", top: y + "px", width: NODE + "px" },
            onclick: () => choose(s, i), onfocus: () => choose(s, i), onmouseenter: () => choose(s, i),
            "aria-label": `step ${s + 1}: ${visible(text)}, ${two(c.score)}, ${fate}${winners.has(keyOf(s, i)) ? ", on the way to the winner" : ""}` },
          h("span", { class: "g2-beam-text" }, (c.finished ? "\u25a0 " : "") + short(c.text, 9)), h("span", { class: "g2-beam-score" }, two(c.score)));
          nodes.push(node);
        }
      });
      const entry = nodes.find((n) => winners.has(n.dataset.key)) || nodes[0];
      if (entry) entry.tabIndex = 0;
      refill(scroll, h("div", { class: "g2-beam-plane", style: { width: width + "px", height: height + "px" } }, lines, h("span", { class: "g2-beam-root", style: { top: TOP + "px" } }, "prompt"), nodes));
      table();
      if (chosen) choose(...chosen);
    }
    function choose(s, i) {
      if (!tree.steps[s] || !tree.steps[s][i]) return;
      chosen = [s, i];
      const way = wayTo(s, i), one = tree.steps[s][i];
      path = new Set(way.map(([a, b]) => keyOf(a, b)));
      for (const node of nodes) {
        node.classList.toggle("g2-on-path", path.has(node.dataset.key));
        node.classList.toggle("g2-chosen", node.dataset.key === keyOf(s, i));
        node.tabIndex = node.dataset.key === keyOf(s, i) ? 0 : -1;
      }
      for (const line of scroll.querySelectorAll(".g2-branch")) line.classList.toggle("g2-on-path", path.has(line.dataset.key));
      const before = s === 0 ? 0 : tree.steps[way[way.length - 2][0]][way[way.length - 2][1]].score, own = one.score - before;
      const fate = one.finished ? "It ended here and waits among the finished." : one.child >= 0 ? `Kept: it runs on as beam ${one.child + 1}.` : `Dropped: ${grouped(i)} candidates of this step were better, and ${grouped(tree.num_beams)} may run on.`;
      ui.say(`${quoted(way.map(([a, b]) => tree.steps[a][b].text).join(""))}: ${two(before)} + ${two(own)} = ${two(one.score)}; the last token has ${percent(Math.exp(own))}. ${fate}`);
      ui.warn(model.get("message"));
    }
    scroll.addEventListener("keydown", (event) => {
      if (!chosen || !nodes.includes(event.target)) return;
      const [s, i] = chosen;
      let next = null;
      if (event.key === "ArrowLeft") next = wayTo(s, i).slice(-2)[0];
      if (event.key === "ArrowRight") {                    // to the best of what grew out of it
        const j = tree.steps[s + 1] ? tree.steps[s + 1].findIndex((c) => c.parent === tree.steps[s][i].child && tree.steps[s][i].child >= 0) : -1;
        next = j >= 0 ? [s + 1, j] : null;
      }
      const column = nodes.filter((n) => +n.dataset.step === s), at = column.findIndex((n) => +n.dataset.index === i);
      if (event.key === "ArrowDown" && column[at + 1]) next = [s, +column[at + 1].dataset.index];
      if (event.key === "ArrowUp" && column[at - 1]) next = [s, +column[at - 1].dataset.index];
      if (!["ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp"].includes(event.key)) return;
      event.preventDefault();
      nodes.find((n) => next && n.dataset.key === keyOf(...next))?.focus();
    });
    function table() {
      const line = (name, one) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { dir: "auto" }, visible(one.text)), h("td", { class: "g2-num" }, one.texts.length), h("td", { class: "g2-num" }, two(one.log_prob)), h("td", { class: "g2-num" }, one.score.toFixed(3).replace("-", "\u2212")));
      refill(result, h("table", { class: "g2-table g2-found" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "place"), h("th", { scope: "col" }, "continuation"), ["tokens", "log-prob.", "score"].map((t) => h("th", { scope: "col", class: "g2-num" }, t)))),
        h("tbody", {}, tree.hypotheses.map((one, i) => line(String(i + 1), one)), tree.num_beams > 1 && model.get("greedy").texts ? line("greedy", model.get("greedy")) : null)),
        h("p", { class: "g2-label" }, `Score: log-probability / tokens ^ ${model.get("length_penalty")}, the length penalty. The highest wins.`));
    }
    cleanups.push(listen(model, ["tree"], () => { tree = model.get("tree"); load(); }), listen(model, ["greedy"], () => { table(); if (!chosen) tellWinner(); }), listen(model, ["message"], () => ui.warn(model.get("message"))));
    load();
    return () => cleanups.forEach((f) => f());
  },
};
