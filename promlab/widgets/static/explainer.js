// Draws a scene, and tells the kernel what was dragged or chosen. Nothing is worked out here.
// All words reach the page as text nodes.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function shape(tag, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

class Picture {
  constructor(model, el) {
    this.model = model;
    this.number = 0;
    this.waiting = new Map(); // what was moved while the kernel was still at the last move
    this.handles = new Map();
    this.selects = new Map();
    el.classList.add("promlab-explainer");
    this.title = element("div", "", { class: "promlab-title" });
    this.legend = element("div", "", { class: "promlab-legend" });
    this.svg = shape("svg", { role: "group" });
    this.marks = shape("g");
    this.grips = shape("g");
    this.svg.append(this.marks, this.grips);
    this.controls = element("div", "", { class: "promlab-controls" });
    this.table = element("table");
    this.verdict = element("div", "", { class: "promlab-verdict", role: "status", "aria-live": "polite" });
    this.listing = element("pre", "", { class: "promlab-listing" });
    el.append(this.title, this.legend, this.svg, this.controls, this.table, this.verdict, this.listing);
    this.draw();
  }

  x(at) {
    const [width, , left, right] = this.scene.size;
    const { low, high } = this.scene.x;
    return left + ((at - low) / (high - low)) * (width - left - right);
  }

  y(at) {
    const [, height, , , top, bottom] = this.scene.size;
    const { low, high } = this.scene.y;
    return height - bottom - ((at - low) / (high - low)) * (height - top - bottom);
  }

  draw() {
    this.scene = this.model.get("scene");
    const [width, height] = this.scene.size;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("aria-label", this.scene.title);
    this.title.textContent = this.scene.title;
    this.legend.replaceChildren(
      ...this.scene.legend.map(([tone, text]) => element("span", text, { class: `tone-${tone}` })),
    );
    this.marks.replaceChildren(...this.axes(), ...this.scene.marks.flatMap((mark) => this.mark(mark)));
    this.drawHandles();
    this.drawControls();
    this.drawRows();
    this.verdict.textContent = this.scene.verdict;
    this.listing.textContent = this.scene.listing;
    this.listing.hidden = !this.scene.listing;
  }

  axes() {
    const [width, height, left, right, top, bottom] = this.scene.size;
    const foot = height - bottom;
    const parts = [shape("path", { d: `M${left} ${top}V${foot}H${width - right}`, class: "axis" })];
    for (const [at, text] of this.scene.x.ticks) {
      parts.push(shape("text", { x: this.x(at), y: foot + 16, "text-anchor": "middle" }, text));
    }
    for (const [at, text] of this.scene.y.ticks) {
      parts.push(shape("text", { x: left - 6, y: this.y(at) + 4, "text-anchor": "end" }, text));
    }
    const middle = (left + width - right) / 2;
    parts.push(shape("text", { x: middle, y: height - 8, "text-anchor": "middle" }, this.scene.x.label));
    return parts;
  }

  mark({ kind, tone, points, text, dashed }) {
    const [width, height, left, right, top, bottom] = this.scene.size;
    const foot = height - bottom;
    const look = { class: `tone-${tone}${dashed ? " dashed" : ""}` };
    if (kind === "line") {
      const path = points.map(([x, y]) => `${this.x(x)},${this.y(y)}`).join(" ");
      return [shape("polyline", { ...look, points: path })];
    }
    if (kind === "points") {
      return points.map(([x, y]) => shape("circle", { ...look, cx: this.x(x), cy: this.y(y), r: 4 }));
    }
    if (kind === "bars" || kind === "band") {
      return points.map(([x0, x1, high]) => {
        const y = kind === "band" ? top : this.y(high);
        const box = { x: this.x(x0), y, width: Math.max(0, this.x(x1) - this.x(x0)), height: Math.max(0, foot - y) };
        return shape("rect", { class: `${look.class} ${kind}`, ...box });
      });
    }
    if (kind === "across") {
      const y = this.y(points[0][0]);
      return [
        shape("path", { ...look, d: `M${left} ${y}H${width - right}` }),
        shape("text", { ...look, x: left + 4, y: y - 4 }, text),
      ];
    }
    const x = this.x(points[0][0]);
    return [
      shape("path", { ...look, d: `M${x} ${top}V${foot}` }),
      shape("text", { ...look, x: x + 4, y: top + 12 }, text),
    ];
  }

  /** Handles stay the same elements: one that is held must not go from under the pointer. */
  drawHandles() {
    const names = new Set(this.scene.handles.map((handle) => handle.name));
    for (const [name, grip] of this.handles) {
      if (!names.has(name)) {
        grip.remove();
        this.handles.delete(name);
      }
    }
    for (const handle of this.scene.handles) {
      if (!this.handles.has(handle.name)) this.handles.set(handle.name, this.makeHandle(handle.name));
      this.place(this.handles.get(handle.name), handle, this.held === handle.name ? this.heldAt : handle.at);
    }
  }

  makeHandle(name) {
    const grip = shape("g", { class: "handle", role: "slider", tabindex: "0", "data-name": name });
    grip.append(shape("path"), shape("rect", { width: 14, height: 20, rx: 3 }), shape("text"));
    const at = (event) => {
      const [width, , left, right] = this.scene.size;
      const box = this.svg.getBoundingClientRect();
      const { low, high } = this.scene.x;
      const inside = ((event.clientX - box.left) / box.width) * width;
      return low + ((inside - left) / (width - left - right)) * (high - low);
    };
    grip.onpointerdown = (event) => {
      grip.setPointerCapture(event.pointerId);
      this.held = name;
      this.heldAt = this.find(name).at;
      grip.focus();
      event.preventDefault();
    };
    grip.onpointermove = (event) => this.held === name && this.move(name, at(event));
    grip.onpointerup = grip.onpointercancel = () => {
      this.held = null;
    };
    grip.onkeydown = (event) => {
      const { at: now, low, high, step } = this.find(name);
      const far = (high - low) / 10;
      const to = {
        ArrowRight: now + step, ArrowUp: now + step, ArrowLeft: now - step, ArrowDown: now - step,
        PageUp: now + far, PageDown: now - far, Home: low, End: high,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation(); // the notebook has the arrow keys otherwise
      this.move(name, to);
    };
    this.grips.append(grip);
    return grip;
  }

  find(name) {
    return this.scene.handles.find((handle) => handle.name === name);
  }

  place(grip, handle, at) {
    const [, height, , , top, bottom] = this.scene.size;
    const x = this.x(at);
    const foot = height - bottom;
    const [line, knob, text] = grip.children;
    line.setAttribute("d", `M${x} ${top}V${foot}`);
    knob.setAttribute("x", x - 7);
    knob.setAttribute("y", foot - 10);
    const far = x > 620;
    const row = this.scene.handles.findIndex((other) => other.name === handle.name) % 2;
    text.setAttribute("x", far ? x - 9 : x + 9);
    text.setAttribute("y", foot - 14 - 14 * row);
    text.setAttribute("text-anchor", far ? "end" : "start");
    text.textContent = handle.label;
    for (const [name, value] of [
      ["aria-label", handle.label], ["aria-valuemin", handle.low], ["aria-valuemax", handle.high],
      ["aria-valuenow", at], ["aria-valuetext", handle.text],
    ]) grip.setAttribute(name, value);
  }

  move(name, to) {
    const handle = this.find(name);
    const steps = Math.round((to - handle.low) / handle.step);
    const at = Math.min(handle.high, Math.max(handle.low, handle.low + steps * handle.step));
    if (at === handle.at) return;
    handle.at = at; // at once; the numbers follow when the kernel has answered
    if (this.held === name) this.heldAt = at;
    this.place(this.handles.get(name), handle, at);
    this.tell(name, at);
  }

  /** One message at a time; of what is moved meanwhile, the newest place of each is kept. */
  tell(name, value) {
    this.waiting.set(name, value);
    this.sendNext();
  }

  sendNext() {
    const isBusy = this.number > this.model.get("seen") && this.sentAt > Date.now() - 2000;
    if (isBusy || !this.waiting.size) return;
    const [name, value] = this.waiting.entries().next().value;
    this.waiting.delete(name);
    this.number = Math.max(this.number, this.model.get("seen")) + 1;
    this.sentAt = Date.now();
    this.model.send({ kind: "set", name, value, number: this.number });
  }

  drawControls() {
    const names = this.scene.controls.map((control) => control.name).join();
    if (this.controls.dataset.names !== names) {
      this.controls.dataset.names = names;
      this.selects.clear();
      this.controls.replaceChildren(...this.scene.controls.map((control) => this.makeControl(control)));
    }
    for (const control of this.scene.controls) {
      const { select, note } = this.selects.get(control.name);
      select.value = control.value;
      note.textContent = control.note;
      note.className = control.good === true ? "good" : control.good === false ? "bad" : "";
    }
  }

  makeControl({ name, label, options }) {
    const holder = element("label");
    const select = element("select");
    for (const option of options) select.append(element("option", option || "choose…", { value: option }));
    select.onchange = () => this.tell(name, select.value);
    select.onkeydown = (event) => event.stopPropagation();
    const note = element("span");
    holder.append(element("span", label), select, note);
    this.selects.set(name, { select, note });
    return holder;
  }

  drawRows() {
    const body = element("tbody");
    for (const [what, number, why] of this.scene.rows) {
      const row = body.insertRow();
      row.append(element("th", what, { scope: "row" }), element("td", number), element("td", why));
    }
    this.table.replaceChildren(body);
    this.table.hidden = !this.scene.rows.length;
  }
}

function render({ model, el }) {
  const picture = new Picture(model, el);
  const draw = () => picture.draw();
  const answered = () => picture.sendNext();
  model.on("change:scene", draw);
  model.on("change:seen", answered);
  return () => {
    model.off("change:scene", draw);
    model.off("change:seen", answered);
  };
}

export default { render };
