import { colourBar, coloursOf, heatmap, nothing } from "../draw.js";
import { fitted } from "../text.js";
import { between } from "../readings.js";
import { ramp, words } from "../scales.js";
// Heatmaps side by side with one map of colours.

/** What a shade leaves open of the number between `least` and `most` that it stands for. Where the scale is open-ended
 * 0 is no number, and the two ends stand for all beyond them as well. */
export function ofShade(shade, least, most, open) {
  if (open && shade === 0) return "not finite";
  const [first, steps] = open ? [1, 254] : [0, 255];
  const at = (v) => least + (Math.max(0, Math.min(steps, v - first)) / steps) * (most - least);
  if (open && shade === 1) return `${words(at(1.5), 2)} or less`;
  if (open && shade === 255) return `${words(at(254.5), 2)} or more`;
  return between(at(shade - 0.5), at(shade + 0.5));
}

export const tiles = {
  begin(p) { this.legend(p); },
  legend(p) {
    const colours = coloursOf(p.look, p.header.map);
    p.table = ramp(colours);
    p.legend.replaceChildren(p.header.low, colourBar(colours), p.header.high);
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
      const box = { left: x, right: x + wide, top: y, bottom: y + high }, own = p.arrays.values.subarray(at, at + size);
      heatmap(g, box, own, rows, columns, p.table, p.header.open_ended ? 0 : null);
      if (p.header.open_ended && own.every((shade) => shade === 0)) nothing(g, box, "no value is finite", p.look);
      if (!names) return;
      g.fillStyle = p.look.text; g.textAlign = "left"; g.textBaseline = "alphabetic";
      g.fillText(fitted(g, names[k], wide), x, y - 5);
    });
  },
  pointermove(p, event, at) {
    const { labels, rows, columns, axes, row_bin: down_bin, column_bin: across_bin, low_value: low, high_value: high } = p.header;
    const { many, wide, high: tall, right, down, head } = this.geometry(p, p.box.clientWidth);
    const across = Math.floor(at.x / right), k = Math.floor(at.y / down) * many + across;
    const j = Math.floor(((at.x - across * right) / wide) * columns);
    const i = Math.floor(((at.y - Math.floor(at.y / down) * down - head) / tall) * rows);
    if (across >= many || k >= labels.length || i < 0 || i >= rows || j < 0 || j >= columns) return p.hideTip();
    const shade = p.arrays.values[(p.frame * labels.length + k) * rows * columns + i * columns + j];
    // Where each tile has a scale of its own at each step, it travels with the frames.
    const own = p.frame * labels.length + k, [least, most] = p.arrays.low ? [p.arrays.low[own], p.arrays.high[own]] : [low, high];
    const mean = down_bin * across_bin > 1 ? "mean of the bin from here on: " : "";
    p.showTip([[`${labels[k]}, ${p.when}`], [`${axes[0]} ${down_bin * i}, ${axes[1]} ${across_bin * j}`],
      [mean + ofShade(shade, least, most, p.header.open_ended)]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};
