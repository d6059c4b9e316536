import { axes, scatter } from "../draw.js";
import { value } from "../readings.js";
// Points in groups on two axes with units, one frame a snapshot.

export const dots = {
  begin(p) {
    const { groups } = p.header;
    p.legend.replaceChildren(...groups.map(({ label, colour }) => {
      const item = document.createElement("span"), mark = document.createElement("i");
      mark.style.cssText = `display:inline-block;width:8px;height:8px;border-radius:50%;margin-right:6px;background:${colour}`;
      item.append(mark, label);
      return item;
    }));
    // One pair of axes for all frames: what moves is then seen to move.
    p.ends = [0, 1].map((axis) => {
      let lo = Infinity, hi = -Infinity;
      p.arrays.points.forEach((v, i) => { if (i % 2 === axis && Number.isFinite(v)) { lo = Math.min(lo, v); hi = Math.max(hi, v); } });
      const room = (hi - lo) * 0.05 || 0.5;
      return lo > hi ? [0, 1] : [lo - room, hi + room];
    });
  },
  height: (p) => p.header.height,
  draw(p, g, width) {
    const { header, look } = p, { labels, groups, member } = header, n = labels.length;
    p.plot = { left: 54, right: width - 14, top: 10, bottom: header.height - 26 };
    p.points = p.arrays.points.subarray(p.frame * 2 * n, (p.frame + 1) * 2 * n);
    const [[x0, x1], [y0, y1]] = p.ends;
    p.scales = axes(g, p.plot, { lo: x0, hi: x1, unit: "" }, { lo: y0, hi: y1, log: false }, look);
    p.colours = member.map((k) => groups[k].colour);
    scatter(g, p.plot, p.points, p.colours, labels, () => false, p.scales.sx, p.scales.sy, look);
  },
  pointermove(p, event, at) {
    let best = -1, far = 144;
    for (let i = 0; i < p.points.length / 2; i++) {
      const d = (p.scales.sx(p.points[2 * i]) - at.x) ** 2 + (p.scales.sy(p.points[2 * i + 1]) - at.y) ** 2;
      if (d < far) { far = d; best = i; }
    }
    if (best < 0) return p.hideTip();
    const { labels, x_name: x, y_name: y } = p.header;
    p.showTip([[`${labels[best]}, ${p.when}`, p.colours[best]], [`${x}  ${value(p.points[2 * best])}`], [`${y}  ${value(p.points[2 * best + 1])}`]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};
