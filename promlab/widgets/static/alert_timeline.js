// When alerts were pending and firing: a bar a stretch of time, a row an alert.

const BEAT_MS = 10000;
const [ROW, LEFT, WIDTH, TOP] = [26, 320, 1000, 22];

function node(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const label = ({ alertname = "", ...rest }) =>
  [alertname, ...Object.entries(rest).map(([name, value]) => `${name}=${value}`)].join(" ");

function render({ model, el }) {
  const problem = document.createElement("div");
  problem.className = "problem";
  const place = document.createElement("div");
  el.classList.add("promlab-alerts");
  el.append(problem, place);

  function show() {
    problem.textContent = model.get("problem");
    const [rows, spans] = [model.get("rows"), model.get("spans")];
    const [start, end] = [model.get("start_ms"), model.get("end_ms")];
    if (!rows.length) {
      place.replaceChildren(Object.assign(document.createElement("p"), { textContent: "No alerts in this time." }));
      return;
    }
    const x = (t) => LEFT + ((t - start) / Math.max(1, end - start)) * (WIDTH - LEFT);
    const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${TOP + rows.length * ROW + 4}`, role: "img", "aria-label": "Alert timeline" });
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const t = start + part * (end - start);
      svg.append(node("line", { class: "axis", x1: x(t), x2: x(t), y1: TOP, y2: TOP + rows.length * ROW }));
      const anchor = part === 1 ? "end" : part === 0 ? "start" : "middle";
      svg.append(node("text", { x: x(t), y: 14, "text-anchor": anchor }, new Date(t).toLocaleTimeString()));
    }
    rows.forEach((labels, i) => {
      const text = label(labels);
      const short = text.length > 44 ? `${text.slice(0, 43)}…` : text;
      const shown = node("text", { x: 0, y: TOP + i * ROW + 17 }, short);
      shown.append(node("title", {}, text));
      svg.append(shown);
    });
    for (const { row, state, start_ms: from, end_ms: to } of spans) {
      const bar = node("rect", { class: state, x: x(from), y: TOP + row * ROW + 4, width: Math.max(2, x(to) - x(from)), height: ROW - 8, rx: 3 });
      bar.append(node("title", {}, `${state}: ${new Date(from).toLocaleString()} – ${new Date(to).toLocaleString()}`));
      svg.append(bar);
    }
    place.replaceChildren(svg);
  }

  const traits = ["rows", "spans", "start_ms", "end_ms", "problem"].map((name) => `change:${name}`);
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
