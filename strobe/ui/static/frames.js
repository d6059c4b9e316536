import { bars, heatmap, line } from "./draw.js";
import { ramp, words } from "./scales.js";
// Kinds that show one frame a snapshot and follow the clock: bars, lines over an axis that is not the step, and tiles
// of heatmaps with one colour scale.

export const barFrames = {
  begin(p) {
    p.legend.replaceChildren();
    const finite = p.arrays.values.filter((v) => Number.isFinite(v));
    // One scale for all frames: what grows is then seen to grow.
    p.top = finite.reduce((most, v) => Math.max(most, v), 0) * 1.05 || 1;
  },
  height: (p) => p.header.height,
  values(p) {
    const n = p.header.labels.length;
    return p.arrays.values.subarray(p.frame * n, (p.frame + 1) * n);
  },
  draw(p, g, width) {
    const { header, look } = p, n = header.labels.length;
    p.plot = { left: 54, right: width - 10, top: 18, bottom: header.height - 26 };
    const values = this.values(p), picked = new Set(header.marked);
    const { sx, sy } = bars(g, p.plot, values, p.top, (i) => (picked.has(i) ? header.colour : look.muted), look, header.labels);
    g.fillStyle = look.text; g.textAlign = "center"; g.textBaseline = "bottom";
    for (const i of header.marked) if (Number.isFinite(values[i])) g.fillText(header.labels[i], sx(i + 0.5), sy(values[i]) - 2);
    p.count = n;
  },
  pointermove(p, event, at) {
    const i = Math.floor(((at.x - p.plot.left) / (p.plot.right - p.plot.left)) * p.count);
    if (i < 0 || i >= p.count || at.y < p.plot.top) return p.hideTip();
    p.showTip([[`${p.header.what} ${p.header.labels[i]}`], [`${p.header.quantity}  ${words(this.values(p)[i])}`]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};

export const tileFrames = {
  begin(p) { this.legend(p); },
  legend(p) {
    const colours = p.header.map === "diverging" ? p.look.diverging : p.look.sequential;
    p.table = ramp(colours);
    const bar = document.createElement("span");
    bar.className = "bar";
    bar.style.background = `linear-gradient(to right, ${colours.join(",")})`;
    p.legend.replaceChildren(p.header.low, bar, p.header.high);
  },
  /** The names above the tiles, which may say something of each frame. */
  names: (p) => (p.header.frame_labels ? p.header.frame_labels[p.frame] : p.header.labels.length > 1 ? p.header.labels : null),
  geometry(p, width) {
    const { labels, rows, columns, across } = p.header, many = Math.min(across, labels.length);
    const wide = Math.min(p.header.widest, width / many - 12), high = Math.max(24, Math.min(p.header.tallest, (wide * rows) / columns));
    return { many, wide, high, right: wide + 12, head: this.names(p) ? 18 : 4, down: high + (this.names(p) ? 26 : 10) };
  },
  height(p, width) {
    const { many, down } = this.geometry(p, width);
    return Math.ceil(p.header.labels.length / many) * down;
  },
  draw(p, g, width) {
    const { labels, rows, columns } = p.header, { many, wide, high, right, down, head } = this.geometry(p, width), size = rows * columns;
    const names = this.names(p);
    if (p.header.frame_labels) p.canvas.setAttribute("aria-label", `${p.header.alt}: ${names.join("; ")}`);
    g.font = p.look.font;
    labels.forEach((_, k) => {
      const x = (k % many) * right, y = Math.floor(k / many) * down + head;
      const at = (p.frame * labels.length + k) * size;
      heatmap(g, { left: x, right: x + wide, top: y, bottom: y + high }, p.arrays.values.subarray(at, at + size), rows, columns, p.table);
      if (!names) return;
      g.fillStyle = p.look.text; g.textAlign = "left"; g.textBaseline = "alphabetic";
      g.fillText(names[k], x, y - 5, wide);
    });
  },
  pointermove(p, event, at) {
    const { labels, rows, columns, axes, low_value: low, high_value: high } = p.header;
    const { many, wide, high: tall, right, down, head } = this.geometry(p, p.box.clientWidth);
    const across = Math.floor(at.x / right), k = Math.floor(at.y / down) * many + across;
    const j = Math.floor(((at.x - across * right) / wide) * columns);
    const i = Math.floor(((at.y - Math.floor(at.y / down) * down - head) / tall) * rows);
    if (across >= many || k >= labels.length || i < 0 || i >= rows || j < 0 || j >= columns) return p.hideTip();
    const shade = p.arrays.values[(p.frame * labels.length + k) * rows * columns + i * columns + j];
    // Where each tile has a scale of its own at each step, it travels with the frames.
    const own = p.frame * labels.length + k, [least, most] = p.arrays.low ? [p.arrays.low[own], p.arrays.high[own]] : [low, high];
    p.showTip([[labels[k]], [`${axes[0]} ${p.header.row_bin * i}, ${axes[1]} ${p.header.column_bin * j}`],
      [`about ${words(least + (shade / 255) * (most - least), 2)}`]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};

/** Lines y over x for each frame, `count` points each; x is the same for all frames or has a value for each y. Axes
 * hold for all frames; `ghosts` are steps whose first line stays behind, faint. */
export const profileFrames = {
  begin(p) {
    const { x, y } = p.arrays, low = p.header.log ? 1e-7 * y.reduce((most, v) => (v > most ? v : most), 0) : -Infinity;
    p.own = x.length === y.length;
    p.ends = [x, y].map((list, axis) => {
      let lo = Infinity, hi = -Infinity;
      for (const v of list) if (Number.isFinite(v) && (!axis || !p.header.log || v > low)) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
      return lo > hi ? [p.header.log && axis ? 0.1 : 0, 1] : lo === hi ? [lo - Math.abs(lo) / 2 - (lo ? 0 : 1), hi + Math.abs(hi) / 2 + (hi ? 0 : 1)] : [lo, hi];
    });
    const [lo, hi] = p.ends[1];
    p.ends[1] = p.header.log ? [lo / (hi / lo) ** 0.03, hi * (hi / lo) ** 0.06] : [Math.min(0, lo), hi + (hi - lo) * 0.05];
    this.legend(p);
  },
  legend(p) {
    const { lines, ghosts } = p.header, entries = lines.length > 1 || ghosts.length ? [...lines] : [];
    for (const ghost of ghosts) entries.push({ label: `step ${words(ghost)}`, colour: p.look.muted, faint: true });
    p.legend.replaceChildren(...entries.map(({ label, colour, faint }) => {
      const item = document.createElement("span"), mark = document.createElement("i");
      mark.style.cssText = `display:inline-block;vertical-align:middle;margin-right:6px;border-top:2px ${faint ? "dotted" : "solid"} ${colour}`;
      item.append(mark, label);
      return item;
    }));
  },
  height: (p) => p.header.height,
  points(p, frame, k) {
    const { count, lines } = p.header, at = (frame * lines.length + k) * count, x = [], y = [];
    for (let i = 0; i < count; i++) {
      const value = p.arrays.y[at + i], place = p.arrays.x[p.own ? at + i : i];
      if (Number.isFinite(value) && Number.isFinite(place) && (!p.header.log || value > p.ends[1][0])) { x.push(place); y.push(value); }
    }
    return { x, y };
  },
  draw(p, g, width) {
    const { header, look } = p, [[x0, x1], [y0, y1]] = p.ends;
    p.plot = { left: 54, right: width - 14, top: 14, bottom: header.height - 26 };
    const faint = header.ghosts.map((step) => ({ ...this.points(p, header.steps.indexOf(step), 0), colour: look.muted, dash: true }));
    p.now = header.lines.map((one, k) => ({ ...one, ...this.points(p, p.frame, k) }));
    p.scales = line(g, p.plot, { x: { lo: x0, hi: x1, unit: "" }, y: { lo: y0, hi: y1, log: header.log }, series: [...faint, ...p.now], marks: [] }, look);
  },
  pointermove(p, event, at) {
    if (at.x < p.plot.left - 4 || at.x > p.plot.right + 4 || at.y < p.plot.top) return p.hideTip();
    const x = p.scales.sx.inverse(at.x), rows = [];
    let where = x;
    for (const { x: xs, y: ys, label, colour } of p.now) {
      if (!xs.length || (p.own && (x < xs[0] || x > xs[xs.length - 1]))) continue;
      const k = xs.reduce((best, v, i) => (Math.abs(v - x) < Math.abs(xs[best] - x) ? i : best), 0);
      if (!p.own) where = xs[k];
      rows.push([`${label}  ${words(ys[k])}`, colour]);
    }
    p.showTip([[`${p.header.x_name} ${words(where, 3)}`], ...rows], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};
