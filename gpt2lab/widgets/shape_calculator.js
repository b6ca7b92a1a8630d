// Shapes, parameters, memory and work of a GPT-2: arithmetic only, so it runs anywhere.

const FIELDS = { n_layer: ["layers", 1, 96], n_head: ["heads", 1, 128], n_embd: ["channels C", 1, 16384],
  n_positions: ["positions", 1, 131072], vocab_size: ["vocabulary V", 1, 1000000] };

function parameterRows({ n_layer: L, n_embd: C, n_positions: P, vocab_size: V }) {
  // [part, name, how many times, shape in letters, shape]
  return [["embeddings", "wte.weight", 1, "(V, C)", [V, C]], ["embeddings", "wpe.weight", 1, "(P, C)", [P, C]],
    ["norms", "ln_1.weight, ln_1.bias", 2 * L, "(C,)", [C]],
    ["attention", "attn.c_attn.weight", L, "(3C, C)", [3 * C, C]], ["attention", "attn.c_attn.bias", L, "(3C,)", [3 * C]],
    ["attention", "attn.c_proj.weight", L, "(C, C)", [C, C]], ["attention", "attn.c_proj.bias", L, "(C,)", [C]],
    ["norms", "ln_2.weight, ln_2.bias", 2 * L, "(C,)", [C]],
    ["MLP", "mlp.c_fc.weight", L, "(4C, C)", [4 * C, C]], ["MLP", "mlp.c_fc.bias", L, "(4C,)", [4 * C]],
    ["MLP", "mlp.c_proj.weight", L, "(C, 4C)", [C, 4 * C]], ["MLP", "mlp.c_proj.bias", L, "(C,)", [C]],
    ["norms", "ln_f.weight, ln_f.bias", 2, "(C,)", [C]]];
}
const sizeOf = ([, , times, , shape]) => shape.reduce((a, b) => a * b, times);

function activationRows({ n_layer: L, n_head: H, n_embd: C, vocab_size: V }, B, T) {
  const d = C / H;
  return [["token ids", "(B, T)", [B, T], 1, "enter"], ["residual stream", "(B, T, C)", [B, T, C], 1, "one after each block"],
    ["q, k, v", "(B, H, T, d), three times", [B, H, T, d], 3, "in each block"], ["attention weights", "(B, H, T, T)", [B, H, T, T], 1, "in each block, if kept: grows with T\u00b2"],
    ["MLP, inside", "(B, T, 4C)", [B, T, 4 * C], 1, "in each block"], ["logits", "(B, T, V)", [B, T, V], 1, "leave"],
    ["KV cache", "2 L (B, H, T, d)", [B, H, T, d], 2 * L, "while generating"]];
}

function bytesText(n) {
  for (const [unit, size] of [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) if (n >= size) return (n / size).toFixed(n / size < 10 ? 2 : n / size < 100 ? 1 : 0) + " " + unit;
  return n + " B";
}
function countText(n) {
  for (const [unit, size] of [["thousand billion", 1e12], ["billion", 1e9], ["million", 1e6]]) if (n >= size) return (n / size).toFixed(n / size < 10 ? 2 : n / size < 100 ? 1 : 0) + " " + unit;
  return grouped(n);
}

export default {
  render({ model, el }) {
    const ui = frame(el, "How large is a GPT-2?", "Double the channels: does the model double? Double the length: which row grows fourfold?");
    const cleanups = [], sizes = model.get("sizes"), inputs = {};
    const preset = choice("Size", [...Object.keys(sizes).map((n) => [n, n]), ["own", "your own"]], "own", (name) => {
      if (sizes[name]) { model.set("config", { ...sizes[name] }); model.save_changes(); fill(); draw(); }
    });
    for (const [name, [label, low, high]] of Object.entries(FIELDS))
      inputs[name] = h("input", { type: "number", min: low, max: high, step: 1 });
    const batch = h("input", { type: "number", min: 1, max: 65536, step: 1, value: model.get("batch") });
    const length = h("input", { type: "number", min: 1, step: 1, value: model.get("length") });
    const width = choice("A number takes", [[4, "4 bytes (float32)"], [2, "2 bytes (float16, bfloat16)"], [1, "1 byte (int8)"]], model.get("width"), (v) => { model.set("width", +v); model.save_changes(); draw(); });
    put(ui.controls, preset.node, Object.entries(FIELDS).map(([name, [label]]) => field(label, inputs[name])), field("batch B", batch), field("length T", length), width.node);
    for (const [name, input] of Object.entries(inputs)) input.addEventListener("input", () => { model.set("config", { ...model.get("config"), [name]: Math.round(+input.value) }); model.save_changes(); draw(); });
    for (const [name, input] of [["batch", batch], ["length", length]]) input.addEventListener("input", () => { model.set(name, Math.round(+input.value)); model.save_changes(); draw(); });

    const facts = h("div", { class: "g2-facts" }), bar = h("div", { class: "g2-stack", role: "img" }), names = h("div", { class: "g2-row" });
    const learned = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "Learned tensors" });
    const flowing = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "Tensors of one forward pass" });
    put(ui.body, facts, bar, names, h("div", { class: "g2-columns g2-tables", style: { marginTop: "0.8rem" } },
      h("div", {}, h("strong", {}, "What the model learns"), learned), h("div", {}, h("strong", {}, "What flows through it"), flowing)));

    function fill() {
      const config = model.get("config");
      for (const name of Object.keys(FIELDS)) inputs[name].value = config[name];
    }
    function problem(config) {
      for (const [name, [label, low, high]] of Object.entries(FIELDS))
        if (!(Number.isFinite(config[name]) && config[name] >= low && config[name] <= high)) return `${label}: give a whole number from ${grouped(low)} to ${grouped(high)}.`;
      if (config.n_embd % config.n_head) return `${config.n_embd} channels cannot be split into ${config.n_head} equal heads: C must be a multiple of the number of heads.`;
      const B = model.get("batch"), T = model.get("length");
      if (!(B >= 1 && B <= 65536)) return "batch B: give a whole number from 1 to 65,536.";
      if (!(T >= 1 && T <= config.n_positions)) return `length T: this model has ${grouped(config.n_positions)} positions, so 1 to ${grouped(config.n_positions)}.`;
      return "";
    }
    function draw() {
      const config = model.get("config"), trouble = problem(config);
      const known = Object.entries(sizes).find(([, s]) => Object.keys(FIELDS).every((f) => s[f] === config[f]));
      preset.select.value = known ? known[0] : "own";
      ui.warn(trouble);
      if (trouble) { ui.say(trouble); return; }
      const B = model.get("batch"), T = model.get("length"), bytes = model.get("width"), { n_layer: L, n_embd: C, n_head: H, vocab_size: V } = config;
      const rows = parameterRows(config), total = rows.reduce((sum, r) => sum + sizeOf(r), 0);
      const work = B * (T * (24 * L * C * C + 2 * V * C) + 4 * L * T * T * C);
      refill(facts, [[grouped(total), "parameters"], [bytesText(total * bytes), "of weights"], [bytesText(total * 16), "to train (float32 AdamW: weights, gradients, 2 moments)"],
        [bytesText(2 * L * B * T * C * bytes), "of KV cache"], [countText(work), "operations for one forward pass"], [String(C / H), "channels d of a head"]]
        .map(([n, name]) => h("div", { class: "g2-fact" }, h("b", {}, n), h("span", {}, name))));
      const parts = {};
      for (const r of rows) parts[r[0]] = (parts[r[0]] || 0) + sizeOf(r);
      const shares = Object.entries(parts).map(([name, n]) => [name, n / total]);
      refill(bar, shares.map(([name, share], i) => h("span", { class: `g2-part g2-p${i}`, style: { width: 100 * share + "%" } })));
      refill(names, shares.map(([name, share], i) => h("span", { class: "g2-row" }, h("span", { class: `g2-swatch g2-p${i}`, "aria-hidden": "true" }), `${name} ${percent(share)}`)));
      bar.setAttribute("aria-label", "Where the parameters are: " + shares.map(([name, s]) => `${name} ${percent(s)}`).join(", "));
      const table = (head, body) => h("table", { class: "g2-table" }, h("thead", {}, h("tr", {}, head.map((t, i) => h("th", { scope: "col", class: i === head.length - 1 ? "g2-num" : null }, t)))), h("tbody", {}, body));
      refill(learned, table(["tensor", "shape", "parameters"], [...rows.map((r) => h("tr", {},
        h("th", { scope: "row" }, h("code", {}, r[1])), h("td", {}, r[2] > 1 ? `${r[2]} \u00d7 ` : "", h("code", {}, `(${r[4].join(", ")}${r[4].length === 1 ? "," : ""})`), h("div", { class: "g2-label" }, r[3])), h("td", { class: "g2-num" }, grouped(sizeOf(r))))),
        h("tr", {}, h("th", { scope: "row" }, h("code", {}, "lm_head")), h("td", {}, "is wte itself"), h("td", { class: "g2-num" }, "0")),
        h("tr", {}, h("th", { scope: "row" }, "all"), h("td", {}), h("td", { class: "g2-num" }, h("strong", {}, grouped(total))))]));
      refill(flowing, table(["tensor", "shape", "size"], activationRows(config, B, T).map(([name, letters, shape, times, where], i) => h("tr", {},
        h("th", { scope: "row" }, name, h("div", { class: "g2-label" }, where)), h("td", {}, h("code", {}, `(${shape.join(", ")})`), h("div", { class: "g2-label" }, letters)),
        h("td", { class: "g2-num" }, bytesText(shape.reduce((a, b) => a * b, times) * (i === 0 ? 8 : bytes)))))));
      ui.say(`${known ? known[0] : "Your model"}: ${grouped(total)} parameters, ${bytesText(total * bytes)}.`);
    }
    cleanups.push(listen(model, ["config", "batch", "length"], () => {
      if (!ui.root.contains(document.activeElement)) { fill(); batch.value = model.get("batch"); length.value = model.get("length"); }
      draw();
    }));
    fill();
    draw();
    return () => cleanups.forEach((f) => f());
  },
};
