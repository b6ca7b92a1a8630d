// Shared by the attention views: triangles of bytes, and heads drawn pixel by pixel.

const triangleLength = (T) => (T * (T + 1)) / 2;
const weightAt = (tri, i, j) => (j > i ? 0 : tri[triangleLength(i) + j]);

// One head as T x T pixels, then scaled. Where many weights share a pixel the largest is kept, so stripes stay visible.
function headImage(tri, T, table, maximum) {
  const step = Math.max(1, Math.ceil(T / maximum)), size = Math.ceil(T / step);
  const best = new Int16Array(size * size).fill(-1);
  for (let i = 0, at = 0; i < T; i++) {
    const row = Math.floor(i / step) * size;
    for (let j = 0; j <= i; j++, at++) {
      const cell = row + Math.floor(j / step);
      if (tri[at] > best[cell]) best[cell] = tri[at];
    }
  }
  return pixels(best, size, table);
}

// Two heads as signed difference: 128 is equal.
function differenceImage(a, b, T, table, maximum) {
  const step = Math.max(1, Math.ceil(T / maximum)), size = Math.ceil(T / step);
  const best = new Int16Array(size * size).fill(-1);
  for (let i = 0, at = 0; i < T; i++) {
    const row = Math.floor(i / step) * size;
    for (let j = 0; j <= i; j++, at++) {
      const cell = row + Math.floor(j / step), value = Math.round(127.5 + (a[at] - b[at]) / 2);
      if (best[cell] < 0 || Math.abs(value - 127.5) > Math.abs(best[cell] - 127.5)) best[cell] = value;
    }
  }
  return pixels(best, size, table);
}

function thumbImage(bytes, size, table) {
  return pixels(Int16Array.from(bytes, (w, at) => (at % size > Math.floor(at / size) ? -1 : w)), size, table);
}

let scratch = null, scratchImage = null;                  // one for all: a head is drawn at once, and canvases are dear
function pixels(values, size, table) {
  if (!scratch || scratch.width !== size) {
    scratch = document.createElement("canvas");
    scratch.width = scratch.height = size;
    scratchImage = scratch.getContext("2d").createImageData(size, size);
  }
  const out = new Uint32Array(scratchImage.data.buffer);
  for (let i = 0; i < values.length; i++) out[i] = values[i] < 0 ? 0 : table[values[i]];     // the future stays clear
  scratch.getContext("2d").putImageData(scratchImage, 0, 0);
  return scratch;
}

function meanTriangle(list) {
  const sum = new Float32Array(list[0].length);
  for (const tri of list) for (let i = 0; i < sum.length; i++) sum[i] += tri[i];
  return Uint8Array.from(sum, (x) => Math.round(x / list.length));
}

// The keys a query looks at most, as [index, weight 0..1].
function strongest(row, count = 3) {
  return Array.from(row, (w, j) => [j, w / 255]).filter((x) => x[1] > 0.004).sort((a, b) => b[1] - a[1]).slice(0, count);
}

function rowOf(tri, i) { return tri.subarray(triangleLength(i), triangleLength(i) + i + 1); }

function looksAt(tokens, i, row, count = 3) {
  const top = strongest(row, count).map(([j, w]) => `${quoted(tokens[j])} ${percent(w)}`);
  return `${quoted(tokens[i])} looks at ` + (top.join(", ") || "nothing in particular");
}

// A row of tokens that can be chosen with the mouse or the keyboard; shade(weights) colours them.
function tokenStrip(label, tokens, onchoose, { limit = 160 } = {}) {
  const node = h("div", { class: "g2-tokens g2-strip", role: "group", "aria-label": label, dir: "auto" });
  let buttons = [], first = 0, chosen = -1;
  function build(around) {
    first = Math.max(0, Math.min(around - Math.floor(0.8 * limit), tokens.length - limit));      // mostly what it can look at
    const shown = tokens.slice(first, first + limit);
    buttons = shown.map((text, k) => h("button", {
      type: "button", class: "g2-token", tabindex: k ? -1 : 0, "data-at": first + k,
      onclick: () => onchoose(first + k), onmouseenter: () => onchoose(first + k, true),
    }, short(text, 24)));
    refill(node, first > 0 && h("span", { class: "g2-quiet" }, `${grouped(first)} earlier\u2026`), buttons,
      first + limit < tokens.length && h("span", { class: "g2-quiet" }, `\u2026${grouped(tokens.length - first - limit)} later`));
  }
  node.addEventListener("keydown", (event) => {
    const at = Number(event.target.dataset?.at), move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = event.key === "Home" ? 0 : event.key === "End" ? tokens.length - 1 : move ? at + move : NaN;
    if (!(next >= 0 && next < tokens.length)) return;
    event.preventDefault();
    onchoose(next);
    buttons[next - first]?.focus();
  });
  return {
    node,
    set(list) { tokens = list; chosen = -1; build(0); },
    shade(i, row) {
      if (i >= first + buttons.length || (first > 0 && i < first + 0.3 * limit)) build(i);
      chosen = i;
      buttons.forEach((b, k) => {
        const j = first + k, w = row && j < row.length ? row[j] / 255 : 0;
        b.classList.toggle("g2-chosen", j === i);
        b.tabIndex = j === i ? 0 : -1;
        b.setAttribute("aria-pressed", j === i);
        if (row && j < row.length) paint(b, w); else { b.style.backgroundColor = ""; b.style.color = ""; }
        b.title = row && j < row.length ? percent(w) : "";
      });
      const shown = buttons[i - first], top = shown ? shown.offsetTop : 0;
      if (shown && (top < node.scrollTop || top + shown.offsetHeight > node.scrollTop + node.clientHeight)) node.scrollTop = top - node.clientHeight / 2;
    },
    get chosen() { return chosen; },
  };
}
