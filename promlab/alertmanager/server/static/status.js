// What this Alertmanager is, its peers, its configuration.

import { ask, element, fail, time } from "./dom.js";

export async function showStatus(view) {
  try {
    const { cluster, versionInfo, uptime, config } = await ask("status");
    const facts = [["Started", time(uptime)], ["Cluster", cluster.status], ["Name", cluster.name ?? "–"],
      ["Version", `${versionInfo.version}, ${versionInfo.revision}`], ["Runs on", versionInfo.goVersion]];
    const peers = (cluster.peers ?? []).map(({ name, address }) =>
      element("tr", {}, element("td", {}, name), element("td", {}, address)));
    view.replaceChildren(element("h1", {}, "Status"),
      element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      peers.length ? element("table", {}, element("thead", {}, element("tr", {}, element("th", {}, "Peer"), element("th", {}, "Address"))), element("tbody", {}, ...peers)) : "",
      element("h2", {}, "Configuration"), element("pre", {}, config.original));
  } catch (error) {
    fail(view, error);
  }
}
