// Service discovery: the labels of every target before and after relabelling, dropped ones too.

import { ask, element, seriesText, showError, table } from "./pages.js";

const by = (id) => document.getElementById(id);

function row({ discoveredLabels, labels }) {
  const after = labels ? seriesText(labels) : element("span", { class: "down" }, "dropped");
  return element("tr", {}, element("td", { class: "series" }, seriesText(discoveredLabels)), element("td", { class: "series" }, after));
}

try {
  const { activeTargets, droppedTargets } = (await ask("targets")).data;
  const pools = new Map();
  for (const target of [...activeTargets, ...(droppedTargets ?? [])]) {
    const pool = target.scrapePool ?? target.discoveredLabels.job ?? "";
    pools.set(pool, [...(pools.get(pool) ?? []), target]);
  }
  by("summary").textContent = `${activeTargets.length} targets scraped, ${droppedTargets?.length ?? 0} dropped`;
  for (const [pool, targets] of pools) {
    const active = targets.filter((target) => target.labels).length;
    const heading = element("summary", {}, `${pool} (${active} of ${targets.length} scraped)`);
    const box = element("details", {}, heading, table(["Discovered labels", "Labels"], targets.map(row)));
    box.open = targets.length <= 20;
    by("result").append(box);
  }
} catch (error) {
  showError(by("result"), error);
}
