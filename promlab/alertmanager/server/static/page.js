// Finds the view for the address, shows it, and shows lists anew from time to time.

import { element } from "./dom.js";
import { showAlerts } from "./alerts.js";
import { showForm, showSilence, showSilences } from "./silences.js";
import { showStatus } from "./status.js";

const REFRESH_MS = 30000;
const view = document.getElementById("view");

const navigate = (hash) => { location.hash = hash; };

function parts() {
  const [path, search = ""] = (location.hash.slice(1) || "/alerts").split(/\?(.*)/s);
  return { path, query: new URLSearchParams(search) };
}

async function show() {
  const { path, query } = parts();
  for (const link of document.querySelectorAll("nav a[href^='#']")) {
    const here = path.startsWith(link.getAttribute("href").slice(1)) && !link.classList.contains("button");
    here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  const silence = /^\/silences\/([0-9a-f-]{36})(\/edit)?$/.exec(path);
  if (path === "/alerts") return showAlerts(view, query, navigate);
  if (path === "/silences") return showSilences(view, query, navigate, show);
  if (path === "/silences/new") return showForm(view, null, query, navigate);
  if (silence?.[2]) return showForm(view, silence[1], query, navigate);
  if (silence) return showSilence(view, silence[1], show);
  if (path === "/status") return showStatus(view);
  view.replaceChildren(element("p", {}, "There is no such page. ", element("a", { href: "#/alerts" }, "Alerts")));
}

addEventListener("hashchange", () => { show(); view.focus(); });
setInterval(() => {
  const { path } = parts();
  // Nothing that somebody is typing into is replaced.
  const typing = view.contains(document.activeElement) && document.activeElement !== view;
  if (document.visibilityState === "visible" && path === "/alerts" && !typing) show();
}, REFRESH_MS);
show();
