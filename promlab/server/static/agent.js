// What an agent does, and how far each endpoint of remote write has come.

import { ask, element, showError, table } from "./pages.js";

const PREFIX = "prometheus_remote_storage_";
const COLUMNS = [
  ["Samples sent", "samples_total"],
  ["Waiting", "samples_pending"],
  ["Refused", "samples_failed_total"],
  ["Shards", "shards"],
];
const place = document.getElementById("result");

// Values of a family by the name of the endpoint.
function byEndpoint(family) {
  const found = new Map();
  for (const { label, ...rest } of family?.metric ?? []) {
    const labels = Object.fromEntries(label.map(({ name, value }) => [name, value]));
    const body = Object.values(rest)[0];
    found.set(labels.remote_name, { url: labels.url, value: body.value });
  }
  return found;
}

async function show() {
  const { data } = await ask(`status/self_metrics?metric_name_pattern=${PREFIX}.*`);
  const families = new Map(data.map((family) => [family.name.replace(PREFIX, ""), byEndpoint(family)]));
  const endpoints = [...(families.get("shards") ?? new Map()).entries()];
  const rows = endpoints.map(([name, { url }]) => {
    const values = COLUMNS.map(([, metric]) => families.get(metric)?.get(name)?.value ?? 0);
    return element("tr", {}, ...[name, url, ...values].map((text) => element("td", {}, text)));
  });
  place.append(
    element("p", {}, "This server runs as an agent: it scrapes its targets and sends what it finds to " +
      "other servers. Queries, rules and alerts belong to those."),
    element("h2", {}, "Remote write"),
    rows.length
      ? table(["Name", "URL", ...COLUMNS.map(([title]) => title)], rows)
      : element("p", {}, "There is no remote_write section: nothing is sent."),
  );
}

try {
  await show();
} catch (error) {
  showError(place, error);
}
