import { ask, element, seriesText, showError, table } from "./pages.js";

const by = (id) => document.getElementById(id);
const onlyAlerts = location.pathname.endsWith("/alerts");

// The query page with an expression, beside the server's other pages.
function queryLink(expr) {
  return element("a", { href: `query?${new URLSearchParams({ "g0.expr": expr, "g0.tab": "table" })}` }, expr);
}

function ruleRow(rule) {
  const state = rule.type === "alerting" ? rule.state : rule.health;
  const cells = [
    element("td", {}, rule.name),
    element("td", { class: state }, state),
    element("td", { class: "series" }, queryLink(rule.query)),
    element("td", { class: "value" }, `${(rule.evaluationTime * 1000).toFixed(1)} ms`),
    element("td", { class: "error" }, rule.lastError ?? ""),
  ];
  return element("tr", {}, ...cells);
}

function alertRow(alert) {
  const notes = Object.entries(alert.annotations).map(([name, text]) => `${name}: ${text}`);
  const cells = [
    element("td", { class: alert.state }, alert.state),
    element("td", { class: "series" }, seriesText(alert.labels)),
    element("td", {}, new Date(alert.activeAt).toLocaleString()),
    element("td", { class: "value" }, alert.value),
    element("td", {}, notes.join("\n")),
  ];
  return element("tr", {}, ...cells);
}

function showAlerts(groups) {
  const rules = groups.flatMap((group) => group.rules).filter((rule) => rule.type === "alerting");
  const count = (state) => rules.filter((rule) => rule.state === state).length;
  by("summary").textContent = `${count("firing")} firing, ${count("pending")} pending, ${count("inactive")} inactive`;
  for (const rule of [...rules].sort((a, b) => (b.alerts?.length ?? 0) - (a.alerts?.length ?? 0))) {
    const heading = element("summary", {}, element("span", { class: rule.state }, rule.state), ` ${rule.name} (${rule.alerts?.length ?? 0})`);
    const parts = [heading, element("p", { class: "series" }, queryLink(rule.query))];
    if (rule.alerts?.length) parts.push(table(["State", "Labels", "Since", "Value", "Annotations"], rule.alerts.map(alertRow)));
    const box = element("details", {}, ...parts);
    box.open = rule.state !== "inactive";
    by("result").append(box);
  }
}

function showRules(groups) {
  const rules = groups.flatMap((group) => group.rules);
  const bad = rules.filter((rule) => rule.health === "err").length;
  by("summary").textContent = `${rules.length} rules in ${groups.length} groups, ${bad} with errors`;
  for (const group of groups) {
    const told = `every ${group.interval} s, last ${new Date(group.lastEvaluation).toLocaleTimeString()}, took ${(group.evaluationTime * 1000).toFixed(1)} ms`;
    by("result").append(element("h2", {}, group.name), element("p", {}, `${group.file}: ${told}`));
    by("result").append(table(["Rule", "State", "Expression", "Took", "Error"], group.rules.map(ruleRow)));
  }
}

try {
  const { groups } = (await ask("rules")).data;
  (onlyAlerts ? showAlerts : showRules)(groups);
  if (!groups.length) by("result").append(element("p", {}, "No rules: name rule files in the configuration (rule_files)."));
} catch (error) {
  showError(by("result"), error);
}
