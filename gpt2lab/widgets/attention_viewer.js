// Every head at once, one head large, one token's row in the text.

export default {
  render({ model, el }) {
    const two = () => model.get("triangles").length === 2;
    const ui = frame(el, model.get("title"), "Each small square is one head: a row is a token, a column is where it looks. Choose a head, then a token.",
      !model.isStatic || model.get("text") === null);
    const cleanups = [];
    let tokens = [], T = 0, L = 0, H = 0, layer = 0, head = 0, query = 0, side = "0";

    const layerPick = choice("Layer", [], "", (v) => pick(+v, head));
    const headPick = choice("Head", [], "", (v) => pick(layer, +v));
    const sidePick = choice("Show", [], "0", (v) => { side = v; drawGrid(); drawHead(); });
    let box = null;
    if (model.get("text") !== null) {
      box = textBox("Your text", model.get("text"), { live: !model.isStatic, onchange: (v) => { model.set("text", v); model.save_changes(); } });
      put(ui.controls, box.node);
    }
    put(ui.controls, layerPick.node, headPick.node, sidePick.node);

    const grid = h("canvas", { tabindex: 0, role: "img" });
    const large = h("canvas", { tabindex: 0, role: "img" });
    const gridBox = h("div", { class: "g2-grid-box" }, h("div", { class: "g2-label" }, "All heads: one row a layer"), grid);
    const largeTitle = h("div", { class: "g2-label" });
    const key = legend("0", "1");
    const largeBox = h("div", {}, largeTitle, large, h("div", { class: "g2-row", style: { marginTop: "6px" } }, key.node));
    const strip = tokenStrip("Tokens: choose one to see where it looks", [], (i) => { query = i; drawHead(); });
    put(ui.body, h("div", { class: "g2-columns" }, gridBox, largeBox),
      h("div", { class: "g2-label", style: { marginTop: "0.8rem" } }, "The text: choose a token, the shade says how much it looks at each token before it"), strip.node);

    const store = headStore(model, (l, hd) => { if (l === layer && hd === head) drawHead(); });
    cleanups.push(store.close);

    function load() {
      store.forget();
      tokens = model.get("tokens");
      T = tokens.length;
      [L, H] = model.get("shape");
      [layer, head] = model.get("chosen");
      layer = Math.min(layer, L - 1);
      head = Math.min(head, H - 1);
      query = T - 1;
      refill(layerPick.select, [...Array(L).keys()].map((i) => h("option", { value: i }, `${i}`)));
      refill(headPick.select, [...Array(H).keys()].map((i) => h("option", { value: i }, `${i}`)));
      const names = model.get("names");
      refill(sidePick.select, [["0", names[0]], ["1", names[1]], ["d", "difference"]].map(([v, t]) => h("option", { value: v }, t)));
      sidePick.node.hidden = !two();
      if (!two()) side = "0";
      strip.set(tokens);
      drawGrid();
      pick(layer, head);
    }

    // -- the grid: drawn in slices and only while it can be seen, so that 144 heads never block the page
    let cell = 40, gap = 3, left = 18, seen = false, drawing = 0;
    function drawGrid() {
      const width = Math.max(160, gridBox.clientWidth || 400);
      gap = H > 8 ? 2 : 3;
      cell = Math.max(12, Math.min(58, Math.floor((width - left) / H) - gap));
      const c = fitCanvas(grid, left + H * (cell + gap), 16 + L * (cell + gap));
      const table = palette(side === "d" ? "difference" : "heat"), run = ++drawing, colours = inkColours(ui.root);
      c.imageSmoothingEnabled = true;
      c.fillStyle = colours.soft;
      c.font = "11px system-ui, sans-serif";
      c.textAlign = "center";
      for (let i = 0; i < H; i++) if (H <= 16 || i % 2 === 0) c.fillText(i, left + i * (cell + gap) + cell / 2, 11);
      c.textAlign = "right";
      for (let i = 0; i < L; i++) c.fillText(i, left - 4, 16 + i * (cell + gap) + cell / 2 + 4);
      let at = 0;
      const slice = () => {
        if (run !== drawing) return;
        const until = performance.now() + 12;
        for (; at < L * H && performance.now() < until; at++) drawCell(c, Math.floor(at / H), at % H, table, colours);
        if (at < L * H) requestAnimationFrame(slice); else { frameCell(); grid.dataset.drawn = L * H; }
      };
      if (seen) slice();
    }
    function smallImage(l, hd, table) {
      const sides = side === "d" ? [0, 1] : [+side], thumbed = model.get("thumbs")[0].byteLength > 0;
      const parts = sides.map((m) => (thumbed ? null : store.get(m, l, hd)));
      if (!thumbed) return side === "d" ? differenceImage(parts[0], parts[1], T, table, cell) : headImage(parts[0], T, table, Math.max(cell, 16));
      const S = model.get("thumb_size"), small = sides.map((m) => store.thumb(m, l, hd));
      if (side !== "d") return thumbImage(small[0], S, table);
      return thumbImage(small[0].map((v, i) => Math.round(127.5 + (v - small[1][i]) / 2)), S, table);
    }
    function drawCell(c, l, hd, table, colours) {
      const x = left + hd * (cell + gap), y = 16 + l * (cell + gap), image = smallImage(l, hd, table);
      c.imageSmoothingEnabled = image.width > cell;
      c.strokeStyle = colours.line;
      c.lineWidth = 1;
      c.strokeRect(x - 0.5, y - 0.5, cell + 1, cell + 1);
      c.drawImage(image, x, y, cell, cell);
    }
    let framed = null;
    function frameCell() {
      const c = grid.getContext("2d"), colours = inkColours(ui.root);
      const outline = (l, hd, colour, width) => {
        c.strokeStyle = colour;
        c.lineWidth = width;
        c.strokeRect(left + hd * (cell + gap) - 1, 16 + l * (cell + gap) - 1, cell + 2, cell + 2);
      };
      if (framed) { outline(...framed, colours.card, 3); outline(...framed, colours.line, 1); }
      outline(layer, head, colours.second, 3);
      framed = [layer, head];
    }
    const watch = new IntersectionObserver((entries) => {
      if (entries.some((e) => e.isIntersecting) && !seen) { seen = true; drawGrid(); }
    });
    watch.observe(grid);
    cleanups.push(() => watch.disconnect());

    function pick(l, hd) {
      layer = Math.max(0, Math.min(L - 1, l));
      head = Math.max(0, Math.min(H - 1, hd));
      layerPick.select.value = layer;
      headPick.select.value = head;
      if (!model.isStatic) { model.set("chosen", [layer, head]); model.save_changes(); }
      if (seen) frameCell();
      drawHead();
      store.ask((two() ? [0, 1] : [0]).map((m) => [m, layer, head]));
    }
    const at = (event) => {
      const box = grid.getBoundingClientRect(), scale = grid.clientWidth / box.width || 1;
      return [Math.floor(((event.clientY - box.top) * scale - 16) / (cell + gap)), Math.floor(((event.clientX - box.left) * scale - left) / (cell + gap))];
    };
    grid.addEventListener("click", (event) => {
      const [l, hd] = at(event);
      if (l >= 0 && l < L && hd >= 0 && hd < H) pick(l, hd);
    });
    grid.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (step) { event.preventDefault(); pick(layer + step[0], head + step[1]); }
    });

    // -- one head, large
    let pitch = 1;
    function drawHead() {
      const width = Math.max(180, Math.min(520, largeBox.clientWidth || 420));
      const sides = side === "d" ? [0, 1] : [+side], parts = sides.map((m) => store.get(m, layer, head));
      const whole = parts.every(Boolean), table = palette(side === "d" ? "difference" : "heat");
      const image = (dots) => (!whole ? smallImage(layer, head, table) : side === "d" ? differenceImage(parts[0], parts[1], T, table, dots) : headImage(parts[0], T, table, dots));
      pitch = largeHead(large, { tokens, query, width, colours: inkColours(ui.root), image, whole }).pitch;
      const names = model.get("names"), what = side === "d" ? `, ${names[0]} minus ${names[1]}` : two() ? `, ${names[+side]}` : "";
      largeTitle.textContent = `Layer ${layer}, head ${head}${what}`;
      key.set(side === "d" ? "\u22121" : "0", side === "d" ? "+1" : "1", side === "d" ? "difference" : "heat");
      ui.warn(model.get("message"));
      if (!whole) {
        strip.shade(query, null);
        ui.say(model.isStatic ? "This head is shown as a small picture: its numbers are in the live notebook." : "Fetching this head\u2026");
        large.setAttribute("aria-label", `Layer ${layer}, head ${head}, as a small picture`);
        return;
      }
      if (side === "d") {
        const a = rowOf(parts[0], query), b = rowOf(parts[1], query);
        const gaps = Array.from(a, (w, j) => [j, (w - b[j]) / 255]).sort((x, y) => Math.abs(y[1]) - Math.abs(x[1])).slice(0, 3);
        strip.shade(query, a.map((w, j) => Math.abs(w - b[j])));
        ui.say(`Layer ${layer}, head ${head}: ${quoted(tokens[query])} differs most on ` +
          gaps.map(([j, d]) => `${quoted(tokens[j])} ${d >= 0 ? "+" : "\u2212"}${percent(Math.abs(d))}`).join(", ") + ".");
      } else {
        strip.shade(query, rowOf(parts[0], query));
        ui.say(`Layer ${layer}, head ${head}: ${looksAt(tokens, query, rowOf(parts[0], query))}.`);
      }
      large.setAttribute("aria-label", ui.spoken.textContent);
    }
    rowsChosen(large, () => ({ pitch, query, count: T }), (i) => { query = i; drawHead(); });

    grid.setAttribute("aria-label", "Small pictures of every head. Arrow keys choose a head; the Layer and Head menus do the same.");
    cleanups.push(onResize(ui.body, () => { drawGrid(); drawHead(); }));
    cleanups.push(onTheme(() => { drawGrid(); drawHead(); }));
    cleanups.push(listen(model, ["tokens"], load));
    cleanups.push(listen(model, ["message"], () => ui.warn(model.get("message"))));
    load();
    return () => cleanups.forEach((f) => f());
  },
};
