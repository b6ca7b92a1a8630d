// The numbers themselves are here, so every setting is computed here: range, scale, level, error, as quantize_tensor does it.

const roundEven = (v) => Math.fround(v + 12582912) - 12582912;             // float32 steps of 1 between 2^23 and 2^24: ties to even
const one32 = Math.fround;

// values (R * C, float32) -> for each number the index of its scale, and for each scale its low and high end.
function rangesOf(values, R, C, { scales, groupSize, symmetric, clip }) {
  const per = scales === "group" ? C / groupSize : 1, count = { tensor: 1, row: R, column: C, group: R * per }[scales];
  const low = new Float32Array(count), high = new Float32Array(count), owner = new Uint32Array(R * C);
  for (let i = 0, at = 0; i < R; i++) for (let j = 0; j < C; j++, at++) {
    const k = scales === "tensor" ? 0 : scales === "row" ? i : scales === "column" ? j : i * per + Math.floor(j / groupSize), v = values[at];
    owner[at] = k;
    if (v < low[k]) low[k] = v;
    if (v > high[k]) high[k] = v;
  }
  const kept = one32(clip);
  for (let k = 0; k < count; k++) {
    if (symmetric) { high[k] = Math.max(high[k], -low[k]); low[k] = -high[k]; }
    low[k] = one32(low[k] * kept);
    high[k] = one32(high[k] * kept);
  }
  return { owner, low, high, count };
}

// The scale and zero point of one range, and the integers at its ends.
function gridOf(low, high, bits, symmetric) {
  const least = symmetric ? 1 - 2 ** (bits - 1) : -(2 ** (bits - 1)), most = 2 ** (bits - 1) - 1;
  const scale = (symmetric ? one32(high / most) : one32(one32(high / (most - least)) - one32(low / (most - least)))) || 1;
  return { least, most, scale, zero: symmetric ? 0 : least - roundEven(one32(low / scale)) };
}

function quantized(values, R, C, options) {
  const { owner, low, high, count } = rangesOf(values, R, C, options), { bits, symmetric } = options;
  const grids = Array.from({ length: count }, (_, k) => gridOf(low[k], high[k], bits, symmetric));
  const out = new Float32Array(values.length), used = new Uint8Array(2 ** bits);
  let clipped = 0, square = 0, power = 0, largest = 0;
  for (let at = 0; at < values.length; at++) {
    const k = owner[at], g = grids[k], v = values[at], inside = v < low[k] ? low[k] : v > high[k] ? high[k] : v;
    if (inside !== v) clipped++;
    const q = Math.max(g.least, Math.min(g.most, roundEven(one32(inside / g.scale)) + g.zero));
    used[q - g.least]++;
    const y = one32((q - g.zero) * g.scale), wrong = v - y;
    out[at] = y;
    square += wrong * wrong;
    power += v * v;
    if (Math.abs(wrong) > largest) largest = Math.abs(wrong);
  }
  const n = values.length;
  return { out, grids, low, high, count, rms: Math.sqrt(square / n), snr: 10 * Math.log10(power / square), largest, clipped: clipped / n, used: used.reduce((s, u) => s + (u > 0), 0) };
}

// Root mean square of the errors, in at most `side` blocks along each axis.
function errorBlocks(values, out, R, C, side) {
  const P = Math.min(R, side), Q = Math.min(C, R > 1 ? side : 4 * side), sum = new Float64Array(P * Q), n = new Uint32Array(P * Q);
  for (let i = 0, at = 0; i < R; i++) {
    const row = Math.floor((i * P) / R) * Q;
    for (let j = 0; j < C; j++, at++) {
      const cell = row + Math.floor((j * Q) / C), wrong = values[at] - out[at];
      sum[cell] += wrong * wrong;
      n[cell]++;
    }
  }
  return { P, Q, rms: Float32Array.from(sum, (s, k) => Math.sqrt(s / n[k])) };
}

export default {
  render({ model, el }) {
    const live = !model.isStatic, BARS = 120, SIDE = 64;
    const ui = frame(el, "Which numbers share a level?", "A quantized number can only stand on one of the vertical lines. Change one thing at a time: what does it do to the error, and where?");
    const cleanups = [];
    let one = null, values = new Float32Array(0), R = 1, C = 1, now = null, plain = null, look = -1, log = false, worst = null, map = null;

    const pick = choice("Tensor", model.get("names").map((n) => [n, n]), model.get("selected"), (name) => { model.set("selected", name); model.save_changes(); if (!live) load(); });
    const set = (name, value) => { model.set(name, value); model.save_changes(); compute(); };
    const bits = slider("bits", { min: 2, max: 8, value: model.get("bits"), say: (v) => `${v}: ${2 ** v} levels` }, (v) => set("bits", v));
    const range = choice("Range", [["1", "symmetric around 0"], ["0", "asymmetric, smallest to largest"]], model.get("symmetric") ? "1" : "0", (v) => set("symmetric", v === "1"));
    const scales = choice("Scales", [], "", (v) => { set("scales", v); });
    const clip = slider("part of the range kept", { min: 0.05, max: 1, step: 0.01, value: model.get("clip"), say: (v) => (v < 1 ? percent(v) + ", the rest is clipped" : "all") }, (v) => set("clip", v));
    const best = button("Least error", leastError, { title: "Tries many clipping points and keeps the one with the least error" });
    const where = slider("histogram of", { min: -1, max: 0, value: -1, say: (v) => (v < 0 ? "all numbers" : scaleName(v)) }, (v) => { look = v; drawHistogram(); tell(); });
    const logBox = toggle("logarithmic counts", log, (on) => { log = on; drawHistogram(); });
    put(ui.controls, model.get("names").length > 1 ? pick.node : null, bits.node, range.node, scales.node, clip.node, best, where.node, logBox.node);
    const facts = h("div", { class: "g2-facts" }), sampled = h("p", { class: "g2-label" });
    const chart = svg("svg", { class: "g2-chart g2-draggable", role: "img" }), chartText = h("div", { class: "g2-label" });
    const picture = h("canvas", { role: "img" }), key = legend("0", ""), mapText = h("div", { class: "g2-label" });
    const table = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "The error in numbers" });
    put(ui.body, facts, sampled, h("div", { class: "g2-columns" }, h("div", { class: "g2-sight" }, chartText, chart), h("div", {}, mapText, picture, h("div", { style: { marginTop: "4px" } }, key.node))), folded("The error at every number of bits", table));

    const options = () => ({ bits: model.get("bits"), symmetric: model.get("symmetric"), scales: model.get("scales"), groupSize: model.get("group_size"), clip: model.get("clip") });
    const rowNumber = (i) => (one.rows.length ? one.rows[i] : i);
    const per = () => C / model.get("group_size");
    function scaleName(k) {
      const kind = model.get("scales");
      return kind === "row" ? `row ${rowNumber(k)}` : kind === "column" ? `column ${k}` : kind === "group" ? `row ${rowNumber(Math.floor(k / per()))}, group ${k % per()}` : "all numbers";
    }
    function load() {
      one = live ? model.get("card") : model.get("cards")[model.get("selected")];
      pick.select.value = model.get("selected");
      for (const node of [facts, chart, chartText, picture, mapText, key.node, sampled]) node.toggleAttribute("hidden", !one);
      if (!one) { ui.say(`${model.get("selected")}: this page does not hold it. The live notebook shows every tensor.`); return; }
      values = floatsOf(one.values);
      [R, C] = one.shape;
      const g = model.get("group_size"), kinds = [["tensor", "one for all"], R > 1 ? ["row", "one a row"] : null, R > 1 ? ["column", "one a column"] : null, C % g === 0 && C > g ? ["group", `one for ${g} numbers`] : null].filter(Boolean);
      refill(scales.select, kinds.map(([v, t]) => h("option", { value: v }, t)));
      if (!kinds.some(([v]) => v === model.get("scales"))) model.set("scales", "tensor");
      scales.select.value = model.get("scales");
      sampled.textContent = one.rows.length ? `Shown are ${R} of its ${grouped(one.whole[0])} rows, evenly spaced, with the one that holds the largest number.` : "";
      plain = quantized(values, R, C, { ...options(), bits: 8, scales: "tensor", clip: 1 });
      compute();
    }
    function compute() {
      if (!one) return;
      now = quantized(values, R, C, options());
      if (look >= now.count) look = -1;
      where.input.max = now.count > 1 ? now.count - 1 : -1;
      where.node.hidden = now.count === 1;
      if (now.count === 1) look = -1;
      where.set(look);
      const n = values.length, extra = now.count * (model.get("symmetric") ? 32 : 64);
      factsOf(facts, [[tidy(now.rms), "error (root mean square)"], [`${now.snr.toFixed(1)} dB`, "the numbers' power over the error's"], [tidy(now.largest), "largest error"], [percent(now.clipped), "of the numbers are clipped"],
        [`${now.used} of ${2 ** model.get("bits")}`, "levels are used"], [(model.get("bits") + extra / n).toFixed(2), "bits a number, scales included"]]);
      Object.assign(facts.dataset, { rms: now.rms, largest: now.largest });
      drawHistogram();
      drawMap();
      drawTable();
      tell();
    }
    function shownNumbers() {                              // those of the scale that is looked at
      if (look < 0) return values;
      const kind = model.get("scales"), g = model.get("group_size");
      if (kind === "row") return values.subarray(look * C, (look + 1) * C);
      if (kind === "group") return values.subarray(look * g, (look + 1) * g);
      return Float32Array.from({ length: R }, (_, i) => values[i * C + look]);
    }
    let place = null;
    function drawHistogram() {
      if (!one) return;
      const wide = Math.max(240, chart.parentNode.clientWidth || 500), high = 240, some = shownNumbers(), k = look < 0 ? 0 : look, single = look >= 0 || now.count === 1;
      let reach = 0, least = 0, most = 0;
      for (const v of some) { if (v < least) least = v; if (v > most) most = v; }
      reach = Math.max(-least, most) || 1;
      const [from, to] = model.get("symmetric") ? [-reach, reach] : [least, most > least ? most : least + 1], counts = new Uint32Array(BARS), width = (to - from) / BARS;
      for (const v of some) counts[Math.max(0, Math.min(BARS - 1, Math.floor((v - from) / width)))]++;
      const most_ = Math.max(1, ...counts), p = plane({ width: wide, height: high, x: [from, to], y: log ? [0.8, most_ * 1.1] : [0, most_ * 1.05], logY: log, top: 36, xName: "value", yName: log ? "how many (log)" : "how many" });
      place = single ? { ...p, low: from, high: to } : null;
      const grid = now.grids[k], lines = [];
      if (single) {
        const step = p.x(grid.scale) - p.x(0), every = Math.max(1, 2 ** Math.ceil(Math.log2(Math.max(1, 3 / step))));
        for (let q = grid.least; q <= grid.most; q++) {
          const v = (q - grid.zero) * grid.scale;
          if (v < from - width || v > to + width || (q - grid.least) % every) continue;
          lines.push(svg("line", { x1: p.x(v), x2: p.x(v), y1: p.top, y2: p.bottom, class: "g2-level" }));
        }
      }
      const bars = Array.from(counts, (n, i) => (n ? svg("rect", { x: p.x(from + i * width) + 0.3, width: Math.max(0.6, (p.right - p.left) / BARS - 0.6), y: p.y(n), height: Math.max(0, p.bottom - p.y(n)), class: "g2-count" }) : null));
      const [a, b] = [now.low[k], now.high[k]], cut = single ? [[from, a], [b, to]].filter(([u, v]) => v - u > 1e-9 * reach).map(([u, v]) => svg("rect", { x: p.x(u), width: p.x(v) - p.x(u), y: p.top, height: p.bottom - p.top, class: "g2-cut-off" })) : [];
      const handles = single ? [a, b].map((v, i) => (i || model.get("symmetric") || least < 0 ? svg("path", { d: `M${p.x(v)} ${p.top - 8}l5 -8h-10zM${p.x(v)} ${p.top - 8}V${p.bottom}`, class: "g2-cut-handle" }) : null)) : [];
      chart.setAttribute("viewBox", `0 0 ${wide} ${high}`);
      refill(chart, p.axes, lines, bars, cut, handles);
      const gaps = single ? grid.scale : null;
      chartText.textContent = !single ? `All numbers. Each of the ${grouped(now.count)} scales has its own levels: move \u201chistogram of\u201d to see one.` : `${look < 0 ? "All numbers" : scaleName(look)}: levels are ${tidy(gaps)} apart${lines.length > 1 && lines.length < grid.most - grid.least ? ", some are drawn" : ""}. Drag the triangles to clip.`;
      const inMode = Math.max(...counts);
      chart.setAttribute("aria-label", `Histogram of ${look < 0 ? "all numbers" : scaleName(look)} from ${tidy(least)} to ${tidy(most)}, ${percent(inMode / some.length)} in the fullest of ${BARS} bars${single ? `; levels from ${tidy(a)} to ${tidy(b)}, ${tidy(gaps)} apart` : ""}`);
    }
    // One scale for all at the same bits and range: what the map's colours are measured by, so that better settings look paler.
    function drawMap() {
      if (!one) return;
      const o = options(), name = `${model.get("selected")} ${o.bits} ${o.symmetric}`;
      if (!worst || worst.name !== name) worst = { name, most: Math.max(...errorBlocks(values, quantized(values, R, C, { ...o, scales: "tensor", clip: 1 }).out, R, C, SIDE).rms) };
      map = errorBlocks(values, now.out, R, C, SIDE);
      const own = Math.max(...map.rms), most = Math.max(worst.most, own) || 1, wide = Math.max(160, Math.min(360, picture.parentNode.clientWidth || 300)), high = R === 1 ? 60 : Math.round(Math.max(wide / 2.5, Math.min(1.1 * wide, (wide * R) / C)));
      drawCells(picture, map.rms, map.P, map.Q, wide, high, (v) => heat(v / most));
      key.set("0", tidy(most), "heat");
      mapText.textContent = `Where the error lies: rows down, columns across${map.P * map.Q < R * C ? `; a cell is ${grouped((R * C) / (map.P * map.Q))} numbers` : ""}. The scale is that of one scale for all.`;
      const at = map.rms.indexOf(own);
      picture.setAttribute("aria-label", `Error map, ${R} by ${C}: from ${tidy(Math.min(...map.rms))} to ${tidy(own)}, most around row ${rowNumber(Math.floor((Math.floor(at / map.Q) * R) / map.P))}, column ${Math.floor(((at % map.Q) * C) / map.Q)}`);
    }
    let tabled = "";
    const drawTable = debounce(() => {
      const o = options(), name = JSON.stringify([model.get("selected"), o]);
      if (!one || name === tabled) return;
      tabled = name;
      refill(table, tableOf(["bits", "error", "dB", "largest error"], [2, 3, 4, 5, 6, 7, 8].map((b) => { const q = quantized(values, R, C, { ...o, bits: b }); return [b, tidy(q.rms), q.snr.toFixed(1), tidy(q.largest)]; }), "Error with these settings at 2 to 8 bits"));
    }, 250);
    function tell() {
      const all = { tensor: "one scale", row: "one scale a row", column: "one scale a column", group: `one scale for ${model.get("group_size")} numbers` }[model.get("scales")];
      const k = Math.max(0, look), g = now.grids[k], one_ = look >= 0 || now.count === 1 ? ` ${look < 0 ? "The levels" : `In ${scaleName(look)} they`} are ${tidy(g.scale)} apart${model.get("symmetric") ? "" : `, and ${g.zero} stands for 0`}.` : "";
      ui.say(`${model.get("bits")} bits, ${all}: error ${tidy(now.rms)}, ${now.snr.toFixed(1)} dB below the numbers; ${percent(now.clipped)} are clipped.${one_}`);
    }
    // The clipping point with the least error over every so-manyth number: all of them would take too long for a click.
    function leastError() {
      const o = options(), { owner, low, high, count } = rangesOf(values, R, C, { ...o, clip: 1 }), step = Math.floor(values.length / 24000) | 1;
      let found = [Infinity, 1];
      for (const c of [1, 0.97, 0.94, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2]) {
        const grids = Array.from({ length: count }, (_, k) => gridOf(one32(low[k] * one32(c)), one32(high[k] * one32(c)), o.bits, o.symmetric));
        let square = 0;
        for (let at = 0; at < values.length; at += step) {
          const g = grids[owner[at]], q = Math.max(g.least, Math.min(g.most, roundEven(one32(values[at] / g.scale)) + g.zero)), wrong = values[at] - (q - g.zero) * g.scale;
          square += wrong * wrong;
        }
        if (square < found[0]) found = [square, c];
      }
      clip.set(found[1]);
      set("clip", found[1]);
    }
    let dragging = false;
    const drag = (event) => {
      if (!place) return;
      const box = chart.getBoundingClientRect(), v = place.x.back(((event.clientX - box.left) * place.width) / box.width);
      const share = v > 0 ? v / place.high : v / place.low;
      const kept = Math.max(0.05, Math.min(1, Math.round(share * 100) / 100));
      if (kept === model.get("clip")) return;
      clip.set(kept);
      set("clip", kept);
    };
    chart.addEventListener("pointerdown", (event) => { if (place) { dragging = true; chart.setPointerCapture(event.pointerId); drag(event); } });
    chart.addEventListener("pointermove", (event) => { if (dragging) drag(event); });
    for (const end of ["pointerup", "pointercancel"]) chart.addEventListener(end, () => { dragging = false; });
    picture.addEventListener("mousemove", (event) => {
      if (!map) return;
      const box = picture.getBoundingClientRect(), i = Math.max(0, Math.min(map.P - 1, Math.floor(((event.clientY - box.top) / box.height) * map.P))), j = Math.max(0, Math.min(map.Q - 1, Math.floor(((event.clientX - box.left) / box.width) * map.Q)));
      picture.title = `around row ${rowNumber(Math.floor((i * R) / map.P))}, column ${Math.floor((j * C) / map.Q)}: error ${tidy(map.rms[i * map.Q + j])}`;
    });
    if (live) cleanups.push(listen(model, ["card"], load), listen(model, ["bits", "symmetric", "scales", "clip"], () => {
      if (ui.root.contains(document.activeElement)) return;
      bits.set(model.get("bits"));
      clip.set(model.get("clip"));
      range.select.value = model.get("symmetric") ? "1" : "0";
      scales.select.value = model.get("scales");
      compute();
    }));
    else {
      const held = Object.keys(model.get("cards")).length, all = model.get("names").length;
      ui.whisper(held < all ? `This page holds ${held} of ${all} tensors; the live notebook shows all.` : "");
    }
    const again = () => { drawHistogram(); drawMap(); };
    cleanups.push(onTheme(again), onResize(ui.body, again));
    load();
    return () => cleanups.forEach((f) => f());
  },
};
