// A prompt, its continuation token by token, and where the model looked for each.

export default {
  render({ model, el }) {
    const live = !model.isStatic;
    const ui = frame(el, `${model.get("model_name")} continues your text`,
      "The model writes one token at a time. Point at a token it wrote: the shade shows which earlier tokens it looked at just before.", live);
    const cleanups = [];
    let chosen = -1, layer = "mean", sink = false, tokens = [], nPrompt = 0, rows = new Uint8Array(0), chances = [], shown = 1e9, timer = 0;

    const box = textBox("Your prompt", model.get("prompt"), { live, onchange: () => {} });
    const go = button("Continue", start, { class: "g2-main" });
    const halt = button("Stop", () => { model.set("stop", model.get("stop") + 1); model.save_changes(); });
    const heatInput = h("input", { type: "range", min: 0, max: 1.5, step: 0.1, value: model.get("temperature"), disabled: !live });
    const heatText = h("output", {}, "");
    const heatField = field("Temperature: 0 takes the likeliest token", heatInput, heatText);
    const nameHeat = () => { heatText.textContent = Number(heatInput.value).toFixed(1); heatInput.setAttribute("aria-valuetext", heatText.textContent); };
    heatInput.addEventListener("input", nameHeat);
    nameHeat();
    heatField.classList.add("g2-grow");
    const another = toggle("another try each time", false, () => {});
    another.box.disabled = !live;
    const replay = button("Watch it again", () => play());
    put(ui.controls, box.node, go, halt, live ? null : replay, live ? heatField : null, live ? another.node : null);
    go.hidden = halt.hidden = !live;

    const cached = model.get("examples") || [];
    if (cached.length) {
      const own = { prompt: model.get("prompt"), tokens: model.get("tokens"), n_prompt: model.get("n_prompt"), chances: model.get("chances"), rows: model.get("rows") };
      const all = [own, ...cached];
      const pick = choice("Prompts to try", all.map((e, i) => [i, short(e.prompt, 60).replace(/\u00b7/g, " ")]), 0, (i) => {
        box.box.value = all[i].prompt;
        show(all[i]);
        play();
      });
      ui.controls.prepend(pick.node);
    }

    const text = h("div", { class: "g2-tokens g2-writing", role: "group", "aria-label": "Prompt and continuation, token by token", dir: "auto" });
    const layerPick = choice("Where it looked", [["mean", "all layers, averaged"], ...[...Array(model.get("layers")).keys()].map((i) => [i, `layer ${i}`])], "mean",
      (v) => { layer = v; paintTokens(); });
    const sinkBox = toggle("leave out the first token", sink, (on) => { sink = on; paintTokens(); });
    const key = legend("0 %", "most");
    put(ui.body, text, h("div", { class: "g2-row", style: { marginTop: "0.7rem" } }, layerPick.node, sinkBox.node, key.node),
      h("p", { class: "g2-quiet" }, "Weights are averaged over heads. The first token often takes most of the attention: heads rest on it when they have nothing to do."));

    function start() {
      if (!live) return;
      model.set("prompt", box.box.value);
      model.set("temperature", Number(heatInput.value));
      if (another.box.checked) model.set("seed", model.get("seed") + 1);
      model.set("run", model.get("run") + 1);
      model.save_changes();
      chosen = -1;
    }
    box.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); start(); }
    });

    function show(result) {
      tokens = result.tokens;
      nPrompt = result.n_prompt;
      chances = result.chances;
      rows = asBytes(result.rows);
      chosen = rows.length && tokens.length > nPrompt ? nPrompt : -1;      // one token is explained before anyone asks
      build();
    }
    function play() {                                        // the page form: the same tokens once more, one after another
      clearInterval(timer);
      if (calm()) { shown = 1e9; build(); return; }
      shown = nPrompt;
      build();
      timer = setInterval(() => { shown++; build(); if (shown >= tokens.length) { clearInterval(timer); shown = 1e9; build(); } }, 90);
    }
    cleanups.push(() => clearInterval(timer));

    let nodes = [];
    function build() {
      const visibleTokens = tokens.slice(0, shown);
      nodes = visibleTokens.map((t, i) => {
        const node = h("button", { type: "button", class: "g2-token" + (i >= nPrompt ? " g2-new" : ""), tabindex: i === visibleTokens.length - 1 ? 0 : -1,
          onclick: () => choose(i), onmouseenter: () => i >= nPrompt && choose(i), onfocus: () => choose(i) }, short(t, 40));
        return node;
      });
      refill(text, nodes);
      paintTokens();
    }
    function choose(i) {
      if (i === chosen) return;
      chosen = i;
      paintTokens();
    }
    text.addEventListener("keydown", (event) => {
      const at = nodes.indexOf(event.target), step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (at < 0 || !step || !nodes[at + step]) return;
      event.preventDefault();
      nodes[at + step].focus();
    });

    function weights(g) {
      const T = tokens.length, G = T - nPrompt, L = model.get("layers");
      if (rows.length !== L * G * T) return null;
      const out = new Float32Array(nPrompt + g);
      const use = layer === "mean" ? [...Array(L).keys()] : [+layer];
      for (const l of use) for (let j = 0; j < out.length; j++) out[j] += rows[(l * G + g) * T + j] / 255 / use.length;
      if (sink && out.length > 1) out[0] = 0;
      return out;
    }
    function paintTokens() {
      const g = chosen - nPrompt, w = g >= 0 ? weights(g) : null, most = w ? Math.max(...w, 1e-6) : 1;
      key.recolour();
      nodes.forEach((node, i) => {
        node.classList.toggle("g2-chosen", i === chosen);
        node.tabIndex = i === (chosen >= 0 ? chosen : nodes.length - 1) ? 0 : -1;
        if (w && i < w.length) { paint(node, w[i] / most); node.title = percent(w[i]); }
        else { node.style.backgroundColor = ""; node.style.color = ""; node.title = ""; }
      });
      ui.warn(model.get("message"));
      if (w) {
        const top = Array.from(w, (x, j) => [j, x]).sort((a, b) => b[1] - a[1]).slice(0, 3);
        ui.say(`To write ${quoted(tokens[chosen])} (probability ${percent(chances[g] ?? 0)}) it looked at ` +
          top.map(([j, x]) => `${quoted(tokens[j])} ${percent(x)}`).join(", ") + ".");
      } else if (model.get("busy")) ui.say("Writing\u2026");
      else if (chosen >= 0 && chosen < nPrompt) ui.say(`${quoted(tokens[chosen])} is part of your prompt: choose a token the model wrote.`);
      else if (tokens.length > nPrompt) ui.say(`${tokens.length - nPrompt} tokens written. Point at one, or reach it with the arrow keys.`);
      else ui.say("");
    }

    const refresh = () => show({ tokens: model.get("tokens"), n_prompt: model.get("n_prompt"), chances: model.get("chances"), rows: model.get("rows") });
    const state = () => { halt.disabled = !model.get("busy"); paintTokens(); };
    if (live) {
      cleanups.push(listen(model, ["tokens"], refresh));
      cleanups.push(listen(model, ["rows"], () => { rows = asBytes(model.get("rows")); chances = model.get("chances"); if (rows.length && chosen < 0) chosen = nPrompt; paintTokens(); }));
      cleanups.push(listen(model, ["busy", "message"], state));
    }
    cleanups.push(onTheme(paintTokens));
    refresh();
    state();
    return () => cleanups.forEach((f) => f());
  },
};
