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
function differenceImage(a, b, T, table, maximum) { return signedImage(a.map((w, at) => Math.round(127.5 + (w - b[at]) / 2)), T, table, maximum); }

// A triangle of signed numbers around 127.5; of those that share a pixel the one furthest from it is kept.
function signedImage(tri, T, table, maximum) {
  const step = Math.max(1, Math.ceil(T / maximum)), size = Math.ceil(T / step);
  const best = new Int16Array(size * size).fill(-1);
  for (let i = 0, at = 0; i < T; i++) {
    const row = Math.floor(i / step) * size;
    for (let j = 0; j <= i; j++, at++) {
      const cell = row + Math.floor(j / step);
      if (best[cell] < 0 || Math.abs(tri[at] - 127.5) > Math.abs(best[cell] - 127.5)) best[cell] = tri[at];
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

// Where the heads of a widget come from: all here, sent with the page, or asked of the kernel; arrived(layer, head) tells.
function headStore(model, arrived) {
  const cache = new Map(), asked = new Set();
  let generation = 0;
  const sizes = () => [triangleLength(model.get("tokens").length), model.get("shape")[1]];
  function get(m, l, hd) {
    const all = asBytes(model.get("triangles")[m]), [n, H] = sizes();
    if (all.length) return all.subarray((l * H + hd) * n, (l * H + hd + 1) * n);
    const sent = model.get("heads")[m]?.[l + "," + hd];
    if (sent) return asBytes(sent);
    return cache.get(`${m},${l},${hd}`) || null;
  }
  const ask = debounce((wanted) => {                        // [model, layer, head], ...
    for (const one of wanted) {
      const name = one.join(",");
      if (get(...one) || asked.has(name)) continue;
      asked.add(name);
      model.send({ want: "head", model: one[0], layer: one[1], head: one[2] });
    }
  }, 60);
  const onMessage = async (content, buffers) => {
    if (!content.head) return;
    const [m, l, hd] = content.head, born = generation;
    const raw = await inflate(asBytes(buffers[0]));
    asked.delete(content.head.join(","));
    if (born !== generation || raw.length !== sizes()[0]) return;
    if (cache.size > 48) cache.delete(cache.keys().next().value);            // about 25 MB at 1,024 tokens
    cache.set(`${m},${l},${hd}`, raw);
    arrived(l, hd);
  };
  model.on("msg:custom", onMessage);
  return {
    get, ask,
    thumb(m, l, hd) {                                      // its small picture, where the heads themselves do not travel
      const S = model.get("thumb_size"), n = S * S, at = (l * sizes()[1] + hd) * n;
      return asBytes(model.get("thumbs")[m]).subarray(at, at + n);
    },
    forget() { generation++; cache.clear(); asked.clear(); },
    close() { model.off("msg:custom", onMessage); },
  };
}

// One head, large, with the tokens' names where they have room and a frame around the query's row. image(dots) draws it with
// at most that many pixels along a side; whole: it does so token by token. Returns the width of the names and of a token.
function largeHead(canvas, { tokens, query, width, colours, image, whole, names = 32 }) {
  const T = tokens.length, named = T <= names, margin = named ? Math.min(92, width * 0.24) : 6, pitch = Math.min(34, (width - margin - 4) / T), span = pitch * T;
  const c = fitCanvas(canvas, margin + span + 4, span + 6), dots = Math.max(64, Math.ceil(span * Math.min(3, window.devicePixelRatio || 1)));
  const picture = image(dots), drawn = whole ? picture.width * Math.max(1, Math.ceil(T / dots)) * pitch : span;    // the last pixel may cover less
  c.imageSmoothingEnabled = false;
  c.drawImage(picture, margin, 2, drawn, drawn);
  c.strokeStyle = colours.line;
  c.beginPath();
  c.moveTo(margin, 2); c.lineTo(margin, 2 + span); c.lineTo(margin + span, 2 + span); c.stroke();
  if (named) {
    c.textAlign = "right";
    c.font = `${Math.max(9, Math.min(13, pitch * 0.7))}px ui-monospace, "DejaVu Sans Mono", monospace`;
    tokens.forEach((t, i) => {
      c.fillStyle = i === query ? colours.second : colours.ink;
      c.fillText(short(t, 11), margin - 6, 2 + (i + 0.5) * pitch + 4, margin - 8);
    });
  }
  c.strokeStyle = colours.second;
  c.lineWidth = 2;
  c.strokeRect(margin, 2 + query * pitch, Math.max(2, (query + 1) * pitch), Math.max(2, pitch));
  return { margin, pitch };
}

// A large head's rows are chosen by mouse, touch and arrow keys; place() -> { pitch, query, count }.
function rowsChosen(canvas, place, choose) {
  const byMouse = (event) => {
    const { pitch, query, count } = place(), i = Math.floor((event.clientY - canvas.getBoundingClientRect().top - 2) / pitch);
    if (i >= 0 && i < count && i !== query) choose(i);
  };
  canvas.addEventListener("mousemove", debounce(byMouse, 8));
  canvas.addEventListener("click", byMouse);
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key], { query, count } = place();
    if (step) { event.preventDefault(); choose(Math.max(0, Math.min(count - 1, query + step))); }
  });
}

// A number for every head, layers by heads: cells to click, arrow keys to move.
function scoreCells(width, H) {
  const left = 20, top = 16, cellW = Math.max(7, Math.min(44, (Math.max(140, width) - left) / H));
  return { left, top, cellW, cellH: Math.max(7, Math.min(28, cellW)) };
}

function drawScores(canvas, { L, H, values, layer, head, width, colours, shade = (v) => v, say = (v) => v.toFixed(2).replace(/^0/, "") }) {
  const g = scoreCells(width, H), c = fitCanvas(canvas, g.left + H * g.cellW + 2, g.top + L * g.cellH + 2);
  c.font = "11px system-ui, sans-serif";
  c.textAlign = "center";
  c.textBaseline = "middle";
  for (let l = 0; l < L; l++) for (let hd = 0; hd < H; hd++) {
    const v = values[l * H + hd], x = g.left + hd * g.cellW, y = g.top + l * g.cellH, rgb = heat(shade(v));
    c.fillStyle = `rgb(${rgb.join(",")})`;
    c.fillRect(x, y, g.cellW - 1, g.cellH - 1);
    if (g.cellW >= 26) { c.fillStyle = inkOn(rgb); c.fillText(say(v), x + g.cellW / 2, y + g.cellH / 2, g.cellW - 3); }
  }
  c.fillStyle = colours.soft;
  for (let hd = 0; hd < H; hd++) if (g.cellW >= 16 || hd % 4 === 0) c.fillText(hd, g.left + (hd + 0.5) * g.cellW, 8);
  for (let l = 0; l < L; l++) if (g.cellH >= 12 || l % 4 === 0) c.fillText(l, 9, g.top + (l + 0.5) * g.cellH);
  c.strokeStyle = colours.second;
  c.lineWidth = 3;
  c.strokeRect(g.left + head * g.cellW, g.top + layer * g.cellH, g.cellW - 1, g.cellH - 1);
}

function scoresChosen(canvas, place, choose) {              // place() -> { L, H, layer, head, width }
  canvas.addEventListener("click", (event) => {
    const { L, H, width } = place(), r = canvas.getBoundingClientRect(), g = scoreCells(width, H);
    const l = Math.floor((event.clientY - r.top - g.top) / g.cellH), hd = Math.floor((event.clientX - r.left - g.left) / g.cellW);
    if (l >= 0 && l < L && hd >= 0 && hd < H) choose(l, hd);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key], { layer, head } = place();
    if (step) { event.preventDefault(); choose(layer + step[0], head + step[1]); }
  });
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
