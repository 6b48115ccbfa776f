// Silences as a list, with a form. Labels reach the page as text nodes only.

const BEAT_MS = 5000;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function matcherText({ name, value, isRegex, isEqual = true }) {
  return name + (isRegex ? (isEqual ? "=~" : "!~") : isEqual ? "=" : "!=") + JSON.stringify(value);
}

function labelText(labels) {
  return Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ");
}

// Matchers of a line of text, split at commas outside of quotes.
const split = (text) => (text.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? []).map((part) => part.trim()).filter(Boolean);

function render({ model, el }) {
  const matchers = element("input", { class: "wide", placeholder: 'severity="warning", job="node"', "aria-label": "Matchers" });
  const hours = element("input", { type: "number", value: "2", min: "0.1", step: "any", "aria-label": "Hours", style: "width: 5em" });
  const comment = element("input", { placeholder: "comment", "aria-label": "Comment" });
  const form = element("form", {}, matchers, hours, comment);
  const list = element("div", { role: "list" });
  const preview = element("div", { class: "quiet", "aria-live": "polite" });
  const problem = element("div", { class: "problem", role: "alert" });

  const look = element("button", { type: "button" }, "Preview");
  look.addEventListener("click", () => model.send({ kind: "preview", matchers: split(matchers.value) }));
  form.append(look, element("button", {}, "Silence"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    model.send({ kind: "create", matchers: split(matchers.value), hours: Number(hours.value), comment: comment.value });
  });

  function show() {
    problem.textContent = model.get("problem");
    const alerts = model.get("preview");
    preview.replaceChildren(...alerts.map((labels) => element("div", {}, labelText(labels))));
    const shown = model.get("silences").filter(({ status }) => status.state !== "expired");
    list.replaceChildren(...shown.map((silence) => {
      const end = element("button", { type: "button" }, "Expire");
      end.addEventListener("click", () => model.send({ kind: "expire", id: silence.id }));
      return element("div", { class: "silence", role: "listitem" },
        element("span", { class: `state ${silence.status.state}` }, silence.status.state),
        ...silence.matchers.map((matcher) => element("span", { class: "tag" }, matcherText(matcher))),
        element("span", { class: "quiet" }, `until ${new Date(silence.endsAt).toLocaleString()} · ${silence.createdBy}: ${silence.comment}`),
        end);
    }));
    if (!shown.length) list.append(element("p", { class: "quiet" }, "No silences."));
  }

  el.classList.add("promlab-alerts");
  el.append(form, problem, preview, list);
  const traits = ["silences", "preview", "problem"].map((name) => `change:${name}`);
  for (const trait of traits) model.on(trait, show);
  const beat = setInterval(() => {
    if (el.isConnected && document.visibilityState === "visible") model.send({ kind: "refresh" });
  }, BEAT_MS);
  show();
  return () => {
    clearInterval(beat);
    for (const trait of traits) model.off(trait, show);
  };
}

export default { render };
