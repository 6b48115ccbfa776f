// The metrics explorer: every metric with its type and its help; choosing one inserts it.

import { ask, element, table } from "./pages.js";

const MAX_SHOWN = 500;
const dialog = document.getElementById("explorer");
const filter = document.getElementById("filter");

async function metrics() {
  const [names, about] = await Promise.all([ask("label/__name__/values?limit=20000"), ask("metadata")]);
  return names.data.map((name) => {
    const base = name.replace(/_(bucket|sum|count|total)$/, "");
    const [{ type = "", help = "" } = {}] = about.data[name] ?? about.data[base] ?? [];
    return { name, type, help };
  });
}

function show(all) {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter(({ name, help }) => words.every((word) => `${name} ${help}`.toLowerCase().includes(word)));
  const rows = found.slice(0, MAX_SHOWN).map(({ name, type, help }) => {
    const button = element("button", { type: "button", class: "link" }, name);
    button.addEventListener("click", () => dialog.close(name));
    return element("tr", {}, element("td", { class: "series" }, button), element("td", {}, type), element("td", {}, help));
  });
  const more = found.length > MAX_SHOWN ? [element("p", {}, `${MAX_SHOWN} of ${found.length} shown`)] : [];
  document.getElementById("metrics").replaceChildren(table(["Metric", "Type", "Help"], rows), ...more);
}

// The chosen metric's name, "" for none.
export async function explore() {
  const all = await metrics();
  filter.value = "";
  filter.oninput = () => show(all);
  show(all);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}
