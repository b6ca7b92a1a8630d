// Points to compare, the line of those that nothing beats, the chosen one in words, and all as a table.

export default {
  render({ model, el }) {
    const ui = frame(el, "What does the size cost in quality?", "Which points would you never choose, because another is smaller and no worse?");
    const cleanups = [], rows = model.get("rows"), numeric = model.get("numeric"), label = (name) => name.replaceAll("_", " ");
    let x = model.get("x"), y = model.get("y"), chosen = Math.max(0, rows.findIndex((r) => r.name === model.get("reference"))), log = false, spots = [];
    if (rows.length > 1) chosen = chosen === 0 ? 1 : 0;
    const reference = rows.find((r) => r.name === model.get("reference"));
    const column = (name, value, set) => choice(name, numeric.map((n) => [n, label(n)]), value, set).node;
    const look = choice("Look at", rows.map((r, i) => [i, r.name]), chosen, (i) => { chosen = +i; draw(); });
    const logBox = toggle("logarithmic", log, (on) => { log = on; draw(); });
    put(ui.controls, look.node, numeric.length > 2 ? [column("Across", x, (v) => { x = v; draw(); }), column("Up", y, (v) => { y = v; draw(); })] : null, logBox.node);
    const facts = h("div", { class: "g2-facts" }), chart = svg("svg", { class: "g2-chart", role: "img" }), table = h("div", { class: "g2-scroll", tabindex: 0, role: "region", "aria-label": "All rows" });
    put(ui.body, facts, chart, h("p", { class: "g2-label" }, "Filled and joined by the line: no other is at least as good in both. Square: what the others are compared with."), table);

    const inBytes = (name) => /(^|_)bytes($|_)/.test(name);
    const say = (name, v) => (inBytes(name) ? bytesText(v) : tidy(v, 4));
    const higher = (name) => model.get("more_is_better").includes(name);
    const sign = (name) => (higher(name) ? -1 : 1);
    const beaten = (one) => rows.some((r) => sign(x) * r[x] <= sign(x) * one[x] && sign(y) * r[y] <= sign(y) * one[y] && (r[x] !== one[x] || r[y] !== one[y]));
    const times = (v, base) => (base ? `${tidy(v / base, 3)} \u00d7 ${model.get("reference")}` : "");
    const more = (v, base) => { const f = 100 * (v / base - 1); return !base ? "" : Math.abs(f) < 0.005 ? `the same as ${model.get("reference")}` : `${tidy(Math.abs(f), 2)} % ${f > 0 ? "more" : "less"} than ${model.get("reference")}`; };
    function draw() {
      const wide = Math.max(280, ui.body.clientWidth || 700), high = 330, span = (name) => [Math.min(...rows.map((r) => r[name])), Math.max(...rows.map((r) => r[name]))];
      const canLog = rows.every((r) => r[x] > 0 && r[y] > 0), useLog = log && canLog;
      logBox.box.disabled = !canLog;
      const pad = ([a, b]) => (useLog ? [a / 1.15, b * 1.15] : [Math.max(a >= 0 && a < 0.6 * b ? 0 : -Infinity, a - 0.08 * (b - a || Math.abs(a) || 1)), b + 0.08 * (b - a || Math.abs(b) || 1)]);
      const p = plane({ width: wide, height: high, x: pad(span(x)), y: pad(span(y)), logX: useLog, logY: useLog, xName: label(x) + (higher(x) ? ", more is better" : ", less is better"), yName: label(y) + (higher(y) ? ", more is better" : ", less is better"), sayX: (v) => say(x, v), sayY: (v) => say(y, v), left: 64 });
      spots = rows.map((r) => [p.x(r[x]), p.y(r[y])]);
      const front = rows.map((r, i) => i).filter((i) => !beaten(rows[i])).sort((a, b) => rows[a][x] - rows[b][x]);
      const taken = [];
      const texts = rows.map((r, i) => {                   // beside its point, on the side and at the height where no other text lies
        const [px, py] = spots[i], long = 7 * r.name.length;
        const places = [-5, 13, -20, 28, -35, 43].flatMap((dy) => (px + 12 + long < wide - 4 ? [[px + 9, py + dy, "start"]] : []).concat(px - 12 - long > p.left ? [[px - 9, py + dy, "end"]] : []));
        const boxOf = ([tx, ty, anchor]) => [anchor === "start" ? tx : tx - long, ty - 11, long, 14];
        const clash = ([bx, by, bw, bh]) => taken.some(([cx, cy, cw, ch]) => bx < cx + cw && cx < bx + bw && by < cy + ch && cy < by + bh) || spots.some(([sx, sy]) => sx > bx - 6 && sx < bx + bw + 6 && sy > by - 5 && sy < by + bh + 5);
        const place = places.find((q) => !clash(boxOf(q))) || places[0] || [px, py - 10, "middle"];
        taken.push(boxOf(place));
        return svg("text", { x: place[0], y: place[1], "text-anchor": place[2], class: "g2-tick" + (i === chosen ? " g2-alarm" : "") }, r.name);
      });
      refill(chart, p.axes, front.length > 1 ? svg("path", { d: pathOf(front.map((i) => spots[i])), class: "g2-line g2-s0 g2-faint" }) : null,
        rows.map((r, i) => i).sort((a, b) => (a === chosen) - (b === chosen)).map((i) => [rows[i], i]).map(([r, i]) => mark(r === reference ? 1 : 0, ...spots[i], i === chosen ? 8 : 6, { class: (front.includes(i) ? "g2-f0" : "g2-hollow") + (i === chosen ? " g2-picked" : ""), "data-name": r.name })), texts);
      chart.setAttribute("viewBox", `0 0 ${wide} ${high}`);
      chart.setAttribute("aria-label", `${label(y)} against ${label(x)}: ` + rows.map((r) => `${r.name} ${say(x, r[x])}, ${say(y, r[y])}`).join("; "));
      const one = rows[chosen];
      look.select.value = chosen;
      factsOf(facts, [x, y].map((name) => [say(name, one[name]), `${label(name)}${one === reference ? "" : `: ${inBytes(name) ? times(one[name], reference[name]) : more(one[name], reference[name])}`}`]));
      const others = front.map((i) => rows[i].name);
      ui.say(`${one.name}: ${[x, y].map((name) => `${label(name)} ${say(name, one[name])}${one === reference ? "" : `, ${inBytes(name) ? times(one[name], reference[name]) : more(one[name], reference[name])}`}`).join("; ")}. ${beaten(one) ? `Never the best choice here: ${rows.filter((r) => r !== one && sign(x) * r[x] <= sign(x) * one[x] && sign(y) * r[y] <= sign(y) * one[y]).map((r) => r.name)[0]} is at least as good in both.` : others.length > 1 ? "No other is at least as good in both." : "It beats all others in both."}`);
      const columns = [...new Set(rows.flatMap(Object.keys))].filter((k) => k !== "name"), text = (r, k) => (r[k] === undefined || r[k] === null ? "" : numeric.includes(k) || typeof r[k] === "number" ? say(k, r[k]) : typeof r[k] === "boolean" ? (r[k] ? "yes" : "no") : String(r[k]));
      refill(table, tableOf(["name", ...columns.map(label)], rows.map((r) => [r.name, ...columns.map((k) => text(r, k))]), "All rows"));
      [...table.querySelectorAll("tbody tr")].forEach((tr, i) => tr.classList.toggle("g2-chosen-line", i === chosen));
    }
    const nearest = (event) => {
      const box = chart.getBoundingClientRect(), k = Math.max(280, ui.body.clientWidth || 700) / (box.width || 1), [mx, my] = [(event.clientX - box.left) * k, (event.clientY - box.top) * k];
      const far = spots.map(([sx, sy]) => Math.hypot(sx - mx, sy - my)), best = far.indexOf(Math.min(...far));
      if (best !== chosen && (event.type === "click" || far[best] < 40)) { chosen = best; draw(); }
    };
    chart.addEventListener("mousemove", nearest);
    chart.addEventListener("click", nearest);
    cleanups.push(onResize(ui.body, draw));
    draw();
    return () => cleanups.forEach((f) => f());
  },
};
