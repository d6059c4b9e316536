import { scatter } from "../draw.js";
import { ramp, scale } from "../scales.js";
// Points on two fixed axes, one frame a snapshot.

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
    // Coordinates are in units of the largest.
    p.reach = 1.06;
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
