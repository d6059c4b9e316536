import { drawBars } from "../draw.js";
import { value } from "../readings.js";
// Bars with one scale for all frames.

export const bars = {
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
    const { sx, sy } = drawBars(g, p.plot, values, p.top, (i) => (picked.has(i) ? header.colour : look.muted), look, header.labels);
    g.fillStyle = look.text; g.textAlign = "center"; g.textBaseline = "bottom";
    for (const i of header.marked) if (Number.isFinite(values[i])) g.fillText(header.labels[i], sx(i + 0.5), sy(values[i]) - 2);
    p.count = n;
  },
  pointermove(p, event, at) {
    const i = Math.floor(((at.x - p.plot.left) / (p.plot.right - p.plot.left)) * p.count);
    if (i < 0 || i >= p.count || at.y < p.plot.top) return p.hideTip();
    p.showTip([[`${p.header.what} ${p.header.labels[i]}, ${p.when}`], [`${p.header.quantity}  ${value(this.values(p)[i])}`]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};
