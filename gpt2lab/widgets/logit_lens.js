// A table, layers by tokens: what the model would say after each layer.

export default {
  render({ model, el }) {
    const live = !model.isStatic;
    const ui = frame(el, `What ${model.get("model_name")} would say after each layer`,
      "Each column is a place in the text, each row a layer. From the bottom up: where does the guess become the right one? Choose a cell.", live);
    const cleanups = [];
    const box = textBox("Your text", model.get("text"), { live, rows: 1, onchange: (v) => { model.set("text", v); model.save_changes(); } });
    const key = legend("0 %", "100 %");
    put(ui.controls, box.node, key.node);
    const table = h("div", { class: "g2-scroll g2-lens", tabindex: 0, role: "region", "aria-label": "Likeliest next token by layer and place" });
    const bars = h("div", {}), fate = h("div", {});
    put(ui.body, table, h("div", { class: "g2-columns", style: { marginTop: "0.9rem" } }, h("div", {}, bars), h("div", {}, fate)));
    let N = 1, T = 1, K = 1, picks, chances, ranks, hits, row = 0, column = 0, cells = [];
    const layerName = (n) => (n === 0 ? "embeddings" : n === N - 1 ? `layer ${n - 1}, the output` : `layer ${n - 1}`);

    function load() {
      [N, T, K] = model.get("shape");
      picks = new Uint16Array(asBytes(model.get("picks")).slice().buffer);
      chances = new Float32Array(asBytes(model.get("chances")).slice().buffer);
      ranks = new Int32Array(asBytes(model.get("ranks")).slice().buffer);
      hits = new Float32Array(asBytes(model.get("hits")).slice().buffer);
      row = N - 1;
      column = Math.max(0, T - 2);                        // the last place whose next token is known
      const words = model.get("words"), tokens = model.get("tokens");
      cells = [];
      const body = [...Array(N).keys()].reverse().map((n) => h("tr", {}, h("th", { scope: "row" }, n === 0 ? "embed" : `${n - 1}`),
        [...Array(T).keys()].map((t) => {
          const at = (n * T + t) * K, right = ranks[n * T + t] === 0;
          const cell = h("button", { type: "button", class: "g2-lens-cell" + (right ? " g2-right" : ""), tabindex: n === row && t === column ? 0 : -1, "data-n": n, "data-t": t,
            onclick: () => choose(n, t), onfocus: () => choose(n, t),
            "aria-label": `${layerName(n)}, after ${visible(tokens[t])}: ${visible(words[picks[at]])}, ${percent(chances[at])}${right ? ", right" : ""}` }, short(words[picks[at]], 10));
          cells.push(cell);
          return h("td", {}, cell);
        })));
      const next = [...Array(T).keys()].map((t) => h("th", { scope: "col", class: "g2-next" }, t + 1 < tokens.length ? short(tokens[t + 1], 10) : "?"));
      refill(table, h("table", { class: "g2-matrix" },
        h("thead", {}, h("tr", {}, h("th", { scope: "row" }, "really next"), next)), h("tbody", {}, body),
        h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "read"), tokens.map((t) => h("th", { scope: "col" }, short(t, 10)))))));
      colour();
      choose(row, column);
      ui.whisper([live ? "" : "This page holds the numbers for the text shown. Your own text needs the live notebook.", model.get("note"), "Outlined: the right token is on top."].filter(Boolean).join(" "));
    }
    function colour() {
      key.recolour();
      for (const cell of cells) paint(cell, chances[(+cell.dataset.n * T + +cell.dataset.t) * K]);
    }
    function choose(n, t) {
      row = n;
      column = t;
      for (const cell of cells) {
        const chosen = +cell.dataset.n === n && +cell.dataset.t === t;
        cell.classList.toggle("g2-chosen", chosen);
        cell.tabIndex = chosen ? 0 : -1;
      }
      const words = model.get("words"), tokens = model.get("tokens"), at = (n * T + t) * K, most = chances[at] || 1;
      refill(bars, h("div", { class: "g2-label" }, `${layerName(n)}, after ${quoted(tokens[t])}: the likeliest next tokens`),
        h("div", { class: "g2-bars" }, [...Array(K).keys()].flatMap((j) => [h("code", {}, short(words[picks[at + j]], 16)),
          h("div", {}, h("div", { class: "g2-bar", style: { width: Math.max(0.5, (100 * chances[at + j]) / most) + "%" } })), h("span", { class: "g2-label" }, percent(chances[at + j]))])));
      const known = ranks[t] >= 0;
      refill(fate, !known ? h("p", { class: "g2-label" }, "What really follows this last token is not known.") : [
        h("div", { class: "g2-label" }, `The token that really follows, ${quoted(tokens[t + 1] ?? "next")}, layer by layer`),
        h("table", { class: "g2-table" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "after"), h("th", { scope: "col", class: "g2-num" }, "place"), h("th", { scope: "col", class: "g2-num" }, "probability"))),
          h("tbody", {}, [...Array(N).keys()].reverse().map((m) => h("tr", {}, h("th", { scope: "row" }, layerName(m)), h("td", { class: "g2-num" }, grouped(ranks[m * T + t] + 1)), h("td", { class: "g2-num" }, percent(hits[m * T + t]))))))]);
      ui.say(`${layerName(n)}, after ${quoted(tokens[t])}: ${quoted(words[picks[at]])} ${percent(chances[at])}.` + (known && tokens[t + 1] !== undefined ? ` What really follows, ${quoted(tokens[t + 1])}, is in place ${grouped(ranks[n * T + t] + 1)}.` : ""));
      ui.warn(model.get("message"));
    }
    table.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step || !event.target.dataset?.n) return;
      const n = Math.max(0, Math.min(N - 1, row + step[0])), t = Math.max(0, Math.min(T - 1, column + step[1]));
      event.preventDefault();
      cells.find((c) => +c.dataset.n === n && +c.dataset.t === t)?.focus();
    });
    cleanups.push(listen(model, ["tokens"], load), listen(model, ["message"], () => ui.warn(model.get("message"))), onTheme(colour));
    load();
    return () => cleanups.forEach((f) => f());
  },
};
