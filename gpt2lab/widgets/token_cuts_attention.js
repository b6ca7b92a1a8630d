// One sentence, two cuts. Choosing a token in one cut marks the tokens that hold the same bytes in the other.

export default {
  render({ model, el }) {
    const live = !model.isStatic;
    const ui = frame(el, "One sentence, cut two ways", "Choose a token. The model can only look at whole tokens: what is one thing to look at in A is several in B.", live);
    const cleanups = [];
    const box = textBox("Your text", model.get("text"), { live, rows: 1, onchange: (v) => { model.set("text", v); model.save_changes(); } });
    const [L, H] = model.get("shape");
    let layer = "mean", head = "mean", spot = 0;                    // spot: the byte that both cuts point at
    const layerPick = choice("Layer", [["mean", "all, averaged"], ...[...Array(L).keys()].map((i) => [i, i])], "mean", (v) => { layer = v; paintAll(); });
    const headPick = choice("Head", [["mean", "all, averaged"], ...[...Array(H).keys()].map((i) => [i, i])], "mean", (v) => { head = v; paintAll(); });
    const key = legend("0 %", "most");
    put(ui.controls, box.node, layerPick.node, headPick.node, key.node);
    let views = [];

    function build() {
      const cuts = model.get("cuts");
      views = cuts.map((cut) => {
        const ends = [];
        let total = 0;
        for (const n of cut.lengths) ends.push(total += n);
        const strip = tokenStrip(`${cut.name}: tokens`, [], (i) => { spot = Math.max(0, ends[i] - 1); paintAll(); });
        strip.set(cut.tokens);
        const canvas = h("canvas", { role: "img", "aria-label": `Attention over the tokens of ${cut.name}` });
        const count = cut.tokens.length - 1;
        const view = { cut, ends, strip, canvas, T: cut.tokens.length };
        view.node = h("div", { class: "g2-cut-view" }, h("div", { class: "g2-row" }, h("strong", {}, cut.name),
          h("span", { class: "g2-label" }, `${count} tokens, ${count ? cut.bits.toFixed(2) : "\u2013"} bits per byte`)),
          strip.node, cut.note && h("p", { class: "g2-quiet" }, cut.note), h("div", { style: { height: "0.5rem" } }), canvas);
        canvas.addEventListener("click", (event) => {
          const r = canvas.getBoundingClientRect(), i = Math.floor(((event.clientY - r.top) / r.height) * view.T);
          spot = Math.max(0, ends[Math.max(0, Math.min(view.T - 1, i))] - 1);
          paintAll();
        });
        return view;
      });
      refill(ui.body, h("div", { class: "g2-columns" }, views.map((v) => v.node)),
        h("p", { class: "g2-quiet" }, "Bits per byte: how surprised the model is by the text in this cut. It was trained on cuts like A. \u201cstart\u201d is the end-of-text token that opens every document."));
      spot = Math.max(0, (views[0].ends.at(-1) || 1) - 1);
      paintAll();
    }
    function triangleFor(view) {
      const all = asBytes(view.cut.triangles), n = triangleLength(view.T);
      const layers = layer === "mean" ? [...Array(L).keys()] : [+layer], heads = head === "mean" ? [...Array(H).keys()] : [+head];
      return meanTriangle(layers.flatMap((l) => heads.map((hd) => all.subarray((l * H + hd) * n, (l * H + hd + 1) * n))));
    }
    function paintAll() {
      key.recolour();
      const table = palette("heat"), sentences = [];
      for (const view of views) {
        const tri = triangleFor(view), i = view.T === 1 ? 0 : Math.max(1, view.ends.findIndex((end, at) => at > 0 && end > spot));
        const row = rowOf(tri, i), most = Math.max(...row, 1);
        view.strip.shade(i, row.map((w) => Math.round((255 * w) / most)));
        const width = Math.max(120, Math.min(360, view.node.clientWidth || 320)), pitch = width / view.T;
        const c = fitCanvas(view.canvas, width, width), colours = inkColours(ui.root);
        let peak = 1;
        for (let q = 1; q < view.T; q++) for (let j = 1; j <= q; j++) peak = Math.max(peak, weightAt(tri, q, j));
        c.imageSmoothingEnabled = false;
        c.drawImage(headImage(tri.map((w) => Math.min(255, (w * 255) / peak)), view.T, table, 1024), 0, 0, width, width);
        c.strokeStyle = colours.line;
        c.strokeRect(0.5, 0.5, width - 1, width - 1);
        c.strokeStyle = colours.second;
        c.lineWidth = 2;
        c.strokeRect(1, i * pitch, (i + 1) * pitch, Math.max(2, pitch));
        sentences.push(`${view.cut.name.slice(0, 1)}: ${looksAt(view.cut.tokens, i, row, 2)}`);
      }
      ui.warn(model.get("message"));
      ui.say(sentences.join(". ") + ".");
    }
    cleanups.push(listen(model, ["cuts"], build));
    cleanups.push(listen(model, ["message"], () => ui.warn(model.get("message"))));
    cleanups.push(onTheme(paintAll));
    build();
    cleanups.push(onResize(ui.body, paintAll));
    return () => cleanups.forEach((f) => f());
  },
};
