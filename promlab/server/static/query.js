// The query page: panels, and their state in the page's address, as Prometheus has it.

import { Panel } from "./panel.js";

const place = document.getElementById("panels");
const TABS = { 0: "graph", 1: "table" };
let panels = [];

function address() {
  const state = new URLSearchParams();
  panels.forEach(({ state: { expr, tab, range, step, stacked, end } }, i) => {
    state.set(`g${i}.expr`, expr);
    state.set(`g${i}.tab`, tab);
    state.set(`g${i}.range_input`, range);
    if (step) state.set(`g${i}.step_input`, step);
    if (stacked) state.set(`g${i}.display_mode`, "stacked");
    if (end) state.set(`g${i}.${tab === "graph" ? "end" : "moment"}_input`, end.replace("T", " "));
  });
  return `?${state}`;
}

const changed = () => {
  if (address() !== location.search) history.pushState(null, "", address());
};

function add(state = {}) {
  const panel = new Panel(state, { changed, removed });
  panels.push(panel);
  place.append(panel.form);
  return panel;
}

function removed(panel) {
  panels = panels.filter((each) => each !== panel);
  panel.form.remove();
  if (!panels.length) add();
  changed();
}

function restore() {
  const state = new URLSearchParams(location.search);
  place.replaceChildren();
  panels = [];
  for (let i = 0; state.has(`g${i}.expr`) || i === 0; i++) {
    const get = (name) => state.get(`g${i}.${name}`) ?? "";
    const end = get("end_input") || get("moment_input");
    const panel = add({
      expr: get("expr"), tab: TABS[get("tab")] ?? get("tab"), range: get("range_input"),
      step: get("step_input"), stacked: get("display_mode") === "stacked", end: end.replace(" ", "T"),
    });
    panel.ready.then(() => get("expr") && panel.run());
  }
}

document.getElementById("add").addEventListener("click", () => add());
addEventListener("popstate", restore);
restore();
