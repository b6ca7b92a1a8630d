// The page form only: stands in for anywidget's model, so that the same module runs without a kernel.

class StaticModel {
  constructor(state) {
    this.isStatic = true;
    this.state = state;
    this.listeners = {};
  }
  get(name) { return this.state[name]; }
  set(name, value) {
    this.state[name] = value;
    for (const listener of this.listeners["change:" + name] || []) listener();
  }
  on(name, listener) {
    for (const one of name.split(" ")) (this.listeners[one] ||= []).push(listener);
  }
  off(name, listener) {
    for (const one of (name || "").split(" "))
      this.listeners[one] = (this.listeners[one] || []).filter((other) => listener && other !== listener);
  }
  save_changes() {}
  send() {}
}

async function unpackValue(value) {
  if (Array.isArray(value)) return Promise.all(value.map(unpackValue));
  if (value === null || typeof value !== "object") return value;
  if (typeof value.deflate64 === "string") {
    const raw = Uint8Array.from(atob(value.deflate64), (c) => c.charCodeAt(0));
    return new DataView((await inflate(raw)).buffer);
  }
  const entries = await Promise.all(Object.entries(value).map(async ([k, v]) => [k, await unpackValue(v)]));
  return Object.fromEntries(entries);
}

async function mountStatic(key, widget) {
  const host = document.getElementById(key);
  if (!host || host.dataset.ready) return;
  host.dataset.ready = "1";
  const state = await unpackValue(JSON.parse(document.getElementById(key + "-data").textContent));
  const el = document.createElement("div");
  await widget.render({ model: new StaticModel(state), el });
  host.querySelector(".g2-static")?.remove();          // the picture has done its work once scripts run
  host.append(el);
}
