// Matchers as texts (`name=~"value"`) and as the API has them, and a bar to edit a list of them.

import { element } from "./dom.js";

const PATTERN = /^\s*("(?:[^"\\]|\\.)*"|[^{}!=~,\\"'`\s]+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^"]*?)\s*$/s;

function unquote(text) {
  if (!text.startsWith('"')) return text;
  return text.slice(1, -1).replace(/\\(.)/gs, (_, char) => (char === "n" ? "\n" : char));
}

const quote = (text) => `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;

// A matcher of the API from a text; throws an Error.
export function parseMatcher(text) {
  const found = PATTERN.exec(text);
  if (!found) throw new Error(`${text} is not a matcher: write name="value", name!=, name=~ or name!~`);
  const [, name, operator, value] = found;
  return {
    name: unquote(name),
    value: unquote(value),
    isRegex: operator.endsWith("~"),
    isEqual: operator.startsWith("="),
  };
}

export function matcherText({ name, value, isRegex, isEqual = true }) {
  const shown = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) ? name : quote(name);
  const operator = isRegex ? (isEqual ? "=~" : "!~") : isEqual ? "=" : "!=";
  return shown + operator + quote(value);
}

export const labelMatcher = (name, value) => matcherText({ name, value, isRegex: false });

// An input for matchers with the list of those that are set. `changed` gets all texts.
export function matcherBar(initial, changed, label = "Filter") {
  let texts = [...initial];
  const list = element("div", { class: "tags", role: "list" });
  const problem = element("div", { class: "error", role: "alert" });
  const input = element("input", { placeholder: 'severity="critical"', "aria-label": label, spellcheck: "false" });

  function show() {
    list.replaceChildren(...texts.map((text) => element(
      "button",
      { type: "button", class: "tag strong", title: "Remove", "aria-label": `Remove ${text}`,
        onclick: () => set(texts.filter((other) => other !== text)) },
      `${text} ✕`,
    )));
  }
  function set(next) {
    texts = next;
    show();
    changed(texts);
  }
  // Splits at commas outside quotes, so that several can be typed or pasted at once.
  function add() {
    const parts = input.value.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? [];
    try {
      const more = parts.map((part) => matcherText(parseMatcher(part)));
      problem.textContent = "";
      input.value = "";
      if (more.length) set([...new Set([...texts, ...more])]);
      return true;
    } catch (error) {
      problem.textContent = error.message;
      return false;
    }
  }
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    add();
  });
  show();
  const button = element("button", { type: "button", onclick: add }, "Add");
  const row = element("div", { class: "row" },
    element("label", { class: "grow" }, element("span", {}, label), input), button);
  return { node: element("div", {}, row, list, problem), add, set, get texts() { return texts; } };
}
