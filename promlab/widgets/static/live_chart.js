// A Vega view that lives as long as its cell: rows come as changesets, so zoom and legend stay.
// Labels are untrusted: they reach the page as text nodes and as canvas text, never as HTML.

const VEGA = Symbol.for("promlab.vega");
const ROW_BYTES = 18; // f64 time, f64 value, u16 series
const BEAT_MS = 30_000;
const FRAME_MS = 500; // at most two frames a second

/** Load Vega once a page, from the widget that carries it. */
function loadVega(model) {
  globalThis[VEGA] ??= fetchVega(model).catch((error) => {
    globalThis[VEGA] = undefined;
    throw error;
  });
  return globalThis[VEGA];
}

async function fetchVega(model) {
  const id = model.get("vega").replace("IPY_MODEL_", "");
  const asset = await model.widget_manager.get_model(id);
  const packed = new Blob([asset.get("script")]);
  const stream = packed.stream().pipeThrough(new DecompressionStream("gzip"));
  const code = await new Response(stream).blob();
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  // The bundle sets three globals: another Vega of this page keeps its own.
  const names = ["vega", "vegaLite", "vegaEmbed"];
  const before = names.map((name) => globalThis[name]);
  try {
    await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
    return globalThis.vegaEmbed;
  } finally {
    names.forEach((name, i) => {
      if (before[i] === undefined) delete globalThis[name];
      else globalThis[name] = before[i];
    });
    URL.revokeObjectURL(url);
  }
}

/** Rows of a packed buffer: all times, then all values, then all series codes. */
function unpack(view, names) {
  if (!view || !view.byteLength) return [];
  const n = Math.floor(view.byteLength / ROW_BYTES);
  const copy = view.buffer.slice(view.byteOffset, view.byteOffset + n * ROW_BYTES);
  const t = new Float64Array(copy, 0, n);
  const v = new Float64Array(copy, 8 * n, n);
  const s = new Uint16Array(copy, 16 * n, n);
  const rows = new Array(n);
  for (let i = 0; i < n; i++) {
    rows[i] = { t: t[i], v: Number.isFinite(v[i]) ? v[i] : null, s: names[s[i]] };
  }
  return rows;
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Colours of the page's theme, as Vega wants them. */
function theme(el) {
  const style = getComputedStyle(el);
  const ink = style.getPropertyValue("--jp-ui-font-color1").trim() || style.color;
  const faint = style.getPropertyValue("--jp-border-color2").trim() || "#cccccc";
  const axis = { labelColor: ink, titleColor: ink, gridColor: faint, domainColor: faint, tickColor: faint };
  return { background: "transparent", view: { stroke: null }, axis, legend: { labelColor: ink }, title: { color: ink } };
}

function duration(ms) {
  const at = new Date(ms);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString().slice(11, 19);
}

/** Last value of each series, as an HTML table made of text nodes. */
function lastValues(rows) {
  const last = new Map();
  for (const row of rows) if (row.v !== null) last.set(row.s, row);
  const table = element("table", "", { class: "promlab-table" });
  const head = table.createTHead().insertRow();
  for (const title of ["series", "last value", "time (UTC)"]) {
    head.append(element("th", title, { scope: "col" }));
  }
  const body = table.createTBody();
  for (const [name, row] of last) {
    const line = body.insertRow();
    line.append(element("th", name, { scope: "row" }));
    line.append(element("td", String(row.v)), element("td", duration(row.t)));
  }
  return table;
}

/** The window of each model, kept for views that come later: a model may have several. */
const windows = new Map();

function initialize({ model }) {
  const kept = { rows: unpack(model.get("rows"), model.get("names")) };
  const key = model.get("key");
  windows.set(key, kept);
  const onMessage = ({ kind, before, reset }, buffers) => {
    if (kind !== "append") return;
    const fresh = unpack(buffers[0], model.get("names"));
    kept.rows = reset ? fresh : kept.rows.filter((row) => row.t >= before).concat(fresh);
  };
  model.on("msg:custom", onMessage);
  return () => {
    model.off("msg:custom", onMessage);
    windows.delete(key);
  };
}

class Graph {
  constructor(model, el) {
    this.model = model;
    this.kept = windows.get(model.get("key")) ?? { rows: [] };
    this.el = el;
    this.view = null;
    this.drawing = Promise.resolve();
    this.pending = null;
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.build();
  }

  build() {
    this.el.classList.add("promlab-live");
    this.canvas = element("div", "", { class: "promlab-graph" });
    this.table = element("div", "", { class: "promlab-table-holder", hidden: "" });
    this.status = element("span", "", { role: "status", "aria-live": "polite" });
    this.note = element("div", "", { class: "promlab-note" });
    this.pause = element("button", "", { type: "button" });
    this.pause.onclick = () => this.setStill(!this.still);
    this.tables = element("button", "Show as table", { type: "button", "aria-pressed": "false" });
    this.tables.onclick = () => this.toggleTable();
    const bar = element("div", "", { class: "promlab-bar", role: "group", "aria-label": "graph" });
    bar.append(this.pause, this.tables, this.status);
    this.el.append(this.canvas, this.table, bar, this.note);
    this.showState();
  }

  async draw() {
    const embed = await loadVega(this.model);
    const spec = structuredClone(this.model.get("spec"));
    if (this.model.get("feeds")) spec.data = { name: "samples", values: [...this.kept.rows] };
    if (this.model.get("fluid")) {
      spec.width = this.width();
      // New series make the legend grow: the layout has to follow.
      spec.autosize = { type: "fit-x", contains: "padding", resize: true };
    }
    this.view?.finalize();
    const options = { actions: false, renderer: "canvas", config: theme(this.el) };
    this.view = (await embed(this.canvas, spec, options)).view;
    this.resize(); // a change of theme moves the page while the graph is drawn
    if (spec.params?.some((param) => param.name === "zoom")) {
      this.view.addSignalListener("zoom", (_, value) => this.selected(value?.t));
    }
  }

  width() {
    return Math.max(280, (this.el.clientWidth || 700) - 24);
  }

  /** New rows are kept: draw them unless the reader wants the graph to stand still. */
  changed() {
    if (!this.table.hidden) this.fillTable();
    if (!this.still) this.redrawSoon();
  }

  redrawSoon() {
    if (this.pending || !this.view) return;
    this.pending = setTimeout(() => {
      this.pending = null;
      if (!document.hidden) this.drawing = this.drawing.then(() => this.update());
    }, FRAME_MS);
  }

  /** Bring Vega's rows to ours: only what came and what went, so that the zoom stays. */
  async update() {
    const ours = new Set(this.kept.rows);
    const drawn = this.view.data("samples");
    const known = new Set(drawn);
    const came = this.kept.rows.filter((row) => !known.has(row));
    if (came.length) await this.view.insert("samples", came).runAsync();
    if (drawn.some((row) => !ours.has(row))) {
      await this.view.remove("samples", (row) => !ours.has(row)).runAsync();
    }
  }

  setStill(still) {
    this.still = still;
    this.showState();
    if (!still) this.redrawSoon();
  }

  toggleTable() {
    this.table.hidden = !this.table.hidden;
    this.tables.setAttribute("aria-pressed", String(!this.table.hidden));
    this.tables.textContent = this.table.hidden ? "Show as table" : "Hide table";
    if (!this.table.hidden) this.fillTable();
  }

  fillTable() {
    this.table.replaceChildren(lastValues(this.kept.rows));
  }

  showState() {
    const live = this.model.get("live");
    this.pause.hidden = !live;
    this.tables.hidden = !this.model.get("feeds");
    this.pause.textContent = this.still ? "Resume" : "Pause";
    this.status.textContent = live && this.still ? "paused" : this.model.get("status");
    this.note.textContent = this.model.get("note");
  }

  selected(range) {
    clearTimeout(this.selecting);
    this.selecting = setTimeout(() => {
      this.model.set("selection", range ? range.map(Number) : []);
      this.model.save_changes();
    }, 300);
  }

  resize() {
    const width = this.width();
    if (this.view && this.model.get("fluid") && Math.abs(this.view.width() - width) > 4) {
      this.view.width(width).runAsync();
    }
  }
}

function render({ model, el }) {
  const graph = new Graph(model, el);
  const fail = (error) => {
    graph.status.textContent = `The graph cannot be drawn: ${error.message}`;
  };
  const redraw = () => {
    graph.drawing = graph.drawing.then(() => graph.draw()).catch(fail);
  };
  redraw();
  const onMessage = (message) => message.kind === "append" && graph.changed();
  const onState = () => graph.showState();
  model.on("msg:custom", onMessage);
  model.on("change:status change:note change:live", onState);
  model.on("change:spec", redraw);
  const beat = () => model.get("feeds") && model.send({ kind: "beat" });
  beat();
  const beating = setInterval(beat, BEAT_MS);
  const themes = new MutationObserver(redraw);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  const sizes = new ResizeObserver(() => graph.resize());
  sizes.observe(el);
  return () => {
    clearInterval(beating);
    themes.disconnect();
    sizes.disconnect();
    model.off("msg:custom", onMessage);
    model.off("change:status change:note change:live", onState);
    model.off("change:spec", redraw);
    graph.view?.finalize();
    if (model.get("feeds")) model.send({ kind: "gone" });
  };
}

export default { initialize, render };
