import { value } from "../readings.js";
import { scale, ticks, toldApart, words } from "../scales.js";
// Distributions of all steps below each other, the first on top, that of the cursor in colour.

const HIGH = 6;  // rows that a ridge may reach into those above it

export const ridges = {
  begin(p) {
    const { count, steps } = p.header;
    let lo = Infinity, hi = -Infinity;
    for (const v of p.arrays.x) if (Number.isFinite(v)) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
    p.ends = lo < hi ? [lo, hi] : [lo - 1, lo + 1];
    p.tops = steps.map((_, k) => p.arrays.y.slice(k * count, (k + 1) * count).reduce((most, v) => (v > most ? v : most), 0) || 1);
    p.legend.replaceChildren();
  },
  height: (p) => p.header.height,
  /** Where each row stands: `base(k)` is its ground line, `reach` how high its peak is. */
  rows(p) {
    const { steps, height } = p.header, top = 8, bottom = height - 26, n = steps.length;
    const reach = Math.min(bottom - top, Math.max(26, (HIGH * (bottom - top)) / (n + HIGH)));
    return { top, bottom, reach, base: (k) => (n === 1 ? bottom : top + reach + (k * (bottom - top - reach)) / (n - 1)) };
  },
  ridge(p, g, k, sx, { base, reach }) {
    const { count } = p.header, ground = base(k);
    let first = null, last = null;
    g.beginPath();
    for (let i = k * count; i < (k + 1) * count; i++) {
      const at = p.arrays.x[i], high = p.arrays.y[i];
      if (!Number.isFinite(at) || !Number.isFinite(high)) continue;
      if (first === null) { first = sx(at); g.moveTo(first, ground); }
      last = sx(at);
      g.lineTo(last, ground - (reach * high) / p.tops[k]);
    }
    if (last !== null) g.lineTo(last, ground);
  },
  draw(p, g, width) {
    const { header, look } = p, { steps } = header, rows = this.rows(p), box = { left: 68, right: width - 14 };
    const sx = scale(...p.ends, box.left, box.right), every = Math.max(1, Math.ceil(14 / Math.max(1, rows.base(1) - rows.base(0))));
    p.plot = { ...box, sx };
    g.font = look.font;
    g.lineJoin = "round";
    for (let k = 0; k < steps.length; k++) {
      this.ridge(p, g, k, sx, rows);
      g.fillStyle = look.background; g.globalAlpha = 0.8; g.fill();
      g.globalAlpha = 1; g.strokeStyle = look.muted; g.lineWidth = 1; g.stroke();
    }
    // Drawn last, so that no later step hides it.
    this.ridge(p, g, p.frame, sx, rows);
    g.fillStyle = look.primary; g.globalAlpha = 0.3; g.fill();
    g.globalAlpha = 1; g.strokeStyle = look.primary; g.lineWidth = 2; g.stroke();
    g.textBaseline = "middle";
    g.textAlign = "right";
    steps.forEach((step, k) => {
      const own = k === p.frame, near = Math.abs(rows.base(k) - rows.base(p.frame)) < 14;
      if (!own && (near || k % every)) return;
      g.fillStyle = own ? look.text : look.muted;
      g.fillText(words(step), box.left - 8, rows.base(k));
    });
    g.textAlign = "center";
    g.textBaseline = "top";
    g.fillStyle = look.muted;
    const at = ticks(...p.ends, (box.right - box.left) / 90);
    toldApart(at).forEach((word, i) => g.fillText(word, sx(at[i]), rows.bottom + 8));
  },
  pointermove(p, event, at) {
    const { header } = p, { steps, count, x_name } = header, { base } = this.rows(p), { left, right, sx } = p.plot;
    if (at.x < left - 4 || at.x > right + 4) return p.hideTip();
    const k = steps.reduce((best, _, i) => (Math.abs(base(i) - at.y) < Math.abs(base(best) - at.y) ? i : best), 0), x = sx.inverse(at.x);
    let own = -1;
    for (let i = k * count; i < (k + 1) * count; i++) {
      if (Number.isFinite(p.arrays.y[i]) && (own < 0 || Math.abs(p.arrays.x[i] - x) < Math.abs(p.arrays.x[own] - x))) own = i;
    }
    if (own < 0) return p.hideTip();
    p.showTip([[`step ${words(steps[k])}`], [`${x_name} ${words(p.arrays.x[own])}: density ${value(p.arrays.y[own])}`]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};
