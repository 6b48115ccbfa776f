// The list of silences, one silence, and the form that makes or changes one.

import { ask, element, fail, readDuration, showDuration, time } from "./dom.js";
import { alertRow } from "./alerts.js";
import { matcherBar, matcherText, parseMatcher } from "./matchers.js";

const STATES = ["active", "pending", "expired"];
const MOST = 200;

function silenceBox(silence, changed) {
  const { id, status } = silence;
  const links = [element("a", { href: `#/silences/${id}` }, "View")];
  links.push(element("a", { href: `#/silences/${id}/edit` }, status.state === "expired" ? "Recreate" : "Edit"));
  if (status.state !== "expired") links.push(expireButton(silence, changed));
  const left = (new Date(silence.endsAt) - Date.now()) / 1000;
  const when = status.state === "active" ? [`ends in ${showDuration(left)}`]
    : status.state === "pending" ? ["starts ", time(silence.startsAt)] : ["ended ", time(silence.endsAt)];
  return element("div", { class: "silence", role: "listitem" },
    element("div", { class: "head" },
      element("span", { class: `state ${status.state} silence-${status.state}` }, status.state),
      element("span", { class: "quiet" }, ...when), ...links),
    element("div", { class: "tags" }, ...silence.matchers.map((m) => element("span", { class: "tag" }, matcherText(m)))),
    element("dl", {}, element("dt", {}, "By"), element("dd", {}, silence.createdBy),
      element("dt", {}, "Comment"), element("dd", {}, silence.comment)));
}

function expireButton(silence, changed) {
  const button = element("button", { type: "button", class: "bad" }, "Expire");
  let asked = false;
  button.addEventListener("click", async () => {
    if (!asked) {
      asked = true;
      button.textContent = "Really expire?";
      setTimeout(() => { asked = false; button.textContent = "Expire"; }, 4000);
      return;
    }
    try {
      await ask(`silence/${silence.id}`, { method: "DELETE" });
      changed();
    } catch (error) {
      button.replaceWith(element("span", { class: "error", role: "alert" }, error.message));
    }
  });
  return button;
}

export async function showSilences(view, query, navigate, refresh) {
  const filters = query.getAll("filter");
  const chosen = STATES.includes(query.get("state")) ? query.get("state") : "active";
  const go = (texts, state) => navigate(`#/silences?${new URLSearchParams([["state", state], ...texts.map((t) => ["filter", t])])}`);
  const tabs = element("div", { class: "tags", role: "group", "aria-label": "State" });
  const result = element("div", { role: "list", "aria-live": "polite" });
  view.replaceChildren(element("h1", {}, "Silences"),
    matcherBar(filters, (texts) => go(texts, chosen), "Filter by matcher").node, tabs, result);
  try {
    const silences = await ask(`silences?${new URLSearchParams(filters.map((t) => ["filter", t]))}`);
    const of = (state) => silences.filter((silence) => silence.status.state === state);
    tabs.replaceChildren(...STATES.map((state) => element("button",
      { type: "button", "aria-pressed": String(state === chosen), onclick: () => go(filters, state) },
      `${state} (${of(state).length})`)));
    const shown = of(chosen);
    result.replaceChildren(...shown.slice(0, MOST).map((silence) => silenceBox(silence, refresh)));
    if (!shown.length) result.append(element("p", { class: "quiet" }, `No ${chosen} silences.`));
    if (shown.length > MOST) result.append(element("p", { class: "quiet" }, `… and ${shown.length - MOST} more: filter them.`));
  } catch (error) {
    fail(result, error);
  }
}

// Alerts that these matchers match, under a heading.
async function preview(place, matchers) {
  if (!matchers.length) return place.replaceChildren();
  try {
    const query = new URLSearchParams(matchers.map((m) => ["filter", matcherText(m)]));
    const alerts = await ask(`alerts?${query}`);
    const count = `${alerts.length} affected alert${alerts.length === 1 ? "" : "s"}`;
    place.replaceChildren(element("h2", {}, count),
      element("div", { role: "list" }, ...alerts.slice(0, MOST).map((alert) => alertRow(alert, () => {}))));
  } catch (error) {
    fail(place, error);
  }
}

export async function showSilence(view, id, refresh) {
  try {
    const silence = await ask(`silence/${id}`);
    const affected = element("div");
    view.replaceChildren(element("h1", {}, "Silence"), silenceBox(silence, refresh),
      element("dl", {}, element("dt", {}, "Id"), element("dd", {}, silence.id),
        element("dt", {}, "Starts"), element("dd", {}, time(silence.startsAt)),
        element("dt", {}, "Ends"), element("dd", {}, time(silence.endsAt)),
        element("dt", {}, "Updated"), element("dd", {}, time(silence.updatedAt))), affected);
    await preview(affected, silence.matchers);
  } catch (error) {
    fail(view, new Error(`Silence ${id}: ${error.message}`));
  }
}

const local = (date) => new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);

export async function showForm(view, id, query, navigate) {
  let known = null;
  try {
    if (id) known = await ask(`silence/${id}`);
  } catch (error) {
    return fail(view, new Error(`Silence ${id}: ${error.message}`));
  }
  const fresh = !known || known.status.state === "expired";
  const start = fresh ? new Date() : new Date(known.startsAt);
  const end = fresh ? new Date(+start + 7200000) : new Date(known.endsAt);
  const texts = known ? known.matchers.map(matcherText) : query.getAll("matcher");
  const starts = element("input", { type: "datetime-local", step: 1, value: local(start), required: true });
  const ends = element("input", { type: "datetime-local", step: 1, value: local(end), required: true });
  const lasts = element("input", { value: showDuration((end - start) / 1000).replace(" ", ""), required: true });
  // Start, end and duration are one thing: whichever is changed, another follows.
  lasts.addEventListener("input", () => {
    const seconds = readDuration(lasts.value);
    lasts.setCustomValidity(seconds > 0 ? "" : "write a duration such as 2h30m");
    if (seconds > 0) ends.value = local(new Date(+new Date(starts.value) + seconds * 1000));
  });
  const follow = () => { lasts.value = showDuration((new Date(ends.value) - new Date(starts.value)) / 1000).replace(" ", ""); };
  ends.addEventListener("input", follow);
  starts.addEventListener("input", follow);
  const author = element("input", { required: true, value: known?.createdBy ?? localStorage.getItem("author") ?? "" });
  const comment = element("textarea", { required: true, rows: 3 }, known?.comment ?? "");
  const affected = element("div", { "aria-live": "polite" });
  const problem = element("div", { class: "error", role: "alert" });
  const bar = matcherBar(texts, () => affected.replaceChildren(), "Matchers: alerts that match all of them are silenced");
  const form = element("form", { onsubmit: send },
    element("div", { class: "row" },
      element("label", {}, element("span", {}, "Start"), starts),
      element("label", {}, element("span", {}, "Duration"), lasts),
      element("label", {}, element("span", {}, "End"), ends)),
    bar.node,
    element("div", { class: "row" }, element("label", { class: "grow" }, element("span", {}, "Creator"), author)),
    element("label", {}, element("span", {}, "Comment"), comment),
    element("div", { class: "row" },
      element("button", { type: "button", onclick: () => bar.add() && preview(affected, bar.texts.map(parseMatcher)) }, "Preview alerts"),
      element("button", { class: "main" }, fresh ? "Create" : "Save")),
    problem);

  async function send(event) {
    event.preventDefault();
    if (!bar.add()) return;
    problem.textContent = "";
    if (!bar.texts.length) {
      problem.textContent = "At least one matcher is needed.";
      return;
    }
    localStorage.setItem("author", author.value);
    const sameStart = !fresh && starts.value === local(start);
    const body = {
      id: fresh ? undefined : known.id,
      matchers: bar.texts.map(parseMatcher),
      startsAt: sameStart ? known.startsAt : new Date(starts.value).toISOString(),
      endsAt: new Date(ends.value).toISOString(),
      createdBy: author.value,
      comment: comment.value,
      annotations: known?.annotations ?? {},
    };
    try {
      const made = await ask("silences", { method: "POST", body });
      navigate(`#/silences/${made.silenceID}`);
    } catch (error) {
      problem.textContent = error.message;
    }
  }
  view.replaceChildren(element("h1", {}, fresh ? "New silence" : "Change silence"), form, affected);
}
