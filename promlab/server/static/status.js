import { ask, element, showError, table } from "./pages.js";

const place = document.getElementById("result");

function pairs(title, object) {
  const rows = Object.entries(object).map(([key, value]) =>
    element("tr", {}, element("td", {}, key), element("td", { class: "series" }, String(value))));
  place.append(element("h2", {}, title), table(["Name", "Value"], rows));
}

try {
  pairs("Build", (await ask("status/buildinfo")).data);
  pairs("Runtime", (await ask("status/runtimeinfo")).data);
  const { headStats, ...lists } = (await ask("status/tsdb")).data;
  pairs("Head", headStats);
  for (const [name, entries] of Object.entries(lists)) {
    pairs(name, Object.fromEntries(entries.map((entry) => [entry.name, entry.value])));
  }
  pairs("Flags", (await ask("status/flags")).data);
  place.append(element("h2", {}, "Configuration"), element("pre", {}, (await ask("status/config")).data.yaml));
} catch (error) {
  showError(place, error);
}
