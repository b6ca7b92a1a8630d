// A list of tensors; of the chosen one its place in the file, its spread, a picture and a corner of its numbers.

function bytesOf(n) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) if (n >= size) return (n / size).toFixed(n / size < 10 ? 2 : n / size < 100 ? 1 : 0) + " " + unit;
  return n + " B";
}
const few = (x) => (x === 0 ? "0" : Math.abs(x) >= 1e4 || Math.abs(x) < 1e-3 ? x.toExponential(1) : x.toPrecision(3)).replace("-", "\u2212").replace("e-", "e\u2212");

export default {
  render({ model, el }) {
    const live = !model.isStatic;
    const ui = frame(el, `The tensors of ${model.get("source")}`, "Which few hold most of the numbers? Which look like noise, which have stripes, and which are nowhere near zero?", undefined);
    const cleanups = [], all = model.get("tensors"), files = model.get("files"), sizeOf = (t) => t.shape.reduce((a, b) => a * b, 1);
    const longest = Math.max(...all.map((t) => t.name.length)), total = all.reduce((s, t) => s + sizeOf(t), 0);

    const filter = h("input", { type: "text", placeholder: "for instance h.0. or c_proj", spellcheck: "false" });
    const list = h("select", { size: 20, class: "g2-names" });
    const found = h("div", { class: "g2-label" });
    const listField = field("Tensors, in the order of the file", list, found);
    filter.addEventListener("input", fill);
    list.addEventListener("change", () => select(list.value));
    const title = h("code", { class: "g2-tensor-name" }), facts = h("div", { class: "g2-facts" });
    const strip = h("canvas", { role: "img", class: "g2-file" }), stripText = h("div", { class: "g2-label" });
    const map = h("canvas", { role: "img" }), key = legend("", "", "difference"), mapText = h("div", { class: "g2-label" });
    const histogram = svg("svg", { class: "g2-chart", role: "img" });
    const numbers = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "Some of its numbers" });
    put(ui.body, h("div", { class: "g2-columns" },
      h("div", { class: "g2-browse" }, field("Show names that contain", filter), listField),
      h("div", { class: "g2-sight" }, title, facts, all.some((t) => t.end > t.begin) ? h("div", {}, strip, stripText) : null,
        h("div", { class: "g2-columns", style: { marginTop: "0.6rem" } }, h("div", {}, mapText, map, key.node), h("div", {}, h("div", { class: "g2-label" }, "How the numbers are spread, and a bell of the same width"), histogram)), numbers)));

    function fill() {
      const wanted = filter.value.trim().toLowerCase(), shown = all.filter((t) => t.name.toLowerCase().includes(wanted));
      refill(list, shown.map((t) => h("option", { value: t.name }, t.name.padEnd(longest + 1, "\u00a0") + " " + (t.shape.join("\u00d7") || "one"))));
      if (shown.some((t) => t.name === model.get("selected"))) list.value = model.get("selected");
      const part = shown.reduce((s, t) => s + sizeOf(t), 0);
      found.textContent = `${shown.length} of ${all.length} tensors, ${grouped(part)} of ${grouped(total)} numbers (${percent(total ? part / total : 0)})`;
    }
    function select(name) {
      if (!name) return;
      model.set("selected", name);
      if (live) model.set("corner", [0, 0]);
      model.save_changes();
      if (!live) draw();
    }
    const card = () => (live ? model.get("card") : model.get("cards")[model.get("selected")]);

    function drawStrip(own) {
      const size = files[own.file];
      if (!size || own.end <= own.begin) return;
      const width = Math.max(200, strip.parentNode.clientWidth), c = fitCanvas(strip, width, 18), colours = inkColours(ui.root), x = (n) => (n / size) * width;
      const mine = all.filter((t) => t.file === own.file);
      c.fillStyle = colours.second;                        // the header: everything before the first tensor
      c.fillRect(0, 0, Math.max(2, x(Math.min(...mine.map((t) => t.begin)))), 18);
      mine.forEach((t, i) => { c.fillStyle = i % 2 ? colours.line : colours.soft; c.globalAlpha = i % 2 ? 1 : 0.45; c.fillRect(x(t.begin), 0, x(t.end - t.begin), 18); });
      c.globalAlpha = 1;
      c.fillStyle = colours.accent;
      c.fillRect(Math.min(width - 3, x(own.begin)), 0, Math.max(3, x(own.end - own.begin)), 18);
      stripText.textContent = `${own.file}, ${bytesOf(size)}: this tensor is bytes ${grouped(own.begin)} to ${grouped(own.end)}.`;
      strip.setAttribute("aria-label", stripText.textContent);
    }
    function drawMap(one) {
      const [r, c] = one.cells, bytes = new Int8Array(asBytes(one.picture).slice().buffer), room = Math.max(160, Math.min(340, map.parentNode.clientWidth));
      const colours = inkColours(ui.root);
      if (r === 1) {                                       // a vector: a bar for each cell
        const height = 120, context = fitCanvas(map, room, height), wide = room / c;
        context.strokeStyle = colours.line;
        context.strokeRect(0.5, 0.5, room - 1, height - 1);
        context.fillStyle = colours.accent;
        const base = bytes.every((b) => b >= 0) ? height - 2 : bytes.every((b) => b <= 0) ? 2 : height / 2, reach = base === height / 2 ? height / 2 - 2 : height - 4;
        for (let i = 0; i < c; i++) context.fillRect(i * wide, Math.min(base, base - (bytes[i] / 127) * reach), Math.max(1, wide - (wide > 4 ? 1 : 0)), Math.abs((bytes[i] / 127) * reach));
        context.fillStyle = colours.second;
        context.fillRect(0, base - 0.5, room, 1);
      } else {
        const height = Math.round(Math.max(room / 2.5, Math.min(1.3 * room, (room * one.lies[0]) / one.lies[1]))), context = fitCanvas(map, room, height);
        for (let i = 0; i < r; i++) for (let j = 0; j < c; j++) {
          context.fillStyle = `rgb(${signed(bytes[i * c + j] / 127).join(",")})`;
          context.fillRect(Math.floor((j * room) / c), Math.floor((i * height) / r), Math.ceil(room / c), Math.ceil(height / r));
        }
      }
      key.node.hidden = r === 1;
      key.set(few(-one.peak), few(one.peak), "difference");
      const [R, C] = one.lies, per = Math.ceil(R / r) * Math.ceil(C / c);
      mapText.textContent = (r === 1 ? `Its ${grouped(C)} numbers, orange is 0` : `Rows down, columns across`) + (per > 1 ? `; a ${r === 1 ? "bar" : "cell"} is the mean of about ${grouped((R * C) / (r * c))}.` : ".");
      map.setAttribute("aria-label", `Picture of ${one.name}, ${one.shape.join(" by ")}. ${mapText.textContent} The largest is ${few(one.peak)} from 0.`);
    }
    function drawHistogram(one) {
      const wide = Math.max(200, histogram.parentNode.clientWidth), high = 150, bottom = high - 20, most = Math.max(...one.counts), k = one.counts.length, step = wide / k;
      histogram.setAttribute("viewBox", `0 0 ${wide} ${high}`);
      const sum = one.counts.reduce((a, b) => a + b, 0), y = (n) => bottom - (n / most) * (bottom - 6);
      const bell = one.counts.map((_, i) => { const z = (((i + 0.5) / k) * 2 - 1) * (one.reach / (one.std || 1)); return sum * ((2 * one.reach) / k / (one.std || 1)) * Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI); });
      refill(histogram, one.counts.map((n, i) => svg("rect", { x: i * step + 0.5, y: y(n), width: Math.max(0.5, step - 1), height: bottom - y(n), class: "g2-count" })),
        one.std > 0 ? svg("path", { d: bell.map((n, i) => `${i ? "L" : "M"}${(i + 0.5) * step} ${Math.max(2, y(n))}`).join(""), class: "g2-mean" }) : null,
        [[0, "start"], [0.5, "middle"], [1, "end"]].map(([f, anchor]) => svg("text", { x: f * wide, y: high - 4, "text-anchor": anchor, class: "g2-tick" }, few(one.mean + (2 * f - 1) * one.reach))));
      histogram.setAttribute("aria-label", `Histogram of ${one.name}: mean ${few(one.mean)}, standard deviation ${few(one.std)}; line: a bell of the same mean and spread. The outermost bars hold everything beyond.`);
    }
    function drawNumbers(one) {
      const [r, c] = one.corner, heads = one.numbers[0].map((_, j) => h("th", { scope: "col" }, c + j));
      refill(numbers, h("div", { class: "g2-label" }, live && (one.lies[0] > 6 || one.lies[1] > 6) ? "The numbers themselves; click the picture to see others" : "The first numbers themselves"),
        h("table", { class: "g2-matrix g2-numbers" }, h("thead", {}, h("tr", {}, h("th", {}, h("span", { class: "g2-hidden" }, "row")), heads)),
          h("tbody", {}, one.numbers.map((row, i) => h("tr", {}, h("th", { scope: "row" }, r + i), row.map((x) => h("td", {}, x)))))));
    }
    map.addEventListener("click", (event) => {
      if (!live) return;
      const box = map.getBoundingClientRect(), [R, C] = card().lies;
      model.set("corner", [Math.floor(((event.clientY - box.top) / box.height) * R), Math.floor(((event.clientX - box.left) / box.width) * C)]);
      model.save_changes();
    });
    function draw() {
      const name = model.get("selected"), own = all.find((t) => t.name === name), one = card();
      if (list.value !== name) fill();
      ui.warn(model.get("message"));
      title.textContent = name;
      if (own) drawStrip(own);
      const known = one && one.name === name && !one.empty;
      for (const node of [facts, map, key.node, mapText, histogram, numbers]) node.hidden = !known;
      if (!one) { ui.say(`${name}: this page does not hold its picture. The live notebook shows every tensor.`); return; }
      if (one.name !== name) return;                       // the kernel's answer is on its way
      if (one.empty) { ui.say(`${name} holds no finite number.`); return; }
      const bytes = own.end > own.begin ? own.end - own.begin : null;
      refill(facts, [[one.shape.join(" \u00d7 ") || "1", "shape"], [grouped(sizeOf(own)), "numbers"], [own.dtype, bytes ? bytesOf(bytes) : "type"], [few(one.mean), "mean"], [few(one.std), "standard deviation"], [`${few(one.low)} to ${few(one.high)}`, "smallest to largest"],
        one.bad ? [grouped(one.bad), "NaN or infinite!"] : null, one.zeros ? [grouped(one.zeros), "exactly 0"] : null].filter(Boolean).map(([v, label]) => h("div", { class: "g2-fact" }, h("b", {}, v), h("span", {}, label))));
      drawMap(one);
      drawHistogram(one);
      drawNumbers(one);
      ui.say(`${name}: ${one.shape.join(" by ") || "one number"}, mean ${few(one.mean)}, standard deviation ${few(one.std)}, from ${few(one.low)} to ${few(one.high)}${one.bad ? `; ${grouped(one.bad)} numbers are NaN or infinite` : ""}.`);
    }
    if (live) cleanups.push(listen(model, ["card", "message"], draw));
    else {
      const held = Object.keys(model.get("cards")).length;
      ui.whisper(held < all.length ? `This page holds the pictures of ${held} of ${all.length} tensors; the live notebook shows all.` : "");
    }
    cleanups.push(onTheme(draw), onResize(ui.body, draw));
    fill();
    draw();
    return () => cleanups.forEach((f) => f());
  },
};
