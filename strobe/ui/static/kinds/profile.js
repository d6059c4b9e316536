import { line, nothing } from "../draw.js";
import { value } from "../readings.js";
import { words } from "../scales.js";
// Lines over an axis that is not the step.

/** Lines y over x for each frame, `count` points each; x is the same for all frames or has a value for each y. Axes
 * hold for all frames; `ghosts` are steps whose first line stays behind, faint. */
export const profile = {
  begin(p) {
    const { x, y } = p.arrays, low = p.header.log ? 1e-7 * y.reduce((most, v) => (v > most ? v : most), 0) : -Infinity;
    p.own = x.length === y.length;
    p.ends = [x, y].map((list, axis) => {
      let lo = Infinity, hi = -Infinity;
      for (const v of list) if (Number.isFinite(v) && (!axis || !p.header.log || v > low)) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
      return lo > hi ? [p.header.log && axis ? 0.1 : 0, 1] : lo === hi ? [lo - Math.abs(lo) / 2 - (lo ? 0 : 1), hi + Math.abs(hi) / 2 + (hi ? 0 : 1)] : [lo, hi];
    });
    const [lo, hi] = p.ends[1];
    p.ends[1] = p.header.log ? [lo / (hi / lo) ** 0.03, hi * (hi / lo) ** 0.06] : p.header.zero ? [Math.min(0, lo), hi + (hi - lo) * 0.05] : [lo - (hi - lo) * 0.05, hi + (hi - lo) * 0.05];
    this.legend(p);
  },
  legend(p) {
    const { lines, ghosts } = p.header, entries = lines.length > 1 || ghosts.length ? [...lines] : [];
    for (const ghost of ghosts) entries.push({ label: `step ${words(ghost)}`, colour: p.look.muted, faint: true });
    p.legend.replaceChildren(...entries.map(({ label, colour, faint, dash }) => {
      const item = document.createElement("span"), mark = document.createElement("i");
      mark.style.cssText = `display:inline-block;vertical-align:middle;margin-right:6px;border-top:2px ${faint ? "dotted" : dash?.length ? "dashed" : "solid"} ${colour}`;
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
    const faint = header.ghosts.map((step) => ({ ...this.points(p, header.steps.indexOf(step), 0), colour: look.muted, dash: [5, 4] }));
    p.now = header.lines.map((one, k) => ({ ...one, ...this.points(p, p.frame, k) }));
    p.scales = line(g, p.plot, { x: { lo: x0, hi: x1, unit: "" }, y: { lo: y0, hi: y1, log: header.log }, series: [...faint, ...p.now], marks: [] }, look);
    if (!p.now.some((one) => one.x.length)) nothing(g, p.plot, "nothing to draw at this step", look);
  },
  pointermove(p, event, at) {
    if (at.x < p.plot.left - 4 || at.x > p.plot.right + 4 || at.y < p.plot.top) return p.hideTip();
    const x = p.scales.sx.inverse(at.x), rows = [];
    let where = null;
    for (const { x: xs, y: ys, label, colour } of p.now) {
      if (!xs.length || (p.own && (x < xs[0] || x > xs[xs.length - 1]))) continue;
      const k = xs.reduce((best, v, i) => (Math.abs(v - x) < Math.abs(xs[best] - x) ? i : best), 0);
      // Where lines have an x of their own each, so has every value.
      if (!p.own) where = xs[k];
      rows.push([`${label}  ${p.own ? `at ${words(xs[k])}: ` : ""}${value(ys[k])}`, colour]);
    }
    const heading = where === null ? p.header.x_name : `${p.header.x_name} ${words(where)}`;
    if (rows.length) p.showTip([[`${heading}, ${p.when}`], ...rows], at.x, at.y);
    else p.hideTip();
  },
  pointerleave(p) { p.hideTip(); },
};
