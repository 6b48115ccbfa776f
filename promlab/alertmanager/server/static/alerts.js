// Alerts in their groups, with filters that are kept in the address.

import { ago, ask, element, fail, safeLink } from "./dom.js";
import { labelMatcher, matcherBar } from "./matchers.js";

const TOGGLES = [["silenced", "Silenced"], ["inhibited", "Inhibited"], ["muted", "Muted"]];

export const silenceLink = (matchers) =>
  `#/silences/new?${new URLSearchParams(matchers.map((text) => ["matcher", text]))}`;

function state(alert) {
  const { state: name, silencedBy, inhibitedBy, mutedBy } = alert.status;
  const why = [
    ...silencedBy.map((id) => element("a", { href: `#/silences/${id}` }, "silenced")),
    ...(inhibitedBy.length ? [element("span", { title: inhibitedBy.join(", ") }, "inhibited")] : []),
    ...(mutedBy.length ? [element("span", {}, `muted by ${mutedBy.join(", ")}`)] : []),
  ];
  return [element("span", { class: `state ${name}` }, name), ...why];
}

export function alertRow(alert, pick) {
  const labels = Object.entries(alert.labels).sort(([a], [b]) => a.localeCompare(b));
  const tags = labels.map(([name, value]) => {
    const text = labelMatcher(name, value);
    return element("button", { type: "button", class: "tag", title: "Filter by this label",
      onclick: () => pick(text) }, text);
  });
  const facts = Object.entries(alert.annotations).flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, safeLink(value, value))]);
  const links = [];
  if (alert.generatorURL) links.push(safeLink(alert.generatorURL, "Source"));
  links.push(element("a", { href: silenceLink(labels.map(([n, v]) => labelMatcher(n, v))) }, "Silence"));
  return element("div", { class: "alert", role: "listitem" },
    element("div", { class: "head" }, ...state(alert),
      element("span", { class: "quiet", title: alert.startsAt }, ago(alert.startsAt)), ...links),
    element("div", { class: "tags" }, ...tags),
    facts.length ? element("dl", {}, ...facts) : "");
}

function grouped(groups, names) {
  if (!names.length) return groups;
  const found = new Map();
  for (const group of groups) {
    for (const alert of group.alerts) {
      const labels = Object.fromEntries(names.filter((n) => n in alert.labels).map((n) => [n, alert.labels[n]]));
      const key = JSON.stringify(labels);
      if (!found.has(key)) found.set(key, { labels, alerts: [], receiver: { name: "" }, seen: new Set() });
      const own = found.get(key);
      if (!own.seen.has(alert.fingerprint)) own.alerts.push(alert);
      own.seen.add(alert.fingerprint);
    }
  }
  return [...found.values()];
}

function groupBox(group, pick, open) {
  const tags = Object.entries(group.labels).map(([name, value]) =>
    element("span", { class: "tag strong" }, labelMatcher(name, value)));
  const count = `${group.alerts.length} alert${group.alerts.length === 1 ? "" : "s"}`;
  const matchers = Object.entries(group.labels).map(([n, v]) => labelMatcher(n, v));
  const silence = matchers.length ? element("a", { href: silenceLink(matchers) }, "Silence") : "";
  return element("details", { class: "group", open },
    element("summary", {}, ...(tags.length ? tags : [element("span", { class: "quiet" }, "Not grouped")]),
      element("span", { class: "space" }), silence,
      element("span", { class: "quiet" }, group.receiver.name ? `${count} → ${group.receiver.name}` : count)),
    element("div", { role: "list" }, ...group.alerts.map((alert) => alertRow(alert, pick))));
}

export async function showAlerts(view, query, navigate) {
  const filters = query.getAll("filter");
  const names = (query.get("customGrouping") ?? "").split(",").map((n) => n.trim()).filter(Boolean);
  const on = Object.fromEntries(TOGGLES.map(([key]) => [key, query.get(key) === "true"]));
  const receiver = query.get("receiver") ?? "";

  function go(change) {
    const next = new URLSearchParams();
    const all = { filters, names, receiver, ...on, ...change };
    for (const text of all.filters) next.append("filter", text);
    if (all.names.length) next.set("customGrouping", all.names.join(","));
    if (all.receiver) next.set("receiver", all.receiver);
    for (const [key] of TOGGLES) if (all[key]) next.set(key, "true");
    navigate(`#/alerts${next.size ? `?${next}` : ""}`);
  }

  const bar = matcherBar(filters, (texts) => go({ filters: texts }));
  const pick = (text) => go({ filters: [...new Set([...filters, text])] });
  const select = element("select", { "aria-label": "Receiver", onchange: () => go({ receiver: select.value }) },
    element("option", { value: "" }, "All receivers"));
  const grouping = element("input", { value: names.join(", "), placeholder: "as routed", "aria-label": "Group by labels",
    onchange: () => go({ names: grouping.value.split(",").map((n) => n.trim()).filter(Boolean) }) });
  const toggles = TOGGLES.map(([key, text]) => element("label", { class: "check" },
    element("input", { type: "checkbox", checked: on[key], onchange: (event) => go({ [key]: event.target.checked }) }), text));
  const result = element("div", { "aria-live": "polite" });
  view.replaceChildren(element("h1", {}, "Alerts"), bar.node,
    element("div", { class: "row" },
      element("label", {}, element("span", {}, "Receiver"), select),
      element("label", { class: "grow" }, element("span", {}, "Group by"), grouping), ...toggles), result);

  const ask_ = new URLSearchParams(filters.map((text) => ["filter", text]));
  for (const [key] of TOGGLES) ask_.set(key, on[key]);
  if (receiver) ask_.set("receiver", receiver.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  try {
    const [groups, receivers] = await Promise.all([ask(`alerts/groups?${ask_}`), ask("receivers")]);
    for (const { name } of receivers) {
      select.append(element("option", { value: name, selected: name === receiver }, name));
    }
    const boxes = grouped(groups, names);
    const many = boxes.reduce((sum, group) => sum + group.alerts.length, 0) > 200;
    result.replaceChildren(...boxes.map((group) => groupBox(group, pick, !many)));
    if (!boxes.length) result.append(element("p", { class: "quiet" }, "No alerts."));
  } catch (error) {
    fail(result, error);
  }
}
