// Three curves over one axis of steps: loss, learning rate, gradient norm; a slider reads them at a step.

export default {
  render({ model, el }) {
    const live = !model.isStatic;
    const ui = frame(el, model.get("title"), "Does the loss still fall, does the held-out loss still fall with it, and what did the learning rate do when a curve bent?");
    const cleanups = [];
    let steps = [], columns = {}, at = -1, follow = true, smooth = 0.8, log = false;

    const reader = slider("Read the curves at", { min: 0, max: 0, say: (i) => (steps.length ? `step ${grouped(steps[Math.min(i, steps.length - 1)])}` : "no step yet") }, (i) => { at = i; follow = i === steps.length - 1; draw(); tell(); });
    const calmer = slider("smoothing", { min: 0, max: 0.98, step: 0.02, value: smooth, say: (v) => (v ? v.toFixed(2) : "off") }, (v) => { smooth = v; draw(); });
    const logBox = toggle("logarithmic loss", log, (on) => { log = on; draw(); });
    put(ui.controls, reader.node, calmer.node, logBox.node);
    const facts = h("div", { class: "g2-facts" });
    const names = ["loss", "learning_rate", "grad_norm"], charts = names.map(() => svg("svg", { class: "g2-chart", role: "img" }));
    const key = h("div", { class: "g2-row g2-label g2-key" }), sample = h("div", { class: "g2-sample" }), table = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "The numbers" });
    put(ui.body, facts, key, charts, sample, folded("The numbers as a table", table));

    function load() {
      const raw = floatsOf(model.get("columns")), n = raw.length / 5;
      ["step", "loss", "eval_loss", "learning_rate", "grad_norm"].forEach((name, i) => { columns[name] = raw.subarray(i * n, (i + 1) * n); });
      steps = columns.step;
      reader.input.max = Math.max(0, n - 1);
      reader.input.disabled = n < 2;
      if (follow || at >= n) at = n - 1;
      reader.set(Math.max(0, at));
      draw();
      if (!model.get("running")) tell();
    }
    const known = (name) => Array.from(columns[name] || []).flatMap((v, i) => (Number.isFinite(v) ? [[steps[i], v]] : []));
    // An exponential mean that starts at the first value, not at 0.
    function smoothed(points) {
      let sum = 0, weight = 0;
      return points.map(([x, y]) => { sum = smooth * sum + (1 - smooth) * y; weight = smooth * weight + 1 - smooth; return [x, sum / weight]; });
    }
    const spread = (list) => [Math.min(...list), Math.max(...list)];
    const line = (points, p, cls) => svg("path", { d: pathOf(thinned(points, Math.ceil(p.right - p.left)).map(([x, y]) => [p.x(x), p.y(y)])), class: "g2-line " + cls });
    const cursor = (p) => (at >= 0 && steps.length > 1 ? svg("line", { x1: p.x(steps[at]), x2: p.x(steps[at]), y1: p.top, y2: p.bottom, class: "g2-cursor" }) : null);
    let placed = null;
    function draw() {
      const wide = Math.max(280, ui.body.clientWidth || 700), total = model.get("max_steps"), n = steps.length;
      const x = n ? [Math.min(0, steps[0]), Math.max(total, steps[n - 1], 1)] : [0, total || 1];
      const loss = known("loss"), held = known("eval_loss"), rate = known("learning_rate"), norm = known("grad_norm");
      const band = model.get("band").filter(([s]) => s <= x[1] || !n), clip = model.get("max_grad_norm");
      const all = [...loss.map((p) => p[1]), ...held.map((p) => p[1]), ...band.flatMap(([, a, b]) => [a, b])];
      const canLog = all.length && all.every((v) => v > 0), logY = log && canLog;
      logBox.box.disabled = !canLog;
      let [low, high] = all.length ? all.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]) : [0, 1];
      if (!logY) { const room = (high - low || 1) * 0.05; low -= room; high += room; }
      const main = plane({ width: wide, height: 250, x, y: [low, high], logY, bottom: rate.length || norm.length ? 22 : 38, yName: "loss, nats a token", xName: rate.length || norm.length ? "" : "step" });
      placed = main;
      const bad = Array.from(columns.loss || []).findIndex((v) => v === Infinity);
      refill(charts[0], band.length ? svg("path", { d: pathOf([...band.map(([s, a]) => [main.x(s), main.y(a)]), ...band.map(([s, , b]) => [main.x(s), main.y(b)]).reverse()]) + "z", class: "g2-band" }) : null, main.axes,
        smooth > 0 ? [line(loss, main, "g2-s0 g2-faint"), line(smoothed(loss), main, "g2-s0 g2-strong")] : line(loss, main, "g2-s0 g2-strong"),
        held.length > 1 ? line(held, main, "g2-s1") : null, held.map(([s, v]) => mark(1, main.x(s), main.y(v), 4, { class: "g2-f1" })),
        bad >= 0 ? svg("text", { x: main.x(steps[bad]), y: main.top + 14, "text-anchor": "middle", class: "g2-tick g2-alarm" }, "NaN \u2716") : null, cursor(main));
      charts[0].setAttribute("viewBox", `0 0 ${wide} 250`);
      charts[0].setAttribute("aria-label", loss.length || held.length ? [["Loss", loss], ["held-out loss", held]].filter((s) => s[1].length).map(([name, s]) => `${name}: ${tidy(s[0][1])} at step ${grouped(s[0][0])}, ${tidy(s[s.length - 1][1])} at step ${grouped(s[s.length - 1][0])}, lowest ${tidy(Math.min(...s.map((p) => p[1])))}`).join("; ") : "No loss recorded yet");
      const small = (chart, points, name, last, extra = []) => {
        chart.toggleAttribute("hidden", !points.length);
        if (!points.length) return;
        const high = last ? 112 : 96, values = points.map((p) => p[1]), top = Math.max(...values, ...extra.map((e) => (e <= 2 * Math.max(...values) ? e : 0))), p = plane({ width: wide, height: high, x, y: [0, top * 1.05 || 1], bottom: last ? 38 : 22, yName: name, xName: last ? "step" : "", wantedY: 3 });
        chart.setAttribute("viewBox", `0 0 ${wide} ${high}`);
        refill(chart, p.axes, extra.filter((e) => e <= top * 1.05).map((e) => svg("line", { x1: p.left, x2: p.right, y1: p.y(e), y2: p.y(e), class: "g2-limit" })), line(points, p, "g2-s2"), cursor(p));
        const [a, b] = spread(values);
        chart.setAttribute("aria-label", `${name}: between ${tidy(a)} and ${tidy(b)}, ${tidy(values[values.length - 1])} at the end`);
      };
      small(charts[1], rate, "learning rate", !norm.length);
      small(charts[2], norm, clip ? `gradient norm; dashed: clipped above ${tidy(clip)}` : "gradient norm", true, clip ? [clip] : []);
      refill(key, loss.length ? [swatch(0, false), smooth ? "loss of the batch, smoothed (faint: as it was)" : "loss of the batch"] : null, held.length ? [swatch(1, true), "held-out loss"] : null, band.length ? [h("span", { class: "g2-swatch g2-band-swatch" }), "what is expected"] : null);
      drawFacts(loss, held, total, clip);
      const texts = model.get("samples").filter((s) => at < 0 || s.step <= steps[at] + 1e-6), text = texts[texts.length - 1];
      refill(sample, text ? [h("div", { class: "g2-label" }, `Written at step ${grouped(text.step)}`), h("pre", { class: "g2-sample-text", dir: "auto" }, text.text)] : null);
    }
    const swatch = (k, dot) => svg("svg", { width: 26, height: 12, "aria-hidden": "true" }, svg("line", { x1: 1, x2: 25, y1: 6, y2: 6, class: `g2-line g2-s${k} g2-strong` }), dot ? mark(k, 13, 6, 4, { class: `g2-f${k}` }) : null);
    const value = (name) => (at < 0 || Number.isNaN(columns[name][at]) ? null : columns[name][at]);
    function lastKnown(name) {
      for (let i = at; i >= 0; i--) if (!Number.isNaN(columns[name][i])) return [steps[i], columns[name][i]];
      return null;
    }
    function drawFacts(loss, held, total, clip) {
      const read = lastKnown("eval_loss"), best = held.length ? held.reduce((a, b) => (b[1] < a[1] ? b : a)) : null, norms = Array.from(columns.grad_norm || []).filter((v) => !Number.isNaN(v));
      factsOf(facts, [at >= 0 ? [grouped(steps[at]), total ? `of ${grouped(total)} steps` : "step"] : ["0", "steps"], value("loss") !== null ? [value("loss").toFixed(3), "loss of the batch"] : null,
        read ? [read[1].toFixed(3), read[0] === steps[at] ? "held-out loss" : `held-out loss, at step ${grouped(read[0])}`] : null, best ? [best[1].toFixed(3), `lowest held out, at step ${grouped(best[0])}`] : null,
        value("learning_rate") !== null ? [tidy(value("learning_rate")), "learning rate"] : null, value("grad_norm") !== null ? [tidy(value("grad_norm")), "gradient norm"] : null,
        clip && norms.length ? [percent(norms.filter((v) => v > clip).length / norms.length), "of the steps were clipped"] : null]);
    }
    // Where a value lies in the expected band, whose ends are joined by straight lines.
    function judged() {
      const band = model.get("band"), read = lastKnown("eval_loss") || lastKnown("loss");
      if (!band.length || !read) return "";
      const [step, v] = read, k = band.findIndex((b) => b[0] >= step);
      if (k < 0 || (k === 0 && band[0][0] > step)) return "";
      const [b, a] = [band[k], band[Math.max(0, k - 1)]], f = b[0] > a[0] ? (step - a[0]) / (b[0] - a[0]) : 1, low = a[1] + f * (b[1] - a[1]), high = a[2] + f * (b[2] - a[2]);
      return v < low ? ` Lower than expected there (${tidy(low)} to ${tidy(high)}).` : v > high ? ` Higher than expected there (${tidy(low)} to ${tidy(high)}).` : ` Expected there: ${tidy(low)} to ${tidy(high)}, so this is normal.`;
    }
    function tell() {
      if (at < 0) { ui.say(live ? "Nothing recorded yet: the curves grow while the model trains." : "Nothing was recorded."); return; }
      const read = lastKnown("eval_loss"), parts = [value("loss") !== null ? `loss ${value("loss").toFixed(3)}` : null, read ? `held-out loss ${read[1].toFixed(3)}${read[0] === steps[at] ? "" : ` (step ${grouped(read[0])})`}` : null, value("learning_rate") !== null ? `learning rate ${tidy(value("learning_rate"))}` : null].filter(Boolean);
      ui.say(`Step ${grouped(steps[at])}: ${parts.join(", ")}.${judged()}`);
      const every = Math.max(1, Math.ceil(steps.length / 24)), rows = [...Array(steps.length).keys()].filter((i) => i % every === 0 || i === steps.length - 1 || !Number.isNaN(columns.eval_loss[i])).slice(-60);
      const cell = (name, i) => (Number.isNaN(columns[name][i]) ? "" : tidy(columns[name][i], 4));
      refill(table, tableOf(["step", "loss", "held-out loss", "learning rate", "gradient norm"], rows.map((i) => [grouped(steps[i]), ...["loss", "eval_loss", "learning_rate", "grad_norm"].map((name) => cell(name, i))]), "Some of the steps"));
    }
    for (const chart of charts) {
      const choose = (event) => {
        const box = chart.getBoundingClientRect();
        if (!placed || !steps.length || !box.width) return;
        const wanted = placed.x.back(((event.clientX - box.left) * placed.width) / box.width);
        let best = 0;
        for (let i = 1; i < steps.length; i++) if (Math.abs(steps[i] - wanted) < Math.abs(steps[best] - wanted)) best = i;
        if (best === at) return;
        at = best;
        follow = at === steps.length - 1;
        reader.set(at);
        draw();
        tell();
      };
      chart.addEventListener("mousemove", choose);
      chart.addEventListener("click", choose);
    }
    cleanups.push(listen(model, ["columns"], load), listen(model, ["message"], () => ui.warn(model.get("message"))), listen(model, ["running"], () => tell()));
    cleanups.push(onResize(ui.body, draw));
    ui.warn(model.get("message"));
    load();
    return () => cleanups.forEach((f) => f());
  },
};
