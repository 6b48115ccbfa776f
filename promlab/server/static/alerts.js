import { ask, element, seriesText, showError, table } from "./pages.js";

const by = (id) => document.getElementById(id);

function ruleRow(rule) {
  const state = rule.type === "alerting" ? rule.state : rule.health;
  const cells = [
    element("td", {}, rule.name),
    element("td", { class: state }, state),
    element("td", { class: "series" }, rule.query),
    element("td", { class: "value" }, `${(rule.evaluationTime * 1000).toFixed(1)} ms`),
    element("td", { class: "error" }, rule.lastError ?? ""),
  ];
  return element("tr", {}, ...cells);
}

function alertRow(alert) {
  const cells = [
    element("td", {}, alert.state),
    element("td", { class: "series" }, seriesText(alert.labels)),
    element("td", {}, new Date(alert.activeAt).toLocaleString()),
    element("td", { class: "value" }, alert.value),
    element("td", {}, Object.values(alert.annotations).join(" ")),
  ];
  return element("tr", {}, ...cells);
}

try {
  const { groups } = (await ask("rules")).data;
  const alerts = groups.flatMap((group) => group.rules.flatMap((rule) => rule.alerts ?? []));
  const firing = alerts.filter((alert) => alert.state === "firing").length;
  by("summary").textContent = `${firing} firing, ${alerts.length - firing} pending`;
  if (alerts.length) {
    by("result").append(table(["State", "Labels", "Since", "Value", "Annotations"], alerts.map(alertRow)));
  }
  for (const group of groups) {
    by("result").append(element("h2", {}, `${group.name} (${group.file})`));
    by("result").append(table(["Rule", "State", "Expression", "Took", "Error"], group.rules.map(ruleRow)));
  }
} catch (error) {
  showError(by("result"), error);
}
