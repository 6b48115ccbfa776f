// Elements, requests and times. Everything from the server goes in as text, never as HTML.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat().map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

export function fail(place, error) {
  place.replaceChildren(element("p", { class: "error", role: "alert" }, error.message));
}

// The answer of the API; throws an Error with the server's words.
export async function ask(path, options = {}) {
  const { body, ...rest } = options;
  if (body !== undefined) {
    rest.body = JSON.stringify(body);
    rest.headers = { "Content-Type": "application/json" };
  }
  const response = await fetch(`api/v2/${path}`, rest);
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = text;
  }
  if (response.ok) return answer;
  const message = typeof answer === "string" ? answer : answer?.message;
  throw new Error(message || `${response.status} ${response.statusText}`);
}

// A link that a label or annotation names, if it is one that may be followed.
export function safeLink(text, ...children) {
  const isLink = /^https?:\/\//i.test(text);
  const attributes = { href: text, target: "_blank", rel: "noopener noreferrer" };
  return isLink ? element("a", attributes, ...children) : element("span", {}, ...children);
}

export function time(stamp) {
  const date = new Date(stamp);
  return element("time", { datetime: stamp, title: date.toString() }, date.toLocaleString());
}

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

// Seconds as `1d 2h`, in the two largest units.
export function showDuration(seconds) {
  const parts = [];
  let rest = Math.max(0, Math.round(seconds));
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0s";
}

// Seconds of `1d2h30m`; NaN if it is no duration.
export function readDuration(text) {
  const compact = text.replace(/\s+/g, "");
  if (!/^(\d+(\.\d+)?[wdhms])+$/.test(compact)) return NaN;
  const sizes = { w: 604800, ...Object.fromEntries(UNITS) };
  let seconds = 0;
  for (const [, count, unit] of compact.matchAll(/([\d.]+)([wdhms])/g)) seconds += count * sizes[unit];
  return seconds;
}

export function ago(stamp) {
  return `${showDuration((Date.now() - new Date(stamp)) / 1000)} ago`;
}
