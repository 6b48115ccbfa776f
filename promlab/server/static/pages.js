// What the pages share. Everything from the server goes in as text, never as HTML.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

export function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", {}, text)));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

export function seriesText(labels) {
  const { __name__: name = "", ...rest } = labels;
  const pairs = Object.entries(rest).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return pairs.length ? `${name}{${pairs.join(", ")}}` : name || "{}";
}

// The data of an API answer, with its warnings; throws an Error with the server's words.
export async function ask(path, parameters) {
  const options = parameters && { method: "POST", body: new URLSearchParams(parameters) };
  const response = await fetch(`api/v1/${path}`, options);
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(text || `${response.status} ${response.statusText}`);
  }
  if (answer.status !== "success") throw new Error(`${answer.errorType}: ${answer.error}`);
  return answer;
}

export function showError(place, error) {
  place.replaceChildren(element("p", { class: "error", role: "alert" }, error.message));
}
