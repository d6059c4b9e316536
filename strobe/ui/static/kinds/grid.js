import { clock } from "../clock.js";
import { colourBar, coloursOf, heatmap, rule } from "../draw.js";
import { brief, fitted, shortened } from "../text.js";
import { value } from "../readings.js";
import { atOrBefore, ramp, words } from "../scales.js";
// Rows by snapshots as a heatmap; a click on a row picks it.

function widest(g, labels, font) {
  g.font = font;
  return Math.max(0, ...labels.map((text) => g.measureText(shortened(text)).width));
}

export const grid = {
  begin(p) {
    p.bytes = p.arrays.values;
    p.brief = brief(p.header.rows);
    this.legend(p);
  },
  legend(p) {
    const colours = coloursOf(p.look, p.header.map);
    p.table = ramp(colours);
    const half = Math.floor(colours.length / 2), middle = p.header.middle;
    const bars = middle ? [colourBar(colours.slice(0, half + 1)), middle, colourBar(colours.slice(-half - 1))] : [colourBar(colours)];
    p.legend.replaceChildren(p.header.low, ...bars, p.header.high);
  },
  height: (p) => 12 + p.header.rows.length * p.header.row_height + 28,
  draw(p, g, width) {
    const { header, look } = p, { rows, columns } = header;
    const most = Math.max(150, 0.3 * width), names = widest(g, rows, look.font) + 14 > most ? p.brief : rows;
    const gutter = Math.min(most, Math.ceil(widest(g, names, look.font)) + 14);
    p.plot = { left: gutter, right: width - 14, top: 12, bottom: 12 + rows.length * header.row_height };
    heatmap(g, p.plot, p.bytes, rows.length, columns.length, p.table, 0);
    g.font = look.font;
    g.textBaseline = "middle";
    g.textAlign = "right";
    const high = header.row_height, named = Math.ceil(12 / high);
    names.forEach((name, i) => {
      const at = p.plot.top + (i + 0.5) * high, on = header.picked.includes(i);
      g.fillStyle = on ? look.text : look.muted;
      if (on || i % named === 0) g.fillText(fitted(g, name, gutter - 8), gutter - 8, at);
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
    const own = cell.i * p.header.columns.length + cell.j;
    const text = p.arrays.recorded[own] ? value(p.arrays.exact[own]) : "not recorded";
    p.showTip([[`${p.header.rows[cell.i]}, step ${words(p.header.columns[cell.j])}`], [`${p.header.quantity}  ${text}`]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
  pointerup(p, event, at) {
    const cell = this.cell(p, at);
    if (cell) p.send("picked", { row: p.header.rows[cell.i], nonce: event.timeStamp });
  },
};
