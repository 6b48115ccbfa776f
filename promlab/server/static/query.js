import { ask, element, seriesText, showError, table } from "./pages.js";
import { graph } from "./graph.js";

const MAX_ROWS = 10000;
const POINTS = 250;
const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };
const by = (id) => document.getElementById(id);
const form = by("form");

function durationSeconds(text) {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwy])/g)];
  if (!parts.length || parts.map((part) => part[0]).join("") !== text) throw new Error(`bad range: ${text}`);
  return parts.reduce((sum, [, count, unit]) => sum + count * UNITS[unit], 0);
}

function endSeconds(text) {
  const end = text ? Date.parse(text) / 1000 : Date.now() / 1000;
  if (Number.isNaN(end)) throw new Error(`bad time: ${text}`);
  return end;
}

function showTable({ resultType, result }) {
  if (resultType === "scalar" || resultType === "string") result = [{ metric: {}, value: result }];
  const rows = result.slice(0, MAX_ROWS).map((series) => {
    const values = series.values ?? (series.value ? [series.value] : []);
    const text = values.map(([t, v]) => (series.values ? `${v} @${t}` : v)).join("\n");
    const value = element("td", { class: "value" }, element("span", {}, text));
    return element("tr", {}, element("td", { class: "series" }, seriesText(series.metric)), value);
  });
  by("result").replaceChildren(rows.length ? table(["Series", "Value"], rows) : element("p", {}, "No data."));
}

function showNotes(answer) {
  const notes = [...(answer.warnings ?? []), ...(answer.infos ?? [])];
  by("notes").replaceChildren(...notes.map((note) => element("p", {}, note)));
}

async function run() {
  const { expr, tab, range, end } = Object.fromEntries(new FormData(form));
  if (!expr.trim()) return;
  const state = { "g0.expr": expr, "g0.tab": tab, "g0.range_input": range };
  if (end) state["g0.end_input"] = end;
  history.replaceState(null, "", `?${new URLSearchParams(state)}`);
  const started = performance.now();
  by("summary").textContent = "…";
  try {
    const until = endSeconds(end);
    let answer;
    if (tab === "graph") {
      const width = durationSeconds(range);
      const step = Math.max(1, Math.round(width / POINTS));
      answer = await ask("query_range", { query: expr, start: until - width, end: until, step });
      by("result").replaceChildren(graph(answer.data.result, until - width, until, step));
    } else {
      answer = await ask("query", { query: expr, time: until });
      showTable(answer.data);
    }
    showNotes(answer);
    const count = Array.isArray(answer.data.result) ? answer.data.result.length : 1;
    by("summary").textContent = `${count} series in ${Math.round(performance.now() - started)} ms`;
  } catch (error) {
    by("summary").textContent = "";
    by("notes").replaceChildren();
    showError(by("result"), error);
  }
}

function restore() {
  const state = new URLSearchParams(location.search);
  by("expr").value = state.get("g0.expr") ?? "";
  const tab = { 0: "graph", 1: "table" }[state.get("g0.tab")] ?? state.get("g0.tab") ?? "table";
  for (const radio of form.elements.tab) radio.checked = radio.value === tab;
  by("range").value = state.get("g0.range_input") ?? "1h";
  by("end").value = state.get("g0.end_input") ?? "";
}

form.addEventListener("submit", (event) => { event.preventDefault(); run(); });
form.addEventListener("change", (event) => { if (event.target.name === "tab") run(); });
by("expr").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); run(); }
});
by("metric").addEventListener("change", (event) => {
  by("expr").setRangeText(event.target.value, by("expr").selectionStart, by("expr").selectionEnd, "end");
  event.target.value = "";
  by("expr").focus();
});
by("metric").addEventListener("focus", async () => {
  const names = (await ask("label/__name__/values?limit=5000")).data;
  by("metrics").replaceChildren(...names.map((name) => element("option", { value: name })));
}, { once: true });
restore();
run();
