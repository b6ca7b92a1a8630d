// What each setting does to the next token's probabilities, and why a token died: computed here, so a slider answers at once.

// The rules of gpt2lab.sampling.next_token_probs, in its order: penalty, temperature, top-k, top-p.
// Returns tokens best first with their chance before the cuts, after them, and what ended them.
function nextTokens(logits, { temperature, top_k, top_p, repetition_penalty, prev_ids }) {
  const scores = Float64Array.from(logits), plain = softmaxOf(scores);
  for (const id of new Set(prev_ids)) scores[id] = scores[id] > 0 ? scores[id] / repetition_penalty : scores[id] * repetition_penalty;
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || b - a);      // of equals the later first, as a sort from below leaves them
  const first = scores.indexOf(scores[order[0]]);
  const chance = softmaxOf(temperature > 0 ? scores.map((s) => s / temperature) : scores.map((s, i) => (i === first ? 0 : -Infinity)));
  const kth = top_k > 0 && top_k < order.length ? scores[order[top_k - 1]] : -Infinity;
  const inK = (id) => scores[id] >= kth;               // whoever ties with the last one stays too
  let kept = 0;
  for (const id of order) if (inK(id)) kept += chance[id];
  let above = 0, alive = 0, crossed = -1;
  const result = Array.from(order, (id, place) => {
    const one = { id, place, plain: plain[id], chance: chance[id], above, after: 0, why: "" };
    if (!inK(id)) one.why = "k";
    else if (chance[id] === 0) one.why = temperature > 0 ? "zero" : "greedy";
    else if (top_p < 1 && place && above >= top_p) one.why = "p";
    else {
      above += chance[id] / kept;
      if (top_p < 1 && above >= top_p && crossed < 0) { one.crosses = true; crossed = place; }
      alive += chance[id];
    }
    return one;
  });
  for (const one of result) if (!one.why) one.after = one.chance / alive;
  return result;
}

function softmaxOf(scores) {
  let most = -Infinity, sum = 0;
  for (const s of scores) most = Math.max(most, s);
  const out = Float64Array.from(scores, (s) => { const e = Math.exp(s - most); sum += e; return e; });
  return out.map((e) => e / sum);
}

export default {
  render({ model, el }) {
    const SHOWN = 16, DEAD = 6, live = !model.isStatic, hasLab = model.get("has_lab");
    const ui = frame(el, "Which tokens may come next?", "Bars show each token's probability. Move one setting at a time: which tokens die, and where does their probability go?", hasLab ? live : undefined);
    const cleanups = [], settings = ["temperature", "top_k", "top_p", "repetition_penalty"];
    let logits, tokens = [], drawn = new Map(), last = -1, draws = 0;

    const box = textBox("Your prompt", model.get("prompt"), { live, rows: 1, onchange: (v) => { model.set("prompt", v); model.save_changes(); } });
    const slide = (name, label, min, max, step, say) => {
      const one = slider(label, { min, max, step, value: model.get(name), say }, (v) => set(name, v));
      return { node: one.node, fill: () => one.set(model.get(name)) };
    };
    const heat = slide("temperature", "temperature", 0, 2, 0.05, (v) => (v ? v.toFixed(2) : "0: the likeliest only"));
    const kBox = h("input", { type: "number", min: 0, step: 1 });
    kBox.addEventListener("input", () => set("top_k", Math.max(0, Math.round(+kBox.value) || 0)));
    const nucleus = slide("top_p", "top-p", 0.05, 1, 0.01, (v) => (v < 1 ? v.toFixed(2) : "1: off"));
    const penalty = slide("repetition_penalty", "repetition penalty", 1, 2, 0.05, (v) => (v > 1 ? v.toFixed(2) : "1: off"));
    const once = button("Draw one", () => sample(1), { class: "g2-main" }), many = button("Draw 100", () => sample(100));
    const append = button("Add it to the prompt", () => model.send({ append: last }));
    append.hidden = !live || !hasLab;
    put(ui.controls, hasLab ? box.node : null, heat.node, field("top-k (0: off)", kBox), nucleus.node, penalty.node, h("div", { class: "g2-row" }, once, many, append));
    const rows = h("div", { class: "g2-odds", role: "list", "aria-label": "Next tokens, likeliest first" }), facts = h("div", { class: "g2-facts" });
    put(ui.body, facts, h("div", { style: { height: "0.7rem" } }), rows,
      h("p", { class: "g2-label" }, "Filled: the probability after the cuts. Outlined: the model's own, at temperature 1 and without a penalty."));

    function set(name, value) {
      model.set(name, value);
      model.save_changes();
      forget();
      redraw();
    }
    function forget() { drawn = new Map(); last = -1; draws = 0; }
    const nameOf = (id) => model.get("names")[id];
    const shown = (one) => (nameOf(one.id) === undefined ? `token ${one.id}` : short(nameOf(one.id), 18));

    function sample(count) {
      for (let n = 0; n < count; n++) {
        let u = Math.random(), pick = null;
        for (const one of tokens) { if (one.why) continue; pick = one; u -= one.after; if (u < 0) break; }
        drawn.set(pick.id, (drawn.get(pick.id) || 0) + 1);
        last = pick.id;
        draws++;
      }
      redraw();
      const one = tokens.find((t) => t.id === last);
      ui.say(count === 1 ? `Drawn: ${quoted(nameOf(last) ?? `token ${last}`)}, which had ${percent(one.after)}.`
        : `${draws} draws: ${drawn.size} different tokens came, ${quoted(nameOf(tokens[0].id) ?? "")} ${drawn.get(tokens[0].id) || 0} times.`);
    }
    function reason(one) {
      if (one.why === "k") return `place ${grouped(one.place + 1)}: top-k keeps ${grouped(model.get("top_k"))}`;
      if (one.why === "p") return `${percent(one.above)} lie above it: p is reached`;
      if (one.why === "greedy") return "temperature 0: only the likeliest stays";
      if (one.why === "zero") return "its probability is 0";
      const notes = [];
      if (one.crosses) notes.push(`crosses p = ${model.get("top_p").toFixed(2)}: it stays`);
      if (model.get("repetition_penalty") !== 1 && seen.has(one.id)) notes.push("penalised: it stood there before");
      return notes.join("; ");
    }
    let seen = new Set();
    function row(one, most) {
      const name = shown(one), note = reason(one) + (one.why && model.get("repetition_penalty") !== 1 && seen.has(one.id) ? "; penalised" : "");
      return h("div", { class: "g2-odd" + (one.why ? " g2-dead" : "") + (one.id === last ? " g2-drawn" : ""), role: "listitem", "data-id": one.id, "data-chance": one.after.toFixed(8) },
        h("code", {}, name),
        h("div", { class: "g2-track", "aria-hidden": "true" }, h("div", { class: "g2-bar", style: { width: (100 * one.after) / most + "%" } }), h("div", { class: "g2-plain", style: { width: (100 * one.plain) / most + "%" } })),
        h("span", { class: "g2-odd-number" }, one.why ? "\u2020" : percent(one.after), h("span", { class: "g2-hidden" }, one.why ? " died" : ""), draws && drawn.get(one.id) ? h("b", {}, ` \u00d7${drawn.get(one.id)}`) : null),
        h("span", { class: "g2-odd-why" }, note));
    }
    function redraw() {
      seen = new Set(model.get("prev_ids"));
      const options = Object.fromEntries([...settings, "prev_ids"].map((n) => [n, model.get(n)]));
      tokens = nextTokens(logits, options);
      const alive = tokens.filter((t) => !t.why), dead = tokens.length - alive.length, top = alive.slice(0, SHOWN);
      const named = tokens.filter((t) => t.why).slice(0, DEAD).filter((t) => nameOf(t.id) !== undefined);
      const most = Math.max(...[...top, ...named].flatMap((t) => [t.after, t.plain]), 1e-9);
      const rest = alive.slice(SHOWN), line = (text, extra = "") => h("div", { class: "g2-odd-line" + extra, role: "listitem" }, text);
      const lost = tokens.reduce((sum, t) => sum + (t.why ? t.chance : 0), 0);
      refill(rows, top.map((t) => row(t, most)), rest.length ? line(`and ${grouped(rest.length)} more that stay, together ${percent(rest.reduce((s, t) => s + t.after, 0))}`) : null,
        dead ? line(`cut: ${grouped(alive.length)} ${alive.length === 1 ? "stays" : "stay"}, ${grouped(dead)} ${dead === 1 ? "dies" : "die"}`, " g2-cutline") : null,
        named.map((t) => row(t, most)), dead > named.length ? line(`and ${grouped(dead - named.length)} more that died`) : null);
      const entropy = -alive.reduce((s, t) => s + t.after * Math.log2(t.after), 0);
      refill(facts, [[grouped(alive.length), `of ${grouped(tokens.length)} tokens stay`], [percent(lost), "of the probability was cut and shared out again"], [Math.abs(entropy).toFixed(2), "bits of surprise in a draw"]]
        .map(([n, name]) => h("div", { class: "g2-fact" }, h("b", {}, n), h("span", {}, name))));
      append.disabled = last < 0;
      ui.warn(model.get("message"));
      const first = tokens[0];
      ui.say(`${quoted(nameOf(first.id) ?? "")} leads with ${percent(first.after)}. ${grouped(alive.length)} of ${grouped(tokens.length)} tokens stay${dead && named.length ? `; the first to die is ${quoted(nameOf(named[0].id))}: ${reason(named[0])}` : ""}.`);
    }
    function load() {
      logits = new Float32Array(asBytes(model.get("logits")).slice().buffer);
      forget();
      redraw();
    }
    function fill() {
      for (const one of [heat, nucleus, penalty]) one.fill();
      kBox.value = model.get("top_k");
      kBox.max = model.get("logits") ? asBytes(model.get("logits")).length / 4 : 1;
    }
    cleanups.push(listen(model, ["logits"], load), listen(model, ["message"], () => ui.warn(model.get("message"))));
    cleanups.push(listen(model, ["prompt"], () => { if (box.box.value !== model.get("prompt")) box.box.value = model.get("prompt"); }));
    cleanups.push(listen(model, settings, () => { if (!ui.root.contains(document.activeElement)) { fill(); redraw(); } }));
    fill();
    load();
    return () => cleanups.forEach((f) => f());
  },
};
