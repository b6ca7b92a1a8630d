// Shared by the widgets that draw curves, points and pictures of matrices: scales with round numbers, axes, cells.

function tidy(x, digits = 3) {                           // few digits, a true minus sign
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "NaN" : x > 0 ? "\u221e" : "\u2212\u221e";
  const size = Math.abs(x);
  const text = x === 0 ? "0" : size >= 1e6 || size < 1e-3 ? x.toExponential(digits - 1).replace(/\.?0+e/, "e") : size >= 10 ** digits ? grouped(x) : String(+x.toPrecision(digits));
  return text.replace("e+", "e").replaceAll("-", "\u2212");
}

function bytesText(n) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) if (n >= size) return tidy(n / size) + " " + unit;
  return tidy(n) + " B";
}

// Round numbers between low and high: steps of 1, 2 or 5; on a log scale the same within each power of ten.
function ticksOf(low, high, wanted = 5, log = false) {
  if (log) {
    const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high)), inside = (list) => list.filter((v) => v >= low * 0.999 && v <= high * 1.001);
    const powers = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
    for (const steps of [[1], [1, 3], [1, 2, 5]]) {
      const found = inside(powers.flatMap((p) => steps.map((s) => +(p * s).toPrecision(3))));
      if (found.length >= 3) return found.length > 2 * wanted ? found.filter((_, i) => i % Math.ceil(found.length / wanted) === 0) : found;
    }
  }
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((s) => s * power >= rough * 0.999), out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) out.push(+(k * step).toPrecision(12));
  return out;
}

// Where a value lies in a drawing of width x height, and its axes. x, y: [low, high]; names stand at the ends of the axes.
function plane({ width, height, x, y, logX = false, logY = false, left = 58, right = 14, top = 22, bottom = 38, xName = "", yName = "", sayX = tidy, sayY = tidy, xTicks = true, wantedY = 5 }) {
  const widen = ([a, b], log) => (a < b ? [a, b] : log ? [a / 2 || 0.5, a * 2 || 2] : [a - (Math.abs(a) / 2 || 1), a + (Math.abs(a) / 2 || 1)]);
  const scale = (range, from, to, log) => {
    const [a, b] = range.map((v) => (log ? Math.log(v) : v));
    const at = (v) => from + (((log ? Math.log(v) : v) - a) / (b - a)) * (to - from);
    at.back = (p) => { const v = a + ((p - from) / (to - from)) * (b - a); return log ? Math.exp(v) : v; };
    return at;
  };
  const rangeX = widen(x, logX), rangeY = widen(y, logY), ends = { left, right: width - right, top, bottom: height - bottom };
  const atX = scale(rangeX, ends.left, ends.right, logX), atY = scale(rangeY, ends.bottom, ends.top, logY);
  const tick = (tx, ty, anchor, text) => svg("text", { x: tx, y: ty, "text-anchor": anchor, class: "g2-tick" }, text);
  const axes = [
    ticksOf(...rangeY, wantedY, logY).map((v) => [svg("line", { x1: ends.left, x2: ends.right, y1: atY(v), y2: atY(v), class: "g2-axis" }), tick(ends.left - 6, atY(v) + 4, "end", sayY(v))]),
    xTicks ? ticksOf(...rangeX, Math.max(2, Math.floor((ends.right - ends.left) / 75)), logX).map((v) => [svg("line", { x1: atX(v), x2: atX(v), y1: ends.bottom, y2: ends.bottom + 4, class: "g2-axis" }), tick(Math.min(atX(v), width - 3 * sayX(v).length), ends.bottom + 17, "middle", sayX(v))]) : [],
    yName ? tick(4, 13, "start", yName) : null,
    xName ? tick((ends.left + ends.right) / 2, height - 5, "middle", xName) : null,
  ];
  return { ...ends, x: atX, y: atY, axes, width, height, rangeX, rangeY };
}

function pathOf(points) {                                 // [[x, y], ...]; a point that is not finite interrupts the line
  let text = "", pen = "M";
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) { pen = "M"; continue; }
    text += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  return text;
}

// At most two points for each pixel column, the lowest and the highest, so that no peak is lost among ten thousand steps.
function thinned(points, columns) {
  if (points.length <= 2 * columns) return points;
  const out = [], per = points.length / columns;
  for (let c = 0; c < columns; c++) {
    let low = null, high = null;
    for (const p of points.slice(Math.floor(c * per), Math.floor((c + 1) * per))) {
      if (!low || p[1] < low[1]) low = p;
      if (!high || p[1] > high[1]) high = p;
    }
    out.push(...(low[0] <= high[0] ? [low, high] : [high, low]));
  }
  return out;
}

// A mark for each series, told apart by shape as well as by colour.
function mark(shape, x, y, size = 5, attributes = {}) {
  const d = [() => `M${x - size} ${y}a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0`, () => `M${x - size} ${y - size}h${2 * size}v${2 * size}h${-2 * size}z`,
    () => `M${x} ${y - 1.3 * size}L${x + 1.3 * size} ${y + size}H${x - 1.3 * size}z`, () => `M${x} ${y - 1.4 * size}L${x + 1.4 * size} ${y}L${x} ${y + 1.4 * size}L${x - 1.4 * size} ${y}z`][shape % 4]();
  return svg("path", { d, ...attributes, class: `g2-mark-${shape % 4} ` + (attributes.class || "") });
}

// A matrix as a picture: values row by row, colour(value) -> [r, g, b].
function drawCells(canvas, values, rows, columns, width, height, colour) {
  const small = document.createElement("canvas"), c = fitCanvas(canvas, width, height);
  small.width = columns;
  small.height = rows;
  const image = small.getContext("2d").createImageData(columns, rows), out = new Uint32Array(image.data.buffer);
  for (let i = 0; i < rows * columns; i++) {
    const [r, g, b] = colour(values[i]);
    out[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  small.getContext("2d").putImageData(image, 0, 0);
  c.imageSmoothingEnabled = false;
  c.drawImage(small, 0, 0, width, height);
}

function floatsOf(view) { return new Float32Array(asBytes(view).slice().buffer); }

function factsOf(node, pairs) {
  refill(node, pairs.filter(Boolean).map(([value, name]) => h("div", { class: "g2-fact" }, h("b", {}, value), h("span", {}, name))));
}

function tableOf(head, rows, caption) {                   // the first cell of a row names it; all others are numbers
  return h("table", { class: "g2-table g2-figures" }, caption ? h("caption", { class: "g2-hidden" }, caption) : null,
    h("thead", {}, h("tr", {}, head.map((t, i) => h("th", { scope: "col", class: i ? "g2-num" : null }, t)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, i) => (i ? h("td", { class: "g2-num" }, cell) : h("th", { scope: "row" }, cell)))))));
}

function folded(title, ...children) { return h("details", { class: "g2-fold" }, h("summary", {}, title), children); }
