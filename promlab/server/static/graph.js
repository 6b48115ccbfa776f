import { element, seriesText } from "./pages.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000, HEIGHT = 420, LEFT = 70, BOTTOM = 30, TOP = 10;
const COLORS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999999"];
const MAX_LINES = 500;

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

// A line breaks where a step has no value.
function line(values, x, y, step) {
  let path = "", last = -Infinity;
  for (const [t, text] of values) {
    const value = Number(text.replace("Inf", "Infinity"));
    if (!Number.isFinite(value)) continue;
    path += `${t - last > 1.5 * step ? "M" : "L"}${x(t).toFixed(1)},${y(value).toFixed(1)}`;
    last = t;
  }
  return path;
}

export function graph(result, start, end, step) {
  if (!result.length) return element("p", {}, "No data.");
  const shown = result.slice(0, MAX_LINES);
  let low = Infinity, high = -Infinity;
  for (const { values = [] } of shown) {
    for (const [, text] of values) {
      const value = Number(text);
      if (Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
    }
  }
  if (low > high) [low, high] = [0, 1];
  if (low === high) [low, high] = [low - 1, high + 1];
  const x = (t) => LEFT + ((t - start) / (end - start || 1)) * (WIDTH - LEFT - 10);
  const y = (v) => TOP + (1 - (v - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  for (let i = 0; i <= 5; i++) {
    const value = low + ((high - low) * i) / 5, t = start + ((end - start) * i) / 5;
    svg.append(shape("line", { class: "grid", x1: LEFT, x2: WIDTH - 10, y1: y(value), y2: y(value) }));
    svg.append(shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, number(value)));
    const clock = new Date(t * 1000).toLocaleTimeString();
    svg.append(shape("text", { x: x(t), y: HEIGHT - 8, "text-anchor": i === 5 ? "end" : "middle" }, clock));
  }
  const legend = element("ul", { class: "legend" });
  shown.forEach(({ metric, values = [] }, i) => {
    const color = COLORS[i % COLORS.length], name = seriesText(metric);
    const path = shape("path", { d: line(values, x, y, step), fill: "none", stroke: color });
    path.append(shape("title", {}, name));
    svg.append(path);
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = color;
    legend.append(element("li", {}, swatch, name));
  });
  return element("div", {}, svg, legend);
}
