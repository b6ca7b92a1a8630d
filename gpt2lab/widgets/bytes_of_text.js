// Characters, code points, UTF-8 bytes: a byte's first bits tell what it is.

export default {
  render({ model, el }) {
    const LIMIT = 60;
    const ui = frame(el, "The bytes of a text", "What you see as one character can be several code points, and each code point is one to four bytes. Choose a byte.");
    const box = textBox("Your text: letters, accents, emoji, any script", model.get("text"),
      { live: true, rows: 1, limit: 2000, onchange: (v) => { model.set("text", v); model.save_changes(); draw(); } });
    const samples = ["hello", "na\u00efve caf\u00e9", "\u0633\u0644\u0627\u0645", "\u4f60\u597d", "\u{1F44B}\u{1F3FD}", "\u{1F469}\u200d\u{1F680}", "e\u0301 \u00e9"];
    const tries = h("div", { class: "g2-row", role: "group", "aria-label": "Examples" },
      samples.map((s) => button(s, () => { box.box.value = s; model.set("text", s); model.save_changes(); draw(); }, { "aria-label": "Show the bytes of " + s })));
    put(ui.controls, box.node, tries);
    const facts = h("div", { class: "g2-facts" }), list = h("div", { class: "g2-glyphs" }), detail = h("div", { class: "g2-detail" });
    put(ui.body, facts, list, detail);

    const bits = (b) => b.toString(2).padStart(8, "0");
    function kind(b) {                       // [marker bits, what the byte says]
      if (b < 0x80) return [1, "a whole character by itself (ASCII)"];
      if (b < 0xc0) return [2, "the continuation of a character: 10 in front"];
      if (b < 0xe0) return [3, "the first of 2 bytes: 110 in front"];
      if (b < 0xf0) return [4, "the first of 3 bytes: 1110 in front"];
      return [5, "the first of 4 bytes: 11110 in front"];
    }
    function graphemes(text) {
      if (typeof Intl.Segmenter !== "function") return [...text];
      return Array.from(new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text), (s) => s.segment);
    }
    function draw() {
      const text = box.box.value, units = graphemes(text), points = [...text], encoder = new TextEncoder();
      refill(facts, [[units.length, "characters as read"], [points.length, "code points"], [encoder.encode(text).length, "UTF-8 bytes"]]
        .map(([n, name]) => h("div", { class: "g2-fact" }, h("b", {}, grouped(n)), h("span", {}, name))));
      let first = null, count = 0;
      const groups = [];
      for (const unit of units) {
        if (count >= LIMIT) break;
        groups.push(h("div", { class: "g2-glyph" }, h("div", { class: "g2-glyph-face", dir: "auto" }, unit.trim() === "" ? visible(unit) : unit),
          h("div", { class: "g2-points" }, [...unit].slice(0, LIMIT).map((point) => {
            count++;
            const code = point.codePointAt(0), alone = code >= 0xd800 && code <= 0xdfff;
            const bytes = alone ? [] : [...encoder.encode(point)];
            return h("div", { class: "g2-point" },
              h("code", {}, "U+" + code.toString(16).toUpperCase().padStart(4, "0")),
              alone ? h("span", { class: "g2-quiet" }, "half of a surrogate pair: no bytes") :
              h("div", { class: "g2-tokens" }, bytes.map((b, i) => {
                const node = button(b.toString(16).toUpperCase().padStart(2, "0"), () => tell(node, point, bytes, i),
                  { class: "g2-token g2-byte g2-c" + (b < 0x80 ? 0 : b < 0xc0 ? 4 : 1), "aria-label": `byte ${i + 1} of ${bytes.length}: ${b}` });
                node.addEventListener("mouseenter", () => tell(node, point, bytes, i));
                node.addEventListener("focus", () => tell(node, point, bytes, i));
                first ||= [node, point, bytes, i];
                return node;
              })));
          }))));
      }
      refill(list, groups);
      ui.whisper(points.length > count ? `Showing the first ${grouped(count)} of ${grouped(points.length)} code points.` : "");
      if (first) tell(...first); else { refill(detail); ui.say("No text, no bytes."); }
    }
    function tell(node, point, bytes, i) {
      for (const other of list.querySelectorAll(".g2-chosen")) other.classList.remove("g2-chosen");
      node.classList.add("g2-chosen");
      const b = bytes[i], [marker, meaning] = kind(b), code = point.codePointAt(0);
      const payload = bytes.map((x) => bits(x).slice(kind(x)[0] === 1 ? 1 : kind(x)[0])).join("");
      refill(detail, h("div", { class: "g2-row" },
        bytes.map((x, j) => { const m = kind(x)[0]; return h("code", { class: "g2-bits" + (j === i ? " g2-chosen" : "") }, h("span", { class: "g2-mark" }, bits(x).slice(0, m)), bits(x).slice(m)); })),
        h("p", { class: "g2-quiet" }, `The bits after the markers, put together: ${payload.replace(/^0+(?=.)/, "")} = ${code} = U+${code.toString(16).toUpperCase().padStart(4, "0")}.`));
      const alone = new TextDecoder().decode(new Uint8Array([b]));
      ui.say(`Byte ${b} is ${meaning}. Decoded alone it gives ${b < 0x80 ? quoted(alone) : "\u201c\ufffd\u201d: bytes of one character must stay together"}.`);
    }
    const undo = listen(model, ["text"], () => { if (box.box.value !== model.get("text")) { box.box.value = model.get("text"); draw(); } });
    draw();
    return undo;
  },
};
