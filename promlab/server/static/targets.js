import { ask, element, seriesText, showError, table } from "./pages.js";

const by = (id) => document.getElementById(id);

function link(address) {
  // Only what is plainly HTTP may be followed: addresses come from discovery.
  return /^https?:\/\//.test(address) ? element("a", { href: address, rel: "noreferrer" }, address) : address;
}

function row(target) {
  const cells = [
    element("td", {}, link(target.scrapeUrl)),
    element("td", { class: target.health }, target.health),
    element("td", { class: "series" }, seriesText(target.labels)),
    element("td", {}, new Date(target.lastScrape).getFullYear() > 1 ? new Date(target.lastScrape).toLocaleTimeString() : "never"),
    element("td", { class: "value" }, `${(target.lastScrapeDuration * 1000).toFixed(1)} ms`),
    element("td", { class: "error" }, target.lastError),
  ];
  return element("tr", {}, ...cells);
}

try {
  const { activeTargets, droppedTargetCounts } = (await ask("targets")).data;
  const pools = Map.groupBy
    ? Map.groupBy(activeTargets, (target) => target.scrapePool)
    : new Map([["all", activeTargets]]);
  const dropped = Object.values(droppedTargetCounts ?? {}).reduce((sum, n) => sum + n, 0);
  const up = activeTargets.filter((target) => target.health === "up").length;
  const filter = element("input", { type: "search", placeholder: "Filter by address, label or error", "aria-label": "filter targets", size: 40 });
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of document.querySelectorAll("tbody tr")) {
      row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    }
  });
  by("result").append(filter);
  by("summary").textContent = `${up} of ${activeTargets.length} up, ${dropped} dropped by relabelling`;
  for (const [pool, targets] of pools) {
    by("result").append(element("h2", {}, pool));
    by("result").append(table(["Endpoint", "State", "Labels", "Last scrape", "Took", "Error"], targets.map(row)));
  }
} catch (error) {
  showError(by("result"), error);
}
