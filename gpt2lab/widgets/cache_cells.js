// Queries by keys, one table without a cache and one with it: arithmetic and two canvases, so it runs anywhere.

const rowCells = (length, rows) => (rows * (2 * length - rows + 1)) / 2;

// The work of passes 1 to `steps`: token rows through every block, attention cells of one head.
function cacheWork(prompt, steps, cache) {
  let rows = 0, cells = 0;
  for (let t = 0; t < steps; t++) {
    const length = prompt + t, now = cache && t > 0 ? 1 : length;
    rows += now;
    cells += rowCells(length, now);
  }
  return { rows, cells };
}

function scaled(n, units) {
  for (const [unit, size] of units) if (n >= size) return (n / size).toFixed(n / size < 10 ? 2 : n / size < 100 ? 1 : 0) + " " + unit;
  return grouped(n);
}
const OPERATIONS = [["trillion", 1e12], ["billion", 1e9], ["million", 1e6]], BYTES = [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]];

export default {
  render({ model, el }) {
    const ui = frame(el, "What a KV cache saves", "Each step runs the model once and writes one token. Which cells are computed again although nothing in them changed?");
    const cleanups = [], sizes = model.get("sizes");
    let timer = 0;
    const size = choice("Model", [...Object.keys(sizes).map((n) => [n, n]), ["own", "your own"]], "own", (name) => {
      if (sizes[name]) { model.set("config", { ...sizes[name] }); model.save_changes(); draw(); }
    });
    const prompt = h("input", { type: "number", min: 1, step: 1 }), fresh = h("input", { type: "number", min: 1, step: 1 });
    const slide = slider("Passes through the model:", { min: 1, max: model.get("new"), value: model.get("step"), say: (v) => `${v} of ${model.get("new")}` }, (v) => { stop(); setStep(v); });
    const play = button("Play", () => (timer ? stop() : start()), { "aria-pressed": "false", class: "g2-main" });
    put(ui.controls, size.node, field("prompt tokens", prompt), field("new tokens", fresh), slide.node, play);
    const table = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "What has been computed so far" });
    const views = [false, true].map((cache) => {
      const canvas = h("canvas", { role: "img" }), name = h("strong", {}, cache ? "With a cache" : "Without a cache"), below = h("div", { class: "g2-label" });
      return { cache, canvas, below, node: h("div", {}, name, canvas, below) };
    });
    const key = legend("never", "in every step");
    const now = h("span", { class: "g2-row" }, h("span", { class: "g2-swatch g2-now", "aria-hidden": "true" }), "computed in this step");
    put(ui.body, h("div", { class: "g2-row g2-label" }, "A row is a query, a column a key. Shade: in how many steps so far a cell was computed,", key.node, now),
      h("div", { class: "g2-columns g2-cells" }, views.map((v) => v.node)), h("div", { style: { height: "0.8rem" } }), table);

    const setStep = (n) => { model.set("step", Math.max(1, Math.min(model.get("new"), n))); model.save_changes(); draw(); };
    for (const [name, input] of [["prompt", prompt], ["new", fresh]]) input.addEventListener("input", () => {
      stop();
      model.set(name, Math.round(+input.value));
      if (!trouble()) model.set("step", Math.min(model.get("step"), model.get("new")));
      model.save_changes();
      draw();
    });
    function start() {
      if (trouble()) return;
      if (model.get("step") >= model.get("new")) setStep(1);
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
      timer = setInterval(() => { setStep(model.get("step") + 1); if (model.get("step") >= model.get("new")) stop(); }, calm() ? 1200 : Math.max(80, Math.min(500, 8000 / model.get("new"))));
    }
    function stop() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
    }
    cleanups.push(stop);
    function trouble() {
      const P = model.get("prompt"), N = model.get("new"), most = model.get("config").n_positions;
      return P >= 1 && N >= 1 && P + N <= most ? "" : `Prompt and new tokens are whole numbers from 1, together at most ${grouped(most)}, the model's positions.`;
    }

    function paintCells(view, P, step, width) {
      const T = P + step - 1, whole = P + model.get("new") - 1, pitch = width / whole, c = fitCanvas(view.canvas, width, width), colours = inkColours(ui.root);
      const gap = pitch >= 6 ? 1 : 0;
      c.fillStyle = getComputedStyle(ui.root).getPropertyValue("--g2-well").trim();
      c.fillRect(0, 0, width, width);
      for (let i = 0; i < T; i++) {                     // whole rows at once: the number of passes depends on the query alone
        const times = view.cache ? 1 : step - Math.max(0, i - P + 1);
        c.fillStyle = heatCss(times / model.get("new"));
        if (gap) for (let j = 0; j <= i; j++) c.fillRect(j * pitch, i * pitch, pitch - gap, pitch - gap);
        else c.fillRect(0, i * pitch, (i + 1) * pitch, Math.max(1, pitch));
      }
      c.strokeStyle = colours.second;
      c.lineWidth = 3;
      const top = view.cache && step > 1 ? T - 1 : 0;   // what this step computes, framed
      c.beginPath();
      c.moveTo(0, top * pitch);
      if (top) c.lineTo(T * pitch, top * pitch);
      else for (let i = 0; i < T; i++) { c.lineTo((i + 1) * pitch, i * pitch); c.lineTo((i + 1) * pitch, (i + 1) * pitch); }
      c.lineTo(T * pitch, T * pitch);
      c.lineTo(0, T * pitch);
      c.closePath();
      c.stroke();
      const cells = rowCells(T, view.cache && step > 1 ? 1 : T);
      view.below.textContent = `This step: ${grouped(cells)} cells of every head, ${view.cache && step > 1 ? "one row" : "the whole triangle"}.`;
      view.canvas.setAttribute("aria-label", `${view.cache ? "With" : "Without"} a cache, step ${step}: ${T} queries by ${T} keys. ${view.below.textContent}`);
    }
    function draw() {
      const config = model.get("config"), P = model.get("prompt"), N = model.get("new"), wrong = trouble();
      const known = Object.entries(sizes).find(([, s]) => Object.keys(s).every((f) => s[f] === config[f]));
      size.select.value = known ? known[0] : "own";
      for (const [input, value] of [[prompt, P], [fresh, N]]) if (document.activeElement !== input) input.value = value;
      ui.warn(wrong);
      if (wrong) { ui.say(wrong); return; }
      const step = Math.max(1, Math.min(N, model.get("step"))), { n_layer: L, n_head: H, n_embd: C, vocab_size: V } = config;
      slide.input.max = N;
      slide.set(step);
      key.recolour();
      const room = ui.body.clientWidth || 600, width = Math.max(140, Math.min(380, room < 560 ? room - 4 : (room - 24) / 2));
      for (const view of views) paintCells(view, P, step, width);
      const work = [false, true].map((cache) => cacheWork(P, step, cache)), ops = work.map((w) => w.rows * 24 * L * C * C + w.cells * 4 * L * C + step * 2 * V * C);
      const line = (name, less, a, b, show = grouped) => h("tr", {}, h("th", { scope: "row" }, name, h("div", { class: "g2-label" }, less)),
        h("td", { class: "g2-num" }, show(a)), h("td", { class: "g2-num" }, show(b)), h("td", { class: "g2-num" }, b ? (a / b).toFixed(1) + " \u00d7" : "\u2013"));
      refill(table, h("table", { class: "g2-table" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, `after ${step} ${step === 1 ? "step" : "steps"}`),
        ["without", "with a cache", "ratio"].map((t) => h("th", { scope: "col", class: "g2-num" }, t)))), h("tbody", {},
        line("attention cells", `of all ${L} \u00d7 ${H} heads`, work[0].cells * L * H, work[1].cells * L * H),
        line("token rows", "through every block", work[0].rows, work[1].rows),
        line("operations", "multiplications and additions", ops[0], ops[1], (n) => scaled(n, OPERATIONS)),
        line("memory of the cache", "keys and values, float32", 0, 2 * L * C * 4 * (P + step - 1), (n) => (n ? scaled(n, BYTES) : "none")))));
      table.querySelectorAll("tbody tr:last-child td:last-child").forEach((cell) => { cell.textContent = "the price"; });
      ui.say(`Step ${step}: ${grouped(work[0].cells)} cells a head so far without a cache, ${grouped(work[1].cells)} with it, so ${(work[0].cells / work[1].cells).toFixed(1)} times as many.`);
    }
    cleanups.push(listen(model, ["config", "prompt", "new", "step"], () => { if (!timer) draw(); }), onTheme(draw), onResize(ui.body, draw));
    draw();
    return () => cleanups.forEach((f) => f());
  },
};
