// A text box the model goes on in: settings above, the stream below, shaded by the model's own probability.

export default {
  render({ model, el }) {
    const live = !model.isStatic, names = ["temperature", "top_k", "top_p", "repetition_penalty", "seed"];
    const ui = frame(el, `Type, and ${model.get("model_name")} goes on`, live ? "Stop typing and the model continues. Keep what it wrote, or change a setting and compare."
      : "The same prompt continued under different settings. Which one repeats itself, which one wanders off?", undefined);
    const cleanups = [], runs = model.get("examples");
    let shown = 1e9, timer = 0, run = runs[0];

    const box = textBox("Your text", model.get("prompt"), { live, onchange: () => { if (self.box.checked) wish(); } });
    const slide = (name, label, min, max, step, off) => slider(label, { min, max, step, value: model.get(name), say: (v) => off(v) || v.toFixed(2) },
      (v) => { model.set(name, v); wish(); }).node;
    const kBox = h("input", { type: "number", min: 0, step: 1, value: model.get("top_k") });
    kBox.addEventListener("input", () => { model.set("top_k", Math.max(0, Math.round(+kBox.value) || 0)); wish(); });
    const self = toggle("go on when I pause", true, () => {}), dice = toggle("another draw each time", false, () => {});
    const go = button("Continue", () => start(), { class: "g2-main" }), halt = button("Stop", () => { model.set("stop", model.get("stop") + 1); model.save_changes(); });
    const keep = button("Keep it", () => {
      box.box.value += model.get("tokens").join("");
      box.box.focus();
      box.box.setSelectionRange(box.box.value.length, box.box.value.length);
      start();
    });
    const wish = debounce(() => start(), 350);
    if (live) put(ui.controls, box.node, slide("temperature", "temperature", 0, 2, 0.05, (v) => (v ? "" : "0: the likeliest")), field("top-k (0: off)", kBox),
      slide("top_p", "top-p", 0.05, 1, 0.01, (v) => (v < 1 ? "" : "1: off")), slide("repetition_penalty", "repetition penalty", 1, 2, 0.05, (v) => (v > 1 ? "" : "1: off")),
      h("div", { class: "g2-row" }, go, halt, keep, self.node, dice.node));
    else put(ui.controls, box.node, choice("Settings", runs.map((r, i) => [i, called(r.settings)]), 0, (i) => { run = runs[+i]; play(); }).node, button("Watch it again", () => play()));

    const text = h("div", { class: "g2-tokens g2-writing", role: "group", "aria-label": "What the model wrote, token by token", dir: "auto", tabindex: 0 });
    const facts = h("div", { class: "g2-facts" }), key = legend("0 %", "100 %");
    put(ui.body, text, h("div", { class: "g2-row g2-label", style: { marginTop: "0.7rem" } }, "Shade: the model's own probability of the token.", key.node),
      h("div", { style: { height: "0.5rem" } }), facts);

    function called(s) {
      const parts = [s.temperature > 0 ? `temperature ${s.temperature}` : "greedy", s.top_k > 0 && `top-k ${s.top_k}`, s.top_p < 1 && `top-p ${s.top_p}`,
        s.repetition_penalty !== 1 && `penalty ${s.repetition_penalty}`, s.temperature > 0 && s.seed > 0 && `seed ${s.seed}`];
      return parts.filter(Boolean).join(", ");
    }
    function start() {
      model.set("prompt", box.box.value);
      if (dice.box.checked) model.set("seed", model.get("seed") + 1);
      model.set("run", model.get("run") + 1);
      model.save_changes();
    }
    box.box.addEventListener("keydown", (event) => {
      if (live && event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); start(); }
    });
    function play() {                                        // the page form: the same tokens once more, one after another
      clearInterval(timer);
      shown = calm() ? 1e9 : 0;
      draw();
      if (!calm()) timer = setInterval(() => { shown++; draw(); if (shown >= run.tokens.length) { clearInterval(timer); shown = 1e9; draw(); } }, 70);
    }
    cleanups.push(() => clearInterval(timer));
    const now = () => (live ? { tokens: model.get("tokens"), chances: model.get("chances"), times: model.get("times"), settings: Object.fromEntries(names.map((n) => [n, model.get(n)])) } : run);
    function draw() {
      const { tokens, chances, times, settings } = now(), busy = model.get("busy"), writing = shown < tokens.length;
      refill(text, tokens.slice(0, shown).map((t, i) => {
        const node = h("span", { class: "g2-token", title: chances[i] === undefined ? null : percent(chances[i]) }, visible(t));
        if (chances[i] !== undefined) paint(node, chances[i]); else node.classList.add("g2-new");
        return node;
      }));
      key.recolour();
      const speed = times.length > 1 ? (1000 * (times.length - 1)) / Math.max(1e-6, times[times.length - 1] - times[0]) : 0;
      const likely = chances.length ? Math.exp(chances.reduce((s, p) => s + Math.log(Math.max(p, 1e-12)), 0) / chances.length) : 0;
      refill(facts, [[grouped(Math.min(shown, tokens.length)), "tokens"], [times.length ? `${Math.round(times[0])} ms` : "\u2013", "to the first"], [speed ? grouped(speed) : "\u2013", "tokens a second after it"],
        [chances.length ? percent(likely) : "\u2013", "probability of a token (geometric mean)"]].map(([n, name]) => h("div", { class: "g2-fact" }, h("b", {}, n), h("span", {}, name))));
      halt.disabled = !busy;
      keep.disabled = busy || !tokens.length;
      ui.warn(model.get("message"));
      ui.say(busy || writing ? "Writing\u2026" : tokens.length ? `${called(settings)}: ${short(tokens.join(""), 300).replace(/\u00b7/g, " ")}` : "");
    }
    if (live) cleanups.push(listen(model, ["tokens", "chances", "busy", "message"], draw));
    else ui.whisper("This page holds these runs. Your own text needs the live notebook.");
    cleanups.push(onTheme(draw));
    draw();
    return () => cleanups.forEach((f) => f());
  },
};
