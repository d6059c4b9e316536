import { clock } from "./clock.js";
import { heatmap, line, rule, scatter, SPAN_ALPHA, spans } from "./draw.js";
import { barFrames, profileFrames, tileFrames } from "./frames.js";
import { atOrBefore, duration, moment, ramp, scale, words } from "./scales.js";
// What a panel can show. Each kind: begin (new data), height, draw, and the pointer events that it wants.

const inside = (box, at) => at.x >= box.left - 4 && at.x <= box.right + 4 && at.y >= box.top - 8 && at.y <= box.bottom + 4;

function extent(lists, log) {
  let lo = Infinity, hi = -Infinity;
  for (const list of lists) for (const v of list) if (Number.isFinite(v) && (!log || v > 0)) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
  return lo > hi ? null : [lo, hi];
}

function padded([lo, hi], log) {
  if (log) return lo === hi ? [lo / 2, hi * 2] : [lo / (hi / lo) ** 0.03, hi * (hi / lo) ** 0.06];
  if (hi === lo) return hi > 0 ? [0, 2 * hi] : [hi - 1, hi + 1];
  const gap = (hi - lo) * 0.05;
  return [lo - gap, hi + gap];
}

function widest(g, labels, font) {
  g.font = font;
  return Math.max(0, ...labels.map((text) => g.measureText(text).width));
}

/** Where the cursor stands on the x axis, which may count tokens or seconds rather than steps. */
function cursorX(p) {
  const { steps, cursor_x: xs } = p.header;
  if (clock.step === null || !steps.length) return null;
  return xs[atOrBefore(steps, clock.step)];
}

/** Moves the clock to the snapshot whose x is nearest. */
function jump(p, x) {
  const { steps, cursor_x: xs, run } = p.header;
  if (!steps.length) return;
  let best = 0;
  xs.forEach((v, i) => { if (Math.abs(v - x) < Math.abs(xs[best] - x)) best = i; });
  window.dispatchEvent(new CustomEvent("strobe:seek", { detail: { run, step: steps[best] } }));
}

/** The run whose curve passes within a few pixels of a place, or undefined. */
function near(p, at) {
  const x = p.scales.sx.inverse(at.x);
  let best = 7, run;
  for (const s of p.series) {
    if (p.view.hidden.has(s.of || s.label) || !s.x.length) continue;
    const k = atOrBefore(s.x, x), after = Math.min(k + 1, s.x.length - 1);
    const share = s.x[after] > s.x[k] ? Math.min(1, Math.max(0, (x - s.x[k]) / (s.x[after] - s.x[k]))) : 0;
    const high = p.scales.sy(s.y[k]) + share * (p.scales.sy(s.y[after]) - p.scales.sy(s.y[k]));
    // Of two at the same place, the one that was drawn on top.
    if (Math.abs(high - at.y) <= best) [best, run] = [Math.abs(high - at.y), s.run];
  }
  return run;
}

export const curves = {
  begin(p, fresh) {
    p.series = p.header.series.map((s, i) => ({ ...s, x: p.arrays["x" + i], y: p.arrays["y" + i] }));
    if (fresh) p.view = { hidden: new Set(), zoom: p.header.zoom };
    this.legend(p);
  },
  legend(p) {
    p.legend.replaceChildren(...p.series.filter((s) => !s.of).map((s) => {
      const item = document.createElement("button");
      const mark = document.createElement("i"), value = document.createElement("b");
      mark.style.borderTop = `2px ${s.dash ? "dashed" : "solid"} ${s.colour}`;
      item.append(mark, s.label, value);
      item.className = p.view.hidden.has(s.label) ? "off" : "";
      item.title = "Show or hide";
      item.onclick = () => {
        p.view.hidden.has(s.label) ? p.view.hidden.delete(s.label) : p.view.hidden.add(s.label);
        this.legend(p);
        p.draw();
      };
      s.value = value;
      return item;
    }), ...(p.header.spans || []).map(({ label, colour }) => {
      const item = document.createElement("span"), swatch = document.createElement("i");
      swatch.style.cssText = `display:inline-block;width:12px;height:10px;margin-right:5px;opacity:${3 * SPAN_ALPHA};background:${colour}`;
      item.append(swatch, label);
      return item;
    }));
  },
  height: (p) => p.header.height,
  draw(p, g, width) {
    const { header, look } = p, shown = p.series.map((s) => ({ ...s, hidden: p.view.hidden.has(s.of || s.label) }));
    const seen = shown.filter((s) => !s.hidden);
    const xr = p.view.zoom || header.domain || extent(seen.map((s) => s.x)) || [0, 1];
    const within = seen.map((s) => s.y.filter((_, i) => s.x[i] >= xr[0] && s.x[i] <= xr[1]));
    const yr = extent(within, header.log) || extent(seen.map((s) => s.y), header.log) || [header.log ? 1 : 0, 10];
    const y = padded(yr, header.log);
    if (header.share) { y[0] = Math.min(y[0], 0); y[1] = Math.max(y[1], 1.04); }
    const rows = header.marks.reduce((most, m) => (m.y === undefined ? Math.max(most, m.row + 1) : most), 0);
    p.plot = { left: 54, right: width - 14, top: 14 + 14 * rows, bottom: header.height - 26 };
    if (header.spans) spans(g, p.plot, header.spans, { lo: xr[0], hi: xr[1], log: false });
    p.scales = line(g, p.plot, {
      x: { lo: xr[0], hi: xr[1], log: false, unit: header.unit }, y: { lo: y[0], hi: y[1], log: header.log },
      series: shown, marks: header.marks.filter((m) => !p.view.hidden.has(m.of)),
    }, look);
    const at = cursorX(p);
    if (at !== null) rule(g, p.plot, p.scales.sx(at), look);
    if (p.view.drag) {
      g.fillStyle = look.primary; g.globalAlpha = 0.14;
      g.fillRect(Math.min(p.view.drag.from, p.view.drag.to), p.plot.top, Math.abs(p.view.drag.to - p.view.drag.from), p.plot.bottom - p.plot.top);
      g.globalAlpha = 1;
    }
    for (const s of p.series) if (s.value) s.value.textContent = at === null || !s.x.length ? "" : words(s.y[atOrBefore(s.x, at)]);
  },
  pointermove(p, event, at) {
    if (p.view.drag) { p.view.drag.to = Math.max(p.plot.left, Math.min(p.plot.right, at.x)); p.draw(); }
    if (!inside(p.plot, at)) return p.hideTip();
    const x = p.scales.sx.inverse(at.x), rows = [];
    for (const s of p.series) {
      if (s.of || p.view.hidden.has(s.label) || !s.x.length) continue;
      const k = atOrBefore(s.x, x), near = k + 1 < s.x.length && s.x[k + 1] - x < x - s.x[k] ? k + 1 : k;
      rows.push([`${s.label}  ${words(s.y[near])}`, s.colour]);
    }
    const { unit, x_name: name } = p.header;
    const where = unit === "s" ? duration(x) : unit === "clock" ? moment(x, 1) : `${name} ${words(name === "epoch" ? x : Math.round(x))}`;
    p.showTip([[where], ...rows], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
  pointerdown(p, event, at) {
    if (event.button !== 0 || !inside(p.plot, at)) return;
    p.canvas.setPointerCapture(event.pointerId);
    p.view.drag = { from: at.x, to: at.x };
  },
  pointerup(p, event, at) {
    const drag = p.view.drag;
    p.view.drag = null;
    if (!drag) return;
    if (Math.abs(drag.to - drag.from) < 5) {
      p.draw();
      const run = near(p, at);
      return run && run !== p.header.run ? p.send("chosen", run) : jump(p, p.scales.sx.inverse(at.x));
    }
    const ends = [p.scales.sx.inverse(drag.from), p.scales.sx.inverse(drag.to)].sort((a, b) => a - b);
    p.view.zoom = ends;
    p.draw();
    p.send("window", [...ends, p.header.subject]);
  },
  dblclick(p) {
    if (!p.view.zoom) return;
    p.view.zoom = null;
    p.draw();
    p.send("window", null);
  },
};

export const grid = {
  begin(p) {
    p.bytes = p.arrays.values;
    this.legend(p);
  },
  legend(p) {
    p.table = ramp(p.header.map === "diverging" ? p.look.diverging : p.look.sequential);
    const bar = document.createElement("span");
    bar.className = "bar";
    bar.style.background = `linear-gradient(to right, ${(p.header.map === "diverging" ? p.look.diverging : p.look.sequential).join(",")})`;
    p.legend.replaceChildren(p.header.low, bar, p.header.high);
  },
  height: (p) => 12 + p.header.rows.length * p.header.row_height + 28,
  draw(p, g, width) {
    const { header, look } = p, { rows, columns } = header;
    const gutter = Math.min(150, Math.ceil(widest(g, rows, look.font)) + 14);
    p.plot = { left: gutter, right: width - 14, top: 12, bottom: 12 + rows.length * header.row_height };
    heatmap(g, p.plot, p.bytes, rows.length, columns.length, p.table, 0);
    g.font = look.font;
    g.textBaseline = "middle";
    g.textAlign = "right";
    const high = header.row_height, named = Math.ceil(12 / high);
    rows.forEach((name, i) => {
      const at = p.plot.top + (i + 0.5) * high, on = header.picked.includes(i);
      g.fillStyle = on ? look.text : look.muted;
      if (on || i % named === 0) g.fillText(name, gutter - 8, at);
      if (on) { g.fillStyle = look.primary; g.fillRect(gutter - 5, p.plot.top + i * high + 1, 3, high - 2); }
      if (i && named === 1) { g.strokeStyle = look.background; g.lineWidth = 1; g.beginPath(); g.moveTo(p.plot.left, p.plot.top + i * high); g.lineTo(p.plot.right, p.plot.top + i * high); g.stroke(); }
    });
    const n = columns.length, wide = (p.plot.right - p.plot.left) / n, every = Math.max(1, Math.ceil(64 / wide));
    g.textAlign = "center";
    g.textBaseline = "top";
    g.fillStyle = look.muted;
    for (let i = 0; i < n; i += every) g.fillText(words(columns[i]), p.plot.left + (i + 0.5) * wide, p.plot.bottom + 7);
    if (clock.step !== null && n) rule(g, p.plot, p.plot.left + (atOrBefore(columns, clock.step) + 0.5) * wide, look);
  },
  cell(p, at) {
    const { rows, columns } = p.header;
    const i = Math.floor((at.y - p.plot.top) / p.header.row_height);
    const j = Math.floor(((at.x - p.plot.left) / (p.plot.right - p.plot.left)) * columns.length);
    return i >= 0 && i < rows.length && j < columns.length ? { i, j: Math.max(-1, j) } : null;
  },
  pointermove(p, event, at) {
    const cell = this.cell(p, at);
    p.canvas.style.cursor = cell ? "pointer" : "default";
    if (!cell || at.x < p.plot.left) return p.hideTip();
    const value = p.arrays.exact[cell.i * p.header.columns.length + cell.j];
    const text = Number.isNaN(value) ? "not recorded" : words(value);
    p.showTip([[`${p.header.rows[cell.i]}, step ${words(p.header.columns[cell.j])}`], [`${p.header.quantity}  ${text}`]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
  pointerup(p, event, at) {
    const cell = this.cell(p, at);
    if (cell) p.send("picked", { row: p.header.rows[cell.i], nonce: event.timeStamp });
  },
};

export const attention = {
  begin(p) { this.legend(p); },
  legend(p) {
    p.table = ramp(p.look.sequential);
    if (p.header.plain) return p.legend.replaceChildren();
    const bar = document.createElement("span");
    bar.className = "bar";
    bar.style.background = `linear-gradient(to right, ${p.look.sequential.join(",")})`;
    p.legend.replaceChildren("0", bar, p.header.root ? "1 (square-root scale)" : "1");
  },
  geometry(p, width) {
    const { layers, heads, tokens } = p.header, left = layers > 1 ? 30 : 0;
    const labels = tokens.length <= 12 && (width - left) / heads >= 90 ? 36 : 0;
    // Many layers share the height of a screen; one head can be drawn large elsewhere.
    const high = p.header.tallest ? p.header.tallest / layers - (labels ? 42 : 28) : Infinity;
    const cell = Math.max(24, Math.min(p.header.widest || 190, (width - left) / heads - labels - 16, Math.max(48, high)));
    return { left, labels, cell, across: cell + labels + 16, down: cell + 22 + (labels ? 20 : 6) };
  },
  height(p, width) { return this.geometry(p, width).down * p.header.layers + 4; },
  draw(p, g, width) {
    const { layers, heads, tokens } = p.header, { left, labels, cell, across, down } = this.geometry(p, width), n = tokens.length;
    const size = layers * heads * n * n, from = p.frame * size;
    g.font = p.look.font;
    for (let l = 0; l < layers; l++) for (let h = 0; h < heads; h++) {
      const x = left + h * across + labels, y = 20 + l * down, at = from + (l * heads + h) * n * n;
      const box = { left: x, right: x + cell, top: y, bottom: y + cell };
      heatmap(g, box, p.arrays.values.subarray(at, at + n * n), n, n, p.table, 0);
      g.fillStyle = p.look.text; g.textAlign = "left"; g.textBaseline = "alphabetic";
      g.fillText(p.header.label || (layers > 1 ? `L${l} H${h}` : `head ${h}`), x, y - 6);
      if (labels) this.ticks(p, g, box, tokens, cell / n);
    }
  },
  ticks(p, g, box, tokens, step) {
    g.fillStyle = p.look.muted;
    tokens.forEach((text, i) => {
      g.textAlign = "right"; g.textBaseline = "middle";
      g.fillText(text, box.left - 5, box.top + (i + 0.5) * step);
      g.textAlign = "center"; g.textBaseline = "top";
      g.fillText(text, box.left + (i + 0.5) * step, box.bottom + 4);
    });
  },
  pointermove(p, event, at) {
    const { layers, heads, tokens } = p.header, { left, labels, cell, across, down } = this.geometry(p, p.box.clientWidth), n = tokens.length;
    const h = Math.floor((at.x - left) / across), l = Math.floor(at.y / down);
    const key = Math.floor(((at.x - left - h * across - labels) / cell) * n), query = Math.floor(((at.y - 20 - l * down) / cell) * n);
    if (h < 0 || h >= heads || l < 0 || l >= layers || key < 0 || key >= n || query < 0 || query >= n) return p.hideTip();
    const value = p.arrays.values[((p.frame * layers + l) * heads + h) * n * n + query * n + key];
    const tail = value === 0 ? "masked: a later token" : `weight ${words(((value - 1) / 254) ** (p.header.root ? 2 : 1), 2)}`;
    p.showTip([[p.header.label || `layer ${l}, head ${h}`], [`${tokens[query]} looks at ${tokens[key]}`], [tail]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};

export const embedding = {
  begin(p) {
    p.legend.replaceChildren();
    const table = ramp(p.header.colours), n = p.header.labels.length;
    p.colours = Array.from({ length: n }, (_, i) => {
      const place = p.header.places ? p.header.places[i] : i / Math.max(1, n), v = table[Math.round(255 * Math.max(0, place))];
      // A token that is no residue has no place round the circle.
      if (place < 0) return p.look.muted;
      return `rgb(${v & 255},${(v >> 8) & 255},${(v >> 16) & 255})`;
    });
    p.reach = Math.max(...p.arrays.points.map((v) => (Number.isFinite(v) ? Math.abs(v) : 0))) * 1.06 || 1;
  },
  height: (p, width) => Math.min(width, p.header.height),
  draw(p, g, width) {
    const n = p.header.labels.length, high = this.height(p, width), side = Math.min(width, high), mid = width / 2;
    const sx = scale(-p.reach, p.reach, mid - side / 2 + 8, mid + side / 2 - 8), sy = scale(-p.reach, p.reach, high - 8, 8);
    p.points = p.arrays.points.subarray(p.frame * 2 * n, (p.frame + 1) * 2 * n);
    p.scales = { sx, sy };
    g.strokeStyle = p.look.grid; g.lineWidth = 1;
    g.beginPath(); g.moveTo(sx(-p.reach), sy(0)); g.lineTo(sx(p.reach), sy(0)); g.moveTo(sx(0), sy(-p.reach)); g.lineTo(sx(0), sy(p.reach)); g.stroke();
    const box = { left: 0, right: width, top: 0, bottom: high };
    scatter(g, box, p.points, p.colours, p.header.labels, (i) => (i % p.header.label_every === 0 && i + p.header.label_every / 2 < n) || i === n - 1, sx, sy, p.look);
  },
  pointermove(p, event, at) {
    let best = -1, far = 144;
    for (let i = 0; i < p.points.length / 2; i++) {
      const d = (p.scales.sx(p.points[2 * i]) - at.x) ** 2 + (p.scales.sy(p.points[2 * i + 1]) - at.y) ** 2;
      if (d < far) { far = d; best = i; }
    }
    if (best < 0) return p.hideTip();
    p.showTip([[`token ${p.header.labels[best]}`, p.colours[best]]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};

export const kinds = { curves, grid, attention, embedding, bars: barFrames, tiles: tileFrames, profile: profileFrames };
