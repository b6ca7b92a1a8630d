// The calls that bertviz's head view and model view make to d3 and jQuery, and no more, so that nothing is fetched.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

class Selection {
  constructor(groups, parents) { this.groups = groups; this.parents = parents || []; }   // groups: arrays of nodes
  each(action) {
    for (const group of this.groups) group.forEach((node, i) => node && action.call(node, node.__data__, i, group));
    return this;
  }
  select(selector) {
    return new Selection(this.groups.map((group) => group.map((node) => {
      const found = node && node.querySelector(selector);
      if (found && "__data__" in node) found.__data__ = node.__data__;
      return found;
    })));
  }
  selectAll(selector) {
    const groups = [], parents = [];
    this.each(function () { groups.push([...this.querySelectorAll(selector)]); parents.push(this); });
    return new Selection(groups, parents);
  }
  data(values) {                                        // binds by index; what has no node yet waits in `waiting`
    const waiting = [];
    this.groups.forEach((group, g) => {
      const parent = this.parents[g] || null;
      const list = typeof values === "function" ? values.call(parent, parent && parent.__data__, g) : values;
      list.forEach((value, i) => { if (group[i]) group[i].__data__ = value; });
      waiting.push(list.map((value, i) => (group[i] ? null : { parent, value })));
    });
    this.waiting = waiting;
    return this;
  }
  enter() { return new Entering(this.waiting, this.parents); }
  append(name) {
    const tag = name.replace("svg:", "");
    return new Selection(this.groups.map((group) => group.map((node) => {
      if (!node) return null;
      const child = node.appendChild(document.createElementNS(SVG_NAMESPACE, tag));
      if ("__data__" in node) child.__data__ = node.__data__;
      return child;
    })), this.parents);
  }
  set(value, apply) {
    return this.each(function (d, i, group) { apply(this, typeof value === "function" ? value.call(this, d, i, group) : value); });
  }
  attr(name, value) { return this.set(value, (node, v) => (v === null ? node.removeAttribute(name) : node.setAttribute(name, v))); }
  style(name, value) { return this.set(value, (node, v) => node.style.setProperty(name, v)); }
  text(value) { return this.set(value, (node, v) => { node.textContent = v; }); }
  classed(name, value) { return this.set(value, (node, v) => node.classList.toggle(name, Boolean(v))); }
  on(type, action) {
    return this.each(function (d, i, group) { this.addEventListener(type, () => action.call(this, this.__data__, i, group)); });
  }
  remove() { return this.each(function () { this.remove(); }); }
}

class Entering {
  constructor(waiting, parents) { this.waiting = waiting; this.parents = parents; }
  append(name) {
    const tag = name.replace("svg:", "");
    return new Selection(this.waiting.map((list) => list.map((entry) => {
      if (!entry) return null;
      const child = entry.parent.appendChild(document.createElementNS(SVG_NAMESPACE, tag));
      child.__data__ = entry.value;
      return child;
    })), this.parents);
  }
}

const d3 = {
  version: "stand-in",
  schemeCategory10: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8a7b00", "#7f7f7f", "#5b4b9a", "#a6761d"],
  scaleOrdinal: (colours) => (i) => colours[i % colours.length],
  select: (target) => new Selection([[typeof target === "string" ? document.querySelector(target) : target]]),
  hsl(colour) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
    const high = Math.max(r, g, b), low = Math.min(r, g, b), l = (high + low) / 2, range = high - low;
    const s = range === 0 ? 0 : range / (1 - Math.abs(2 * l - 1));
    const hue = range === 0 ? 0 : high === r ? ((g - b) / range + 6) % 6 : high === g ? (b - r) / range + 2 : (r - g) / range + 4;
    return { h: hue * 60, s, l, toString() { return `hsl(${this.h}, ${Math.max(0, this.s) * 100}%, ${this.l * 100}%)`; } };
  },
};

const $ = (target) => {
  const nodes = target instanceof Node ? [target] : target.startsWith("<option") ? [document.createElement("option")] : [...document.querySelectorAll(target)];
  const wrapped = {
    nodes,
    append(other) { nodes.forEach((n) => n.append(...other.nodes)); return wrapped; },
    attr(name, value) { nodes.forEach((n) => n.setAttribute(name, value)); return wrapped; },
    val(value) { nodes.forEach((n) => { n.value = value; }); return wrapped; },
    text(value) { nodes.forEach((n) => { n.textContent = value; }); return wrapped; },
    on(type, action) { nodes.forEach((n) => n.addEventListener(type, action)); return wrapped; },
    change() { nodes.forEach((n) => n.dispatchEvent(new Event("change"))); return wrapped; },
    empty() { nodes.forEach((n) => n.replaceChildren()); return wrapped; },
  };
  return wrapped;
};

// The model view's pictures by keyboard: each becomes a button with a name.
function nameHeads(key) {
  for (const back of document.querySelectorAll(`[id^="${key}-background-"]`)) {
    const [layer, head] = back.id.split("-background-")[1].split("_"), region = back.parentNode.lastElementChild;
    for (const [name, value] of [["tabindex", 0], ["role", "button"], ["aria-label", `layer ${layer}, head ${head}`]]) region.setAttribute(name, value);
    region.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      region.dispatchEvent(new Event("click"));
    });
  }
}

const require = { config() {} };
const requirejs = (names, start) => start($, d3);
