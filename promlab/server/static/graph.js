// A graph of a range answer: lines or stacked areas, a pointer that tells values, zoom by dragging.

import { element, seriesText } from "./pages.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000, HEIGHT = 420, LEFT = 70, RIGHT = 10, BOTTOM = 30, TOP = 10;
const COLORS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999999", "#cc6611", "#7755bb", "#44aa88"];
const DASHES = ["none", "6 3", "2 3"]; // told apart when the colours begin again, and without them
const MAX_LINES = 500;
const MAX_TOLD = 12;

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function number(value) {
  return Math.abs(value) >= 1e4 || (value && Math.abs(value) < 1e-3)
    ? value.toExponential(2) : String(+value.toPrecision(4));
}

const read = (text) => Number(text.replace("Inf", "Infinity"));

// Values on the grid of steps, NaN where there is none.
function columns(result, start, step, count) {
  return result.map(({ values = [] }) => {
    const row = new Float64Array(count).fill(NaN);
    for (const [t, text] of values) {
      const at = Math.round((t - start) / step);
      if (at >= 0 && at < count) row[at] = read(text);
    }
    return row;
  });
}

function stack(rows) {
  const sums = new Float64Array(rows[0].length);
  return rows.map((row) => row.map((value, i) => (Number.isFinite(value) ? (sums[i] += value) : NaN)));
}

function extent(rows, floor) {
  let low = floor, high = -Infinity;
  for (const row of rows) {
    for (const value of row) {
      if (Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
    }
  }
  if (low > high) return [0, 1];
  return low === high ? [low - 1, high + 1] : [low, high];
}

// A line breaks where a step has no value.
function path(row, x, y) {
  let text = "", broken = true;
  row.forEach((value, i) => {
    if (!Number.isFinite(value)) { broken = true; return; }
    text += `${broken ? "M" : "L"}${x(i).toFixed(1)},${y(value).toFixed(1)}`;
    broken = false;
  });
  return text;
}

function axes(svg, low, high, start, end, y) {
  const long = end - start > 86400;
  for (let i = 0; i <= 5; i++) {
    const value = low + ((high - low) * i) / 5, at = LEFT + ((WIDTH - LEFT - RIGHT) * i) / 5;
    svg.append(shape("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, number(value)));
    const moment = new Date((start + ((end - start) * i) / 5) * 1000);
    const told = long ? moment.toLocaleString() : moment.toLocaleTimeString();
    svg.append(shape("text", { x: at, y: HEIGHT - 8, "text-anchor": i === 5 ? "end" : "middle" }, told));
  }
}

// Follows the pointer: a line, and the values there; a drag chooses a stretch of time.
function pointer(svg, told, { rows, names, hidden, start, step, count, x, zoom }) {
  const mark = shape("line", { class: "mark", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const chosen = shape("rect", { class: "chosen", y: TOP, height: HEIGHT - TOP - BOTTOM, visibility: "hidden" });
  svg.append(chosen, mark);
  let from = null;
  const step_at = (event) => {
    const box = svg.getBoundingClientRect(), scale = Math.max(WIDTH / box.width, HEIGHT / box.height);
    const inside = (event.clientX - box.left - (box.width - WIDTH / scale) / 2) * scale;
    const share = (inside - LEFT) / (WIDTH - LEFT - RIGHT);
    return Math.max(0, Math.min(count - 1, Math.round(share * (count - 1))));
  };
  svg.addEventListener("pointermove", (event) => {
    const at = step_at(event);
    mark.setAttribute("x1", x(at));
    mark.setAttribute("x2", x(at));
    mark.setAttribute("visibility", "visible");
    const found = rows.map((row, i) => [row[at], names[i]])
      .filter(([value], i) => Number.isFinite(value) && !hidden.has(i))
      .sort(([a], [b]) => b - a);
    const lines = found.slice(0, MAX_TOLD).map(([value, name]) => `${number(value)}  ${name}`);
    if (found.length > MAX_TOLD) lines.push(`and ${found.length - MAX_TOLD} more`);
    told.textContent = [new Date((start + at * step) * 1000).toLocaleString(), ...lines].join("\n");
    if (from !== null) {
      const [a, b] = [Math.min(from, at), Math.max(from, at)];
      chosen.setAttribute("x", x(a));
      chosen.setAttribute("width", x(b) - x(a));
      chosen.setAttribute("visibility", "visible");
    }
  });
  svg.addEventListener("pointerdown", (event) => { from = step_at(event); svg.setPointerCapture(event.pointerId); });
  svg.addEventListener("pointerup", (event) => {
    const at = step_at(event), began = from;
    from = null;
    chosen.setAttribute("visibility", "hidden");
    if (began !== null && Math.abs(at - began) > 1) zoom(start + Math.min(began, at) * step, start + Math.max(began, at) * step);
  });
  svg.addEventListener("pointerleave", () => { mark.setAttribute("visibility", "hidden"); told.textContent = ""; });
}

export function graph(result, start, end, step, { stacked = false, zoom = () => {} } = {}) {
  if (!result.length) return element("p", {}, "No data.");
  const shown = result.slice(0, MAX_LINES);
  const count = Math.max(2, Math.floor((end - start) / step) + 1);
  const rows = columns(shown, start, step, count);
  const drawn = stacked ? stack(rows) : rows;
  const [low, high] = extent(drawn, stacked ? 0 : Infinity);
  const x = (i) => LEFT + (i / (count - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const names = shown.map(({ metric }) => seriesText(metric));
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${result.length} series` });
  axes(svg, low, high, start, end, y);
  const hidden = new Set(), legend = element("ul", { class: "legend" });
  names.forEach((name, i) => {
    const color = COLORS[i % COLORS.length];
    const line = shape("path", { d: path(drawn[i], x, y), fill: "none", stroke: color, "stroke-width": stacked ? 2.5 : 1.5, "stroke-dasharray": DASHES[Math.floor(i / COLORS.length) % DASHES.length] });
    line.append(shape("title", {}, name));
    svg.append(line);
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = color;
    const button = element("button", { type: "button", class: "link", "aria-pressed": "true" }, swatch, name);
    button.addEventListener("click", () => {
      const hide = !hidden.has(i);
      hide ? hidden.add(i) : hidden.delete(i);
      line.setAttribute("visibility", hide ? "hidden" : "visible");
      button.setAttribute("aria-pressed", String(!hide));
    });
    legend.append(element("li", {}, button));
  });
  const told = element("pre", { class: "told" });
  pointer(svg, told, { rows, names, hidden, start, step, count, x, zoom });
  const more = result.length > MAX_LINES ? [element("p", {}, `${MAX_LINES} of ${result.length} series drawn`)] : [];
  return element("div", { class: "graph" }, svg, told, ...more, legend);
}
