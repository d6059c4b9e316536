import { busy, clock, drawn, follow } from "../clock.js";
import { prepare } from "../draw.js";
import { lookOf } from "../look.js";
import { matcher } from "../matching.js";
import { atOrBefore, unpack, words } from "../scales.js";
import { columnsIn, inSight, placed, rangeIn, readWhole, sections, SIZES } from "./model.js";
import { MANY, nearestPoint, over, plot, runNear } from "./plot.js";
import { difference, rank, showReadout, stroke, whereWords } from "./readout.js";
// The grid of charts: only those in sight are asked for and drawn; one range of x, one crosshair, one table for all.

const KEPT = "strobe:board", ASK_MS = 25, REST_MS = 40, AGAIN_MS = 3000;
const KEYS = "<kbd>Tab</kbd> to a chart, then <kbd>←</kbd> <kbd>→</kbd> crosshair, <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>,</kbd> <kbd>.</kbd> pan, " +
  "<kbd>0</kbd> all, <kbd>P</kbd> pin, <kbd>L</kbd> log, <kbd>Enter</kbd> step cursor here. Drag to zoom all, up or down for one chart.";
const boards = new WeakMap();

class Board {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector(".board");
    this.grid = root.querySelector(".grid");
    this.dock = root.querySelector(".dock");
    this.at = (name) => root.querySelector(`[data-at=${name}]`);
    this.data = new Map();
    this.tiles = new Map();
    this.opened = new Set();
    this.folded = new Set();
    this.n = Date.now();
    this.full = null;
    this.place = null;
    this.hover = null;
    this.look = null;
    this.listen();
  }

  listen() {
    this.stopFollowing = follow(() => this.clockMoved());
    this.resizing = new ResizeObserver(() => { this.arrange(); this.drawAll(); });
    this.resizing.observe(this.box);
    this.onScroll = () => { this.scrolling ||= requestAnimationFrame(() => { this.scrolling = 0; this.arrange(); }); };
    document.addEventListener("scroll", this.onScroll, { capture: true, passive: true });
    this.onKey = (event) => this.pageKey(event);
    window.addEventListener("keydown", this.onKey);
    this.dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.onTheme = () => setTimeout(() => { this.theme = null; this.drawAll(); this.readout(); }, 60);
    this.dark.addEventListener("change", this.onTheme);
    this.themed = new MutationObserver(this.onTheme);
    const wrapper = (this.root.host || this.root).parentElement;
    if (wrapper) this.themed.observe(wrapper, { attributes: true, attributeFilter: ["class"] });
    this.at("filter").oninput = (event) => { this.look.filter = event.target.value; this.arrange(true); this.changed(300); };
    this.at("reset").onclick = () => this.zoomTo(null);
    this.at("range").onchange = ({ target }) => {
      const range = rangeIn(target.value);
      if (range || !target.value.trim()) this.zoomTo(range);
      else this.pressed();
    };
    this.at("clip").onclick = () => { this.look.clip = !this.look.clip; this.changed(); this.drawAll(); };
    for (const name of ["columns", "size"]) this.at(name).onclick = (event) => {
      if (!event.target.value) return;
      this.look[name] = event.target.value;
      this.keep();
      this.arrange(true);
      this.drawAll();
      this.changed();
    };
  }

  /** What the server sent: charts, a reading, at first the names of all charts and what a link asks for. */
  update(bytes, send) {
    this.send = send;
    const { header, arrays } = unpack(bytes);
    if (header.n === this.n) this.waiting = 0;
    if (this.subject !== header.subject) { this.subject = header.subject; this.full = null; }
    if (header.frame) this.framed(header.frame);
    if (!this.look || this.arrived !== header.arrived) this.adopt(header);
    for (const [key, chart] of Object.entries(header.charts)) this.took(key, chart, arrays);
    if (header.reading) this.reading = { ...header.reading, subject: header.subject, arrays };
    if (!this.frame) return this.ask(0);
    this.arrange(true);
    this.drawAll();
    this.readout();
  }

  framed(frame) {
    this.frame = frame;
    this.titles = new Map(frame.runs);
    this.charts = frame.charts.map(([key, title, section, points, log, splits]) => ({ key, title, section, points, log, splits }));
    this.byKey = new Map(this.charts.map((chart) => [chart.key, chart]));
    this.clockMoved(false);
  }

  /** What a link has; where it says nothing, what this browser had last. */
  adopt(header) {
    this.arrived = header.arrived;
    let kept = {};
    try { kept = JSON.parse(localStorage.getItem(KEPT) || "{}"); } catch { /* a browser that keeps nothing */ }
    const list = (value) => (Array.isArray(value) ? value.filter((key) => typeof key === "string") : []);
    const { look } = header;
    this.look = {
      ...look, columns: look.columns || (["1", "2", "3"].includes(kept.columns) ? kept.columns : ""),
      size: look.size || (SIZES[kept.size] ? kept.size : "medium"), pin: look.pin ?? list(kept.pin),
    };
    this.place = this.look.at;
    this.at("filter").value = this.look.filter;
  }

  keep() {
    const { columns, size, pin } = this.look;
    try { localStorage.setItem(KEPT, JSON.stringify({ columns, size, pin })); } catch { /* a browser that keeps nothing */ }
  }

  took(key, chart, arrays) {
    chart.lines = chart.lines.map((line, k) => ({
      ...line, x: arrays[`${chart.name}x${k}`], y: arrays[`${chart.name}y${k}`], steps: arrays[`${chart.name}s${k}`] || arrays[`${chart.name}x${k}`],
    }));
    const whole = chart.window === null;
    for (const { x } of whole ? chart.lines : []) if (x.length) {
      this.full = this.full ? [Math.min(this.full[0], x[0]), Math.max(this.full[1], x[x.length - 1])] : [x[0], x[x.length - 1]];
    }
    for (const { lost } of whole ? chart.lines : []) for (const [start, end] of lost) {
      this.full = this.full ? [Math.min(this.full[0], start), Math.max(this.full[1], end)] : [start, end];
    }
    this.data.set(key, { ...chart, subject: this.subject });
  }

  get theme() { return (this.themeNow ??= lookOf(this.box)); }
  set theme(_) { this.themeNow = null; }
  get range() { return this.look.zoom || this.full || [0, 1]; }
  get hidden() { return new Set(this.look.hide); }
  isLog(chart) { return (chart.log || this.look.log.includes(chart.key)) && !this.look.linear.includes(chart.key); }

  // ---- where things stand

  arrange(anew = false) {
    if (!this.frame) return;
    const wide = this.box.clientWidth;
    if (!wide) return;
    const narrow = wide < 860;
    this.box.classList.toggle("narrow", narrow);
    const width = this.grid.clientWidth, columns = columnsIn(width, this.look.columns), { size } = this.look;
    const made = [width, columns, size].join();
    if (anew || made !== this.madeFor) {
      this.madeFor = made;
      const list = sections(this.charts, matcher(this.look.filter), this.look.pin);
      this.layout = placed(list, width, columns, size, this.opened, this.folded);
      this.grid.style.height = `${this.layout.height}px`;
      const found = list.reduce((sum, { list: own }) => sum + own.length, 0);
      this.at("many").textContent = found ? `${found === this.charts.length ? "" : `${found.toLocaleString("en")} of `}${this.charts.length.toLocaleString("en")} chart${this.charts.length === 1 ? "" : "s"}` : "No metric has this in its name.";
      this.pressed();
    }
    const top = -this.grid.getBoundingClientRect().top;
    const shown = inSight(this.layout.items, top, top + window.innerHeight), keys = new Set(shown.map((item) => item.key));
    for (const [key, tile] of this.tiles) if (!keys.has(key) && !tile.contains(this.root.activeElement)) { tile.remove(); this.tiles.delete(key); }
    let before = null;
    for (const item of shown) before = this.stand(item, before);
    this.shown = shown.filter((item) => item.kind === "tile");
    this.active = this.byKey.get(this.active?.key) || this.shown[0]?.chart || this.charts[0];
    this.pump();
  }

  pressed() {
    const { zoom, clip, columns, size } = this.look;
    this.at("reset").hidden = !zoom;
    this.at("range").hidden = Boolean(this.frame?.unit);
    if (this.root.activeElement !== this.at("range")) this.at("range").value = zoom ? zoom.map((end) => words(end, 5)).join(" to ") : "";
    this.at("clip").setAttribute("aria-pressed", String(clip));
    for (const [name, value] of [["columns", columns || String(columnsIn(this.grid.clientWidth, ""))], ["size", size]]) {
      for (const button of this.at(name).children) button.setAttribute("aria-pressed", String(button.value === value));
    }
  }

  /** Puts an item where it belongs, after the one `before` it, so that Tab goes through them in order. */
  stand(item, before) {
    let element = this.tiles.get(item.key);
    if (!element) {
      element = item.kind === "tile" ? this.tile(item) : this.heading(item);
      this.tiles.set(item.key, element);
    }
    if (before ? before.nextSibling !== element : this.grid.firstChild !== element) {
      if (!element.contains(this.root.activeElement)) this.grid.insertBefore(element, before ? before.nextSibling : this.grid.firstChild);
    }
    element.style.cssText = `left:${item.x}px;top:${item.y}px;width:${item.width}px;height:${item.height}px`;
    const same = element.item && element.item.width === item.width && element.item.height === item.height && element.drawn;
    element.item = item;
    if (element.parts && !same) this.drawTile(element);
    return element;
  }

  heading({ kind, name, count }) {
    const made = document.createElement("div"), button = document.createElement("button"), many = document.createElement("span");
    made.className = kind === "head" ? "section" : "more";
    button.textContent = kind === "head" ? name : `Show ${count.toLocaleString("en")} more`;
    many.textContent = kind === "head" ? count.toLocaleString("en") : "";
    if (kind === "head") button.setAttribute("aria-expanded", String(!this.folded.has(name)));
    button.onclick = () => {
      if (kind !== "head") this.opened.add(name);
      else if (!this.folded.delete(name)) this.folded.add(name);
      if (kind === "head") button.setAttribute("aria-expanded", String(!this.folded.has(name)));
      this.arrange(true);
    };
    made.append(button, many);
    return made;
  }

  tile({ chart }) {
    const made = document.createElement("section");
    made.className = "tile";
    made.dataset.chart = chart.key;
    made.tabIndex = 0;
    made.innerHTML = `<div class="name"><b></b><em></em><span class="gap"></span><span class="keysof"></span><button data-at="scale"></button><button data-at="pin">Pin</button><button data-at="files" title="SQL and files of this chart, below the grid">Files</button></div>
      <div class="plot"><canvas role="img"></canvas><canvas class="over" aria-hidden="true"></canvas><div class="wait">reading…</div></div><p class="note"></p>`;
    const part = (wanted) => made.querySelector(wanted);
    made.parts = { title: part("b"), unit: part("em"), keys: part(".keysof"), scale: part("[data-at=scale]"), pin: part("[data-at=pin]"), canvas: part("canvas"), over: part(".over"), note: part(".note"), wait: part(".wait") };
    made.parts.title.textContent = chart.title;
    made.parts.title.title = chart.title;
    made.setAttribute("aria-label", `Chart of ${chart.title}`);
    made.parts.scale.onclick = () => this.toggleLog(chart);
    made.parts.pin.onclick = () => this.togglePin(chart);
    part("[data-at=files]").onclick = () => { this.files = chart.key; this.changed(); };
    made.onkeydown = (event) => this.tileKey(event, chart);
    made.onfocus = () => this.activate(chart);
    for (const name of ["pointermove", "pointerleave", "pointerdown", "pointerup", "dblclick"]) {
      made.parts.over.addEventListener(name, (event) => {
        const box = made.parts.over.getBoundingClientRect();
        this[name](chart, made, event, { x: event.clientX - box.left, y: event.clientY - box.top });
      });
    }
    return made;
  }

  // ---- drawing

  drawAll() {
    if (!this.frame || !this.look) return;
    this.pressed();
    for (const tile of this.tiles.values()) if (tile.parts) this.drawTile(tile);
    drawn("board", clock.step);
  }

  drawTile(tile) {
    const { chart, width } = tile.item || {}, data = chart && this.data.get(chart.key);
    if (!width) return;
    const log = this.isLog(chart), { parts } = tile, height = SIZES[this.look.size] + 14;
    parts.scale.textContent = log ? "log" : "linear";
    parts.scale.setAttribute("aria-label", `${chart.title}: ${log ? "log" : "linear"} axis, press to change`);
    const pinned = this.look.pin.includes(chart.key);
    parts.pin.textContent = pinned ? "Pinned" : "Pin";
    parts.pin.setAttribute("aria-pressed", String(pinned));
    tile.classList.toggle("lit", this.active?.key === chart.key);
    const g = prepare(parts.canvas, width, height);
    tile.drawn = null;
    parts.wait.hidden = Boolean(data);
    if (!data) { prepare(parts.over, width, height); return; }
    const view = { x: this.range, hidden: this.hidden, y: this.look.y[chart.key], clip: this.look.clip, lit: this.litLine || "", frame: this.frame };
    tile.drawn = plot(g, width, height, data, view, this.theme);
    parts.unit.textContent = data.unit.trim();
    parts.canvas.setAttribute("aria-label", data.alt);
    parts.canvas.dataset.token = data.token;
    this.legend(parts.keys, data);
    const said = this.noteOf(data, tile.drawn, chart);
    parts.note.textContent = said;
    parts.note.title = said;
    this.drawOver(tile);
  }

  /** Of few lines of one run, their names; more are told apart in the table. */
  legend(box, data) {
    const mains = data.lines.filter((line) => !line.of), few = mains.length > 1 && new Set(mains.map((line) => line.run)).size === 1;
    box.replaceChildren(...(few ? mains : []).map((line) => {
      const item = document.createElement("span"), mark = document.createElement("i");
      item.className = "key";
      mark.style.cssText = stroke(line);
      item.append(mark, line.split);
      return item;
    }));
  }

  noteOf(data, seen, chart) {
    const parts = [], mains = data.lines.filter((line) => !line.of && !this.hidden.has(line.id));
    if (seen.clipped) parts.push(`Clipped to the middle 98%: ${seen.clipped.beyond.toLocaleString("en")} drawn points beyond, the farthest ${seen.clipped.far}`);
    if (this.look.y[chart.key]) parts.push("y as chosen; double click or 0 for all");
    const runs = new Set(mains.map((line) => line.run)).size;
    if (this.frame.grouped) parts.push(`mean and range of ${runs} runs by ${this.frame.grouped}`);
    else if (mains.length > MANY) parts.push(`mean and range of ${runs} runs`);
    parts.push(...data.notes);
    if (data.shown < data.total) parts.push(`${data.shown.toLocaleString("en")} of ${data.total.toLocaleString("en")} points drawn, with every spike`);
    return parts.join(" · ");
  }

  drawOver(tile) {
    if (!tile.drawn) return;
    const g = prepare(tile.parts.over, tile.item.width, SIZES[this.look.size] + 14), data = this.data.get(tile.item.chart.key);
    const drag = this.drag && (!this.drag.vertical || this.drag.key === tile.item.chart.key) ? this.drag : null;
    over(g, data, tile.drawn, { at: this.crosshair, rest: this.rest, hidden: this.hidden, drag }, this.theme);
  }

  drawOvers() {
    for (const tile of this.tiles.values()) if (tile.parts) this.drawOver(tile);
  }

  // ---- crosshair

  /** Where the step cursor stands on x; null where the run has no snapshots. */
  get rest() {
    const { steps, xs } = this.frame;
    return clock.step === null || clock.run !== this.frame.run || !steps.length ? null : xs[atOrBefore(steps, clock.step)];
  }

  get crosshair() { return this.hover ?? this.place ?? this.rest ?? this.range[1]; }

  clockMoved(read = true) {
    if (!this.frame) return;
    // A click put the crosshair beside the snapshot that the cursor went to.
    if (this.place !== null && this.restWas !== undefined && this.rest !== this.restWas && this.rest !== this.sought) {
      this.place = null;
      this.look && (this.look.at = null);
    }
    this.restWas = this.rest;
    if (!read || !this.look) return;
    this.drawOvers();
    this.readout();
    drawn("board", clock.step);
  }

  point(x, kept) {
    if (kept) { this.place = x; this.look.at = x; this.changed(250); }
    else this.hover = x;
    this.drawOvers();
    this.readout();
  }

  activate(chart) {
    if (this.active?.key === chart.key) return;
    this.active = chart;
    for (const tile of this.tiles.values()) tile.classList.toggle("lit", tile.dataset.chart === chart.key);
    this.readout();
  }

  light(id) {
    this.litLine = id;
    this.drawAll();
  }

  hide(id) {
    const { look } = this;
    look.hide = look.hide.includes(id) ? look.hide.filter((other) => other !== id) : [...look.hide, id];
    this.drawAll();
    this.readout();
    this.changed();
  }

  /** What the lines of the active chart recorded at the crosshair: read here where all their rows are here, else asked. */
  readout() {
    const data = this.active && this.data.get(this.active.key), { frame } = this;
    if (!data || data.subject !== this.subject) return;
    const at = this.crosshair, mains = data.lines.filter((line) => !line.of);
    const here = frame.plain && data.window === null && data.lines.every((line) => line.whole);
    const step = frame.plain ? Math.round(at) : null;
    const sent = !here && this.reading && this.reading.key === this.active.key && this.reading.x === at && this.reading.subject === this.subject ? this.reading : null;
    this.lacksReading = !here && !sent ? [this.active.key, at] : null;
    const entries = mains.map((line) => {
      const found = here ? this.readHere(data, line, step) : sent ? this.readSent(sent, line) : {};
      return { line, run: this.titles.get(line.run) ?? line.run, off: this.hidden.has(line.id), ...found };
    });
    for (const entry of entries) {
      const base = frame.baseline && entries.find((other) => other.line.run === frame.baseline && other.line.split === entry.line.split);
      entry.difference = base && base !== entry ? difference(entry.reading, base.reading) : "";
    }
    entries.sort((a, b) => rank(b.reading) - rank(a.reading));
    const whole = here || sent, asked = here ? step : sent ? sent.step : step;
    showReadout(this.dock, {
      title: data.title, where: `at ${whereWords(frame, at, asked)}`, entries, settled: Boolean(whole), keys: KEYS,
      columns: { run: new Set(mains.map((line) => line.run)).size > 1, baseline: Boolean(frame.baseline) },
      note: frame.smoothed ? `Smoothed over all points: ${frame.smoothed}.` : "",
    }, this);
    if (this.lacksReading) this.ask(REST_MS);
  }

  readHere(data, line, step) {
    const raw = data.lines.find((other) => other.of === line.label && other.id === line.id);
    const reading = readWhole(raw || line, step), over = raw && reading.state === 0 ? readWhole(line, reading.step) : null;
    return { reading, smoothed: over && over.step === reading.step ? over : null };
  }

  readSent({ lines, arrays, step }, line) {
    const k = lines.indexOf(line.id);
    if (k < 0) return {};
    const of = (row) => ({ asked: step, step: arrays.read_step[row], value: arrays.read_value[row], state: arrays.read_state[row] });
    return { reading: of(2 * k), smoothed: this.frame.smoothed ? of(2 * k + 1) : null };
  }

  // ---- asking the server

  changed(wait = 60) {
    this.dirty = true;
    this.ask(wait);
  }

  get lacking() {
    const { zoom } = this.look;
    return (this.shown || []).filter(({ key, chart }) => {
      const data = this.data.get(key);
      if (!data || data.subject !== this.subject || data.log !== this.isLog(chart)) return true;
      if (!data.window && !zoom) return false;
      if (!data.window && data.shown === data.total) return false;
      return !data.window || !zoom || data.window[0] !== zoom[0] || data.window[1] !== zoom[1];
    });
  }

  pump() {
    if (this.lacking.length) this.ask(ASK_MS);
  }

  ask(wait) {
    const due = performance.now() + wait;
    if (this.asking && this.due <= due) return;
    clearTimeout(this.asking);
    this.due = due;
    this.asking = setTimeout(() => { this.asking = 0; this.tell(); }, wait);
  }

  tell() {
    const lacks = this.look ? this.lacking : [];
    const wish = JSON.stringify([lacks.map(({ key }) => key), this.look, this.lacksReading, this.files, this.subject, Boolean(this.frame)]);
    if (this.frame && !lacks.length && !this.dirty && !this.lacksReading) return;
    // The same once more: an answer is on its way, or was lost.
    if (wish === this.wished && this.waiting && performance.now() - this.waiting < AGAIN_MS) return this.ask(AGAIN_MS);
    this.wished = wish;
    this.dirty = false;
    this.waiting = performance.now();
    this.n++;
    const pairs = (items) => items.slice(0, 40).map(({ key, chart }) => [key, this.isLog(chart)]);
    this.send(JSON.stringify({
      n: this.n, subject: this.subject, framed: Boolean(this.frame), seen: pairs(this.shown || []), lacks: pairs(lacks),
      window: this.look?.zoom || null, read: this.lacksReading || null, files: this.files || "", chosen: this.chosen || "", look: this.look,
    }));
    this.chosen = "";
  }

  // ---- looking at it

  zoomTo(range) {
    this.look.zoom = range && range[1] > range[0] ? range : null;
    if (!range) this.look.y = {};
    this.drawAll();
    this.dirty = true;
    this.ask(ASK_MS);
  }

  toggleLog(chart) {
    const log = !this.isLog(chart), without = (list) => list.filter((key) => key !== chart.key);
    this.look.log = log && !chart.log ? [...without(this.look.log), chart.key] : without(this.look.log);
    this.look.linear = !log && chart.log ? [...without(this.look.linear), chart.key] : without(this.look.linear);
    this.changed(ASK_MS);
    this.drawAll();
  }

  togglePin(chart) {
    const { pin } = this.look;
    this.look.pin = pin.includes(chart.key) ? pin.filter((key) => key !== chart.key) : [...pin, chart.key];
    this.keep();
    this.arrange(true);
    this.drawAll();
    this.changed();
  }

  pageKey(event) {
    if (!this.frame || !this.look || busy(event)) return;
    if (event.key === "Escape" && (this.look.zoom || Object.keys(this.look.y).length)) this.zoomTo(null);
    else if (!this.frame.steps.length && /^(Arrow(Left|Right)|Home|End)$/.test(event.key) && this.active) this.step(this.active, event);
    else return;
    event.preventDefault();
  }

  tileKey(event, chart) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "BUTTON" && /^( |Enter)$/.test(event.key)) return;
    const [lo, hi] = this.range, at = Math.min(hi, Math.max(lo, this.crosshair)), span = hi - lo;
    const keys = {
      "+": () => this.zoomTo([at - (at - lo) / 2, at + (hi - at) / 2]), "-": () => this.zoomOut(at), "0": () => this.zoomTo(null),
      ",": () => this.pan(-span / 4), ".": () => this.pan(span / 4), p: () => this.togglePin(chart), l: () => this.toggleLog(chart),
      Enter: () => this.seek(this.crosshair),
    };
    keys["="] = keys["+"];
    const act = keys[event.key] || keys[event.key.toLowerCase()];
    if (act) act();
    else if (!this.step(chart, event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  zoomOut(at) {
    const [lo, hi] = this.range, wide = [at - 2 * (at - lo), at + 2 * (hi - at)], { full } = this;
    this.zoomTo(full && wide[0] <= full[0] && wide[1] >= full[1] ? null : full ? [Math.max(wide[0], full[0]), Math.min(wide[1], full[1])] : wide);
  }

  pan(by) {
    if (!this.look.zoom) return;
    const [lo, hi] = this.look.zoom;
    this.zoomTo([lo + by, hi + by]);
  }

  /** The crosshair to the next drawn row of a chart's first line; shift by ten. */
  step(chart, event) {
    const data = this.data.get(chart.key), line = data?.lines.find((own) => !own.of && own.x.length && !this.hidden.has(own.id));
    if (!line || !/^(Arrow(Left|Right)|Home|End)$/.test(event.key)) return false;
    const last = line.x.length - 1, k = atOrBefore(line.x, this.crosshair), by = event.shiftKey ? 10 : 1;
    const before = line.x[k] < this.crosshair ? k : k - 1;
    const to = { ArrowLeft: before - by + 1, ArrowRight: k + by, Home: 0, End: last }[event.key];
    this.point(line.x[Math.max(0, Math.min(last, to))], true);
    return true;
  }

  seek(x) {
    const { steps, xs, run } = this.frame;
    if (!steps.length) return;
    let best = 0;
    xs.forEach((v, i) => { if (Math.abs(v - x) < Math.abs(xs[best] - x)) best = i; });
    this.sought = xs[best];
    window.dispatchEvent(new CustomEvent("strobe:seek", { detail: { run, step: steps[best] } }));
  }

  // ---- pointer

  pointermove(chart, tile, event, at) {
    if (this.drag) {
      const across = Math.abs(at.x - this.drag.start.x), along = Math.abs(at.y - this.drag.start.y);
      this.drag.vertical = along > 12 && along > 2 * across;
      Object.assign(this.drag, this.drag.vertical ? { from: this.drag.start.y, to: at.y } : { from: this.drag.start.x, to: at.x });
    }
    if (!tile.drawn) return;
    const { box, sx } = tile.drawn;
    this.activate(chart);
    if (at.x < box.left - 4 || at.x > box.right + 4) return this.leaveChart();
    const x = sx.inverse(at.x), close = nearestPoint(this.data.get(chart.key), this.hidden, x);
    this.point(close ? close.x : x, false);
  }

  leaveChart() {
    if (this.hover === null) return;
    this.hover = null;
    this.drawOvers();
    this.readout();
  }

  pointerleave() { if (!this.drag) this.leaveChart(); }

  pointerdown(chart, tile, event, at) {
    if (event.button !== 0 || !tile.drawn) return;
    // A press of the pointer takes no focus: the arrow keys stay the step cursor's.
    event.preventDefault();
    tile.parts.over.setPointerCapture(event.pointerId);
    this.drag = { key: chart.key, start: at, from: at.x, to: at.x, vertical: false };
  }

  pointerup(chart, tile, event, at) {
    const { drag } = this;
    this.drag = null;
    if (!drag || !tile.drawn) return;
    const { box, sx, sy } = tile.drawn, inside = (v, a, b) => Math.max(a, Math.min(b, v));
    if (Math.abs(drag.to - drag.from) < 5) return this.click(chart, tile, at);
    if (drag.vertical) {
      const ends = [drag.from, drag.to].map((y) => sy.inverse(inside(y, box.top, box.bottom)));
      this.look.y = { ...this.look.y, [chart.key]: ends.sort((a, b) => a - b) };
      this.drawAll();
      return this.changed();
    }
    const ends = [drag.from, drag.to].map((x) => sx.inverse(inside(x, box.left, box.right)));
    this.zoomTo(ends.sort((a, b) => a - b));
  }

  click(chart, tile, at) {
    const { box, sx } = tile.drawn;
    this.drawOvers();
    if (at.x < box.left - 4 || at.x > box.right + 4) return;
    const data = this.data.get(chart.key), run = runNear(data, this.hidden, tile.drawn, at);
    const x = sx.inverse(at.x), close = nearestPoint(data, this.hidden, x);
    this.point(close ? close.x : x, true);
    if (run && run !== this.frame.run) { this.chosen = run; this.changed(0); }
    else this.seek(x);
  }

  dblclick() { if (this.look.zoom || Object.keys(this.look.y).length) this.zoomTo(null); }

  dispose() {
    this.stopFollowing();
    this.resizing.disconnect();
    this.themed.disconnect();
    document.removeEventListener("scroll", this.onScroll, { capture: true });
    window.removeEventListener("keydown", this.onKey);
    this.dark.removeEventListener("change", this.onTheme);
    clearTimeout(this.asking);
  }
}

export function mountBoard({ data, parentElement, setStateValue }) {
  let board = boards.get(parentElement);
  if (!board) boards.set(parentElement, (board = new Board(parentElement)));
  board.update(data, (text) => setStateValue("ask", text));
  return () => { board.dispose(); boards.delete(parentElement); };
}
