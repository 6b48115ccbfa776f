"use strict";
// Groups of pushed metrics. Whatever was pushed goes in as text, never as HTML.

const content = document.getElementById("content");
const message = document.getElementById("message");

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function encoded(text) {
  const bytes = new TextEncoder().encode(text);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_") || "=";
}

function escapedName(name) {
  if (/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) return name;
  let out = "U__";
  for (const c of name) {
    out += c === "_" ? "__" : /[a-zA-Z0-9]/.test(c) ? c : `_${c.codePointAt(0).toString(16)}_`;
  }
  return out;
}

// Every value in base64: it may be empty, or hold a slash.
function path(labels) {
  let found = `metrics/job@base64/${encoded(labels.job)}`;
  for (const [name, value] of Object.entries(labels)) {
    if (name !== "job") found += `/${escapedName(name)}@base64/${encoded(value)}`;
  }
  return found;
}

function badges(labels) {
  return Object.entries(labels).map(([name, value]) =>
    element("span", { class: "label" }, `${name}="${value}"`));
}

function valueText(metric) {
  if ("value" in metric) return metric.value;
  const parts = Object.entries(metric.buckets || metric.quantiles || {});
  const shown = parts.map(([bound, value]) => `${bound}: ${value}`);
  return [...shown, `sum: ${metric.sum}`, `count: ${metric.count}`].join(", ");
}

function table(name, family) {
  const head = element("tr", {}, element("th", { scope: "col" }, "Labels"), element("th", { scope: "col" }, "Value"));
  const rows = family.metrics.map((metric) =>
    element("tr", {}, element("td", {}, ...badges(metric.labels)), element("td", {}, valueText(metric))));
  const title = element("caption", {}, element("strong", {}, name),
    ` ${family.type.toLowerCase()} · ${family.help || "no help"} · pushed ${family.time_stamp}`);
  return element("table", {}, title, element("thead", {}, head), element("tbody", {}, ...rows));
}

async function remove(labels, shown) {
  if (!confirm(`Delete all metrics of the group ${shown}?`)) return;
  const answer = await fetch(path(labels), { method: "DELETE" });
  message.textContent = answer.ok ? `Deleted ${shown}.` : `Not deleted: ${await answer.text()}`;
  await load();
}

function group(found) {
  const { labels, last_push_successful: good, ...families } = found;
  const shown = Object.entries(labels).map(([name, value]) => `${name}="${value}"`).join(", ");
  const summary = element("summary", {}, ...badges(labels));
  if (!good) summary.append(element("span", { class: "bad" }, "Last push failed!"));
  const expiry = families.push_expiry_time_seconds;
  if (expiry) {
    const when = new Date(Number(expiry.metrics[0].value) * 1000).toISOString();
    summary.append(element("span", { class: "note" }, `expires ${when}`));
  }
  const button = element("button", { type: "button" }, "Delete group");
  button.addEventListener("click", () => remove(labels, shown));
  const tables = Object.entries(families).map(([name, family]) => table(name, family));
  return element("details", {}, summary, element("p", {}, button), ...tables);
}

async function wipe() {
  if (!confirm("Delete all groups?")) return;
  const answer = await fetch("api/v1/admin/wipe", { method: "PUT" });
  message.textContent = answer.ok ? "Deleted all groups." : `Not deleted: ${await answer.text()}`;
  await load();
}

async function load() {
  try {
    const [groups, status] = await Promise.all(
      ["api/v1/metrics", "api/v1/status"].map(async (url) => (await (await fetch(url)).json()).data));
    document.getElementById("metrics").href = status.flags["web.telemetry-path"].slice(1);
    const count = groups.length === 1 ? "1 group" : `${groups.length} groups`;
    const top = element("p", {}, groups.length ? count : "Nothing was pushed yet.");
    if (status.flags["web.enable-admin-api"] === "true" && groups.length) {
      const button = element("button", { type: "button" }, "Delete all groups");
      button.addEventListener("click", wipe);
      top.append(" ", button);
    }
    content.replaceChildren(top, ...groups.map(group));
  } catch (error) {
    message.textContent = `The gateway does not answer: ${error.message}`;
  }
}

load();
