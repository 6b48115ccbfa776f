// The pages of the Status menu; the last part of the address says which.

import { ask, element, showError, table } from "./pages.js";

const place = document.getElementById("result");

function pairs(title, object) {
  const rows = Object.entries(object).map(([key, value]) =>
    element("tr", {}, element("td", {}, key), element("td", { class: "series" }, String(value))));
  place.append(element("h2", {}, title), table(["Name", "Value"], rows));
}

async function runtime() {
  pairs("Build", (await ask("status/buildinfo")).data);
  pairs("Runtime", (await ask("status/runtimeinfo")).data);
}

async function storage() {
  const { headStats, ...lists } = (await ask("status/tsdb")).data;
  pairs("Head", headStats);
  for (const [name, entries] of Object.entries(lists)) {
    if (Array.isArray(entries)) pairs(name, Object.fromEntries(entries.map((entry) => [entry.name, entry.value])));
  }
}

async function alertmanagers() {
  const { activeAlertmanagers, droppedAlertmanagers } = (await ask("alertmanagers")).data;
  for (const [title, found] of [["Active", activeAlertmanagers], ["Dropped", droppedAlertmanagers]]) {
    place.append(element("h2", {}, title), element("pre", {}, found.map(({ url }) => url).join("\n") || "none"));
  }
}

const PAGES = {
  status: runtime,
  "tsdb-status": storage,
  flags: async () => pairs("Flags", (await ask("status/flags")).data),
  config: async () => place.append(element("pre", {}, (await ask("status/config")).data.yaml)),
  "alertmanager-discovery": alertmanagers,
};

try {
  await PAGES[location.pathname.split("/").pop()]();
} catch (error) {
  showError(place, error);
}
