import { scatter } from "../draw.js";
import { ramp, scale } from "../scales.js";
// Points on two fixed axes, one frame a snapshot; zoomed by buttons or to what a drag goes round, which is named.

const NAMED = 40, CLICK_PX = 5;

/** The indices of the points (x, y, x, y, ...) inside a closed way [[x, y], ...], in the units of both. */
export function within(points, way) {
  const found = [];
  for (let i = 0; i < points.length / 2; i++) {
    const x = points[2 * i], y = points[2 * i + 1];
    let odd = false;
    for (let a = 0, b = way.length - 1; a < way.length; b = a++) {
      const [ax, ay] = way[a], [bx, by] = way[b];
      if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) odd = !odd;
    }
    if (odd) found.push(i);
  }
  return found;
}

/** What of the axes is seen so that points at `picked` indices fill it: { x, y, times }. */
export function fitting(points, picked, reach) {
  const there = picked.filter((i) => Number.isFinite(points[2 * i] + points[2 * i + 1]));
  if (!there.length) return null;
  const ends = [0, 1].map((k) => there.reduce(([lo, hi], i) => [Math.min(lo, points[2 * i + k]), Math.max(hi, points[2 * i + k])], [Infinity, -Infinity]));
  const half = Math.max(...ends.map(([lo, hi]) => (hi - lo) / 2)) * 1.15;
  return { x: (ends[0][0] + ends[0][1]) / 2, y: (ends[1][0] + ends[1][1]) / 2, times: Math.min(40, half ? Math.max(1, reach / half) : 4) };
}

function tool(text, title, act) {
  const made = document.createElement("button");
  made.textContent = text;
  made.title = title;
  made.setAttribute("aria-label", title);
  made.className = "tool";
  made.onclick = act;
  return made;
}

export const embedding = {
  begin(p) {
    const table = ramp(p.header.colours), n = p.header.labels.length;
    p.colours = Array.from({ length: n }, (_, i) => {
      const place = p.header.places ? p.header.places[i] : i / Math.max(1, n), v = table[Math.round(255 * Math.max(0, place))];
      // A token that is no residue has no place round the circle.
      if (place < 0) return p.look.muted;
      return `rgb(${v & 255},${(v >> 8) & 255},${(v >> 16) & 255})`;
    });
    // Coordinates are in units of the largest.
    p.reach = 1.06;
    p.canvas.style.cursor = "crosshair";
    this.bar(p);
  },
  seen: (p) => p.view.seen || { x: 0, y: 0, times: 1 },
  picked: (p) => p.view.picked || [],
  /** The buttons, and the names of what is selected. */
  bar(p) {
    const again = (change) => () => { change(); this.bar(p); p.draw(); };
    const times = (by) => again(() => { const now = this.seen(p); p.view.seen = { ...now, times: Math.max(1, Math.min(40, now.times * by)) }; });
    const parts = [tool("+", "Zoom in", times(1.6)), tool("−", "Zoom out", times(1 / 1.6))];
    if (this.seen(p).times > 1) parts.push(tool("All", "Show all points", again(() => { p.view.seen = null; })));
    const picked = this.picked(p), said = document.createElement("span");
    said.setAttribute("role", "status");
    if (picked.length) {
      parts.push(tool("Zoom to selected", "Zoom to the selected points", again(() => { p.view.seen = fitting(p.points, picked, p.reach); })),
        tool("Clear", "Select nothing", again(() => { p.view.picked = null; })));
      const names = picked.map((i) => p.header.labels[i]), more = names.length - NAMED;
      said.textContent = `${names.length.toLocaleString("en")} selected: ${names.slice(0, NAMED).join(", ")}${more > 0 ? ` and ${more.toLocaleString("en")} more` : ""}`;
      said.title = names.join(", ");
    } else {
      said.textContent = "drag round points to select them";
      said.className = "hint";
    }
    p.legend.replaceChildren(...parts, said);
  },
  height: (p, width) => Math.min(width, p.header.height),
  draw(p, g, width) {
    const n = p.header.labels.length, high = this.height(p, width), half = Math.min(width, high) / 2 - 8, mid = width / 2;
    const { x, y, times } = this.seen(p), r = p.reach / times;
    const sx = scale(x - r, x + r, mid - half, mid + half), sy = scale(y - r, y + r, high / 2 + half, high / 2 - half);
    p.points = p.arrays.points.subarray(p.frame * 2 * n, (p.frame + 1) * 2 * n);
    p.scales = { sx, sy };
    g.strokeStyle = p.look.grid; g.lineWidth = 1;
    g.beginPath(); g.moveTo(sx(-p.reach), sy(0)); g.lineTo(sx(p.reach), sy(0)); g.moveTo(sx(0), sy(-p.reach)); g.lineTo(sx(0), sy(p.reach)); g.stroke();
    const box = { left: 0, right: width, top: 0, bottom: high }, picked = new Set(this.picked(p)), every = Math.max(1, Math.round(p.header.label_every / times));
    const labelled = picked.size ? (i) => picked.has(i) && picked.size <= NAMED : (i) => (i % every === 0 && i + every / 2 < n) || i === n - 1;
    scatter(g, box, p.points, p.colours, p.header.labels, labelled, sx, sy, p.look, picked.size ? (i) => !picked.has(i) : null);
    if (p.way) this.outline(p, g);
  },
  outline(p, g) {
    g.strokeStyle = g.fillStyle = p.look.primary;
    g.beginPath();
    p.way.forEach((at) => g.lineTo(at.x, at.y));
    g.closePath();
    g.stroke();
    g.globalAlpha = 0.1; g.fill(); g.globalAlpha = 1;
  },
  nearest(p, at) {
    let best = -1, far = 144;
    for (let i = 0; i < p.points.length / 2; i++) {
      const d = (p.scales.sx(p.points[2 * i]) - at.x) ** 2 + (p.scales.sy(p.points[2 * i + 1]) - at.y) ** 2;
      if (d < far) { far = d; best = i; }
    }
    return best;
  },
  pointerdown(p, event, at) {
    if (event.button !== 0) return;
    p.canvas.setPointerCapture(event.pointerId);
    p.way = [at];
    // Held with Shift it moves what is seen.
    p.held = event.shiftKey ? { at, seen: this.seen(p) } : null;
    p.hideTip();
  },
  pointermove(p, event, at) {
    if (p.held) {
      const { seen, at: from } = p.held, { sx, sy } = p.scales;
      p.view.seen = { ...seen, x: seen.x + sx.inverse(from.x) - sx.inverse(at.x), y: seen.y + sy.inverse(from.y) - sy.inverse(at.y) };
      return p.draw();
    }
    if (p.way) {
      p.way.push(at);
      return p.draw();
    }
    const best = this.nearest(p, at);
    if (best < 0) return p.hideTip();
    p.showTip([[`token ${p.header.labels[best]}`, p.colours[best]]], at.x, at.y);
  },
  pointerup(p, event, at) {
    const { way, held } = p;
    p.way = p.held = null;
    if (!way || held) return;
    const { sx, sy } = p.scales, long = Math.max(...way.map(({ x, y }) => Math.hypot(x - way[0].x, y - way[0].y)));
    if (long < CLICK_PX) {
      const one = this.nearest(p, at);
      p.view.picked = one < 0 ? null : [one];
    } else p.view.picked = within(p.points, way.map(({ x, y }) => [sx.inverse(x), sy.inverse(y)]));
    this.bar(p);
    p.draw();
  },
  dblclick(p) { p.view.seen = p.view.picked = null; this.bar(p); p.draw(); },
  pointerleave(p) { p.hideTip(); },
};
