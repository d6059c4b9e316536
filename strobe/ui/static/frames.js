import { bars, heatmap } from "./draw.js";
import { ramp, words } from "./scales.js";
// Kinds that show one frame a snapshot and follow the clock: bars, and tiles of heatmaps with one colour scale.

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
  geometry(p, width) {
    const { labels, rows, columns, across } = p.header, many = Math.min(across, labels.length);
    const wide = Math.min(p.header.widest, width / many - 12), high = Math.max(24, Math.min(p.header.tallest, (wide * rows) / columns));
    return { many, wide, high, right: wide + 12, down: high + (labels.length > 1 ? 26 : 10) };
  },
  height(p, width) {
    const { many, down } = this.geometry(p, width);
    return Math.ceil(p.header.labels.length / many) * down;
  },
  draw(p, g, width) {
    const { labels, rows, columns } = p.header, { many, wide, high, right, down } = this.geometry(p, width), size = rows * columns;
    g.font = p.look.font;
    labels.forEach((label, k) => {
      const x = (k % many) * right, y = Math.floor(k / many) * down + (labels.length > 1 ? 18 : 4);
      const at = (p.frame * labels.length + k) * size;
      heatmap(g, { left: x, right: x + wide, top: y, bottom: y + high }, p.arrays.values.subarray(at, at + size), rows, columns, p.table);
      if (labels.length === 1) return;
      g.fillStyle = p.look.text; g.textAlign = "left"; g.textBaseline = "alphabetic";
      g.fillText(label, x, y - 5, wide);
    });
  },
  pointermove(p, event, at) {
    const { labels, rows, columns, axes, low_value: low, high_value: high } = p.header;
    const { many, wide, high: tall, right, down } = this.geometry(p, p.box.clientWidth);
    const across = Math.floor(at.x / right), k = Math.floor(at.y / down) * many + across;
    const j = Math.floor(((at.x - across * right) / wide) * columns);
    const i = Math.floor(((at.y - Math.floor(at.y / down) * down - (labels.length > 1 ? 18 : 4)) / tall) * rows);
    if (across >= many || k >= labels.length || i < 0 || i >= rows || j < 0 || j >= columns) return p.hideTip();
    const shade = p.arrays.values[(p.frame * labels.length + k) * rows * columns + i * columns + j];
    const scaleOf = p.arrays.scale ? p.arrays.scale[p.frame] : 1;
    p.showTip([[labels[k]], [`${axes[0]} ${p.header.row_bin * i}, ${axes[1]} ${p.header.column_bin * j}`],
      [`about ${words(scaleOf * (low + (shade / 255) * (high - low)), 2)}`]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};
