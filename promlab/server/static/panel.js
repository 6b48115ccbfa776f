// One query of the query page: its editor, its controls, its answer.

import { ask, element, seriesText, showError, table } from "./pages.js";
import { graph } from "./graph.js";
import { explore } from "./explorer.js";
import { durationSeconds, durationText, fromLocal, longer, toLocal } from "./times.js";

const MAX_ROWS = 10000;
const POINTS = 250;
const HISTORY = "promlab.history";

export const past = () => {
  try { return JSON.parse(localStorage.getItem(HISTORY) ?? "[]"); } catch { return []; }
};

function remember(expr) {
  localStorage.setItem(HISTORY, JSON.stringify([expr, ...past().filter((each) => each !== expr)].slice(0, 100)));
}

export class Panel {
  constructor(state, { changed, removed }) {
    this.form = document.getElementById("panel").content.cloneNode(true).firstElementChild;
    this.changed = changed;
    const { elements } = this.form;
    elements.tab.value = state.tab === "graph" ? "graph" : "table";
    elements.range.value = state.range || "1h";
    elements.step.value = state.step || "";
    elements.stacked.checked = state.stacked || false;
    elements.end.value = state.end || "";
    this.by = (name) => this.form.querySelector(`.${name}`);
    this.text = () => state.expr ?? "";
    this.ready = this.openEditor(state.expr ?? "");
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.run(); });
    this.form.addEventListener("change", () => this.run());
    this.form.addEventListener("click", (event) => this.click(event.target));
    elements.remove.addEventListener("click", () => removed(this));
    elements.explore.addEventListener("click", async () => this.insert(await explore()));
    elements.format.addEventListener("click", () => this.format());
    this.showControls();
  }

  // CodeMirror is half a megabyte: until it is there, and where it can't run, a plain field does.
  async openEditor(expr) {
    const host = this.by("editor");
    try {
      const { promqlEditor } = await import("./editor.js");
      const run = () => this.run();
      const editor = promqlEditor(host, { text: expr, label: "Expression", run, history: past() });
      Object.assign(this, { text: editor.text, set: editor.set, insert: editor.insert });
      return editor;
    } catch {
      const field = element("textarea", { rows: 2, spellcheck: "false", "aria-label": "Expression" });
      field.value = expr;
      host.replaceChildren(field);
      this.text = () => field.value;
      this.set = (value) => { field.value = value; };
      this.insert = (value) => field.setRangeText(value, field.selectionStart, field.selectionEnd, "end");
      return field;
    }
  }

  get state() {
    const { tab, range, step, stacked, end } = this.form.elements;
    return {
      expr: this.text(), tab: tab.value, range: range.value, step: step.value,
      stacked: stacked.checked, end: end.value,
    };
  }

  click(target) {
    const { range, end } = this.form.elements;
    if (target.dataset.range) {
      range.value = longer(range.value, Number(target.dataset.range));
      this.run();
    } else if (target.dataset.move) {
      const half = durationSeconds(range.value) / 2;
      end.value = toLocal((fromLocal(end.value) ?? Date.now() / 1000) + half * Number(target.dataset.move));
      this.run();
    }
  }

  zoom(start, end) {
    const { elements } = this.form;
    elements.range.value = durationText(Math.max(1, end - start));
    elements.end.value = toLocal(end);
    this.run();
  }

  async format() {
    try {
      this.set((await ask("format_query", { query: this.text() })).data);
    } catch (error) {
      showError(this.by("result"), error);
    }
  }

  showControls() {
    this.by("graph-only").hidden = this.form.elements.tab.value !== "graph";
  }

  async run() {
    this.showControls();
    this.changed();
    const state = this.state;
    if (!state.expr.trim()) return;
    remember(state.expr);
    const summary = this.by("summary"), started = performance.now();
    summary.textContent = "…";
    try {
      const answer = await this.ask(state);
      const notes = [...(answer.warnings ?? []), ...(answer.infos ?? [])];
      this.by("notes").replaceChildren(...notes.map((note) => element("p", {}, note)));
      const count = Array.isArray(answer.data.result) ? answer.data.result.length : 1;
      summary.textContent = `${count} series · ${Math.round(performance.now() - started)} ms`;
    } catch (error) {
      summary.textContent = "";
      this.by("notes").replaceChildren();
      showError(this.by("result"), error);
    }
  }

  async ask(state) {
    const until = fromLocal(state.end) ?? Date.now() / 1000;
    if (state.tab !== "graph") {
      const answer = await ask("query", { query: state.expr, time: until });
      this.by("result").replaceChildren(resultTable(answer.data));
      return answer;
    }
    const width = durationSeconds(state.range);
    const step = state.step ? durationSeconds(state.step) : Math.max(1, Math.round(width / POINTS));
    // Whole steps back from the end: the newest sample is always on the graph.
    const start = until - Math.max(1, Math.floor(width / step)) * step;
    const answer = await ask("query_range", { query: state.expr, start, end: until, step });
    const drawn = graph(answer.data.result, start, until, step, {
      stacked: state.stacked, zoom: (start, end) => this.zoom(start, end),
    });
    this.by("result").replaceChildren(drawn);
    return answer;
  }
}

function histogramText({ count, sum, buckets = [] }) {
  const shown = buckets.map(([rule, low, high, n]) =>
    `${rule === 1 || rule === 3 ? "[" : "("}${low}, ${high}${rule === 0 || rule === 3 ? "]" : ")"} ${n}`);
  return [`count ${count}, sum ${sum}`, ...shown].join("\n");
}

function resultTable({ resultType, result }) {
  if (resultType === "scalar" || resultType === "string") result = [{ metric: {}, value: result }];
  const rows = result.slice(0, MAX_ROWS).map((series) => {
    const floats = (series.values ?? []).map(([t, v]) => `${v} @${t}`);
    const others = (series.histograms ?? []).map(([t, v]) => `${histogramText(v)} @${t}`);
    const text = series.value?.[1] ?? (series.histogram ? histogramText(series.histogram[1]) : [...floats, ...others].join("\n"));
    const value = element("td", { class: "value" }, element("span", {}, text));
    return element("tr", {}, element("td", { class: "series" }, seriesText(series.metric)), value);
  });
  return rows.length ? table(["Series", "Value"], rows) : element("p", {}, "No data.");
}
