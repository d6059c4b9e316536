import { line, rule } from "../draw.js";
import { labelRows } from "../marks.js";
import { nearest } from "../readings.js";
import { atOrBefore, padded } from "../scales.js";
import { band, middle } from "./model.js";
// One chart of the grid on its canvas: lines, where they are not finite, moments, and over it crosshair and drag.

export const MANY = 30, SOME = 8;

export function spread(lists, log, from = -Infinity, to = Infinity) {
  let lo = Infinity, hi = -Infinity;
  for (const { x, y } of lists) for (let i = 0; i < y.length; i++) {
    const v = y[i];
    if (x[i] >= from && x[i] <= to && Number.isFinite(v) && (!log || v > 0)) { if (v < lo) lo = v; if (v > hi) hi = v; }
  }
  return lo > hi ? null : [lo, hi];
}

/** The y axis: what was chosen, or what is in sight; { range, clipped } where outliers are left out. */
function yRange(chart, seen, view) {
  if (view.y) return { range: view.y, clipped: null };
  const whole = spread(seen, chart.log, ...view.x) || spread(seen, chart.log) || [chart.log ? 1 : 0, chart.log ? 10 : 1];
  let clipped = null, range = whole;
  if (view.clip) {
    const inside = seen.flatMap(({ x, y }) => Array.from(y).filter((v, i) => x[i] >= view.x[0] && x[i] <= view.x[1] && (!chart.log || v > 0)));
    clipped = middle(inside);
    if (clipped && clipped.range[0] < clipped.range[1]) range = clipped.range;
    else clipped = null;
  }
  return { range: padded(range, chart.log), clipped };
}

/** Draws a chart into `g` of a size; returns its box, its scales, and what was clipped. */
export function plot(g, width, height, chart, view, look) {
  const shown = chart.lines.filter((s) => !view.hidden.has(s.id));
  const { range, clipped } = yRange(chart, shown, view);
  const mains = shown.filter((s) => !s.of), many = mains.length > MANY, banded = many || view.frame.grouped;
  const rows = labelRows(g, chart.marks.filter((m) => shown.some((s) => s.label === m.of || !m.of)), view.x, 54, width - 12, look);
  const box = { left: 54, right: width - 12, top: 10 + 14 * rows.count, bottom: height - 38 };
  const x = { lo: view.x[0], hi: view.x[1], log: false, unit: view.frame.unit, title: view.frame.title };
  const y = { lo: range[0], hi: range[1], log: chart.log };
  lostBands(g, box, shown, x);
  const series = shown.map((s) => ({ ...s, alpha: alphaOf(s, mains.length, view), wide: view.lit === s.id ? 2.6 : many ? 1 : undefined }));
  const scales = line(g, box, { x, y, series, marks: rows.marks }, look);
  if (banded) bands(g, box, mains.filter((s) => s.run !== view.frame.baseline), scales, view, look);
  lostMarks(g, box, shown, scales, look);
  if (!shown.length) notice(g, box, chart.lines.length ? "all hidden" : "nothing to draw", look);
  return { box, ...scales, clipped };
}

function alphaOf(s, count, { lit, frame }) {
  if (s.of) return undefined;
  if (lit) return lit === s.id ? 1 : 0.25;
  if (s.run === frame.baseline) return undefined;
  return count > MANY ? 0.16 : frame.grouped ? 0.3 : count > SOME ? 0.7 : undefined;
}

function notice(g, box, text, look) {
  g.fillStyle = look.muted;
  g.textAlign = "center";
  g.fillText(text, (box.left + box.right) / 2, (box.top + box.bottom) / 2);
}

/** Which lines have a mean together: those of a split, and of one look where colours tell groups. */
export function groupsOf(lines, grouped) {
  const made = new Map();
  for (const s of lines) {
    const key = grouped ? [s.colour, s.dash.join(), s.split].join("|") : s.split;
    made.set(key, [...(made.get(key) || []), s]);
  }
  return [...made.values()];
}

/** Mean and range of many lines, for each group. */
function bands(g, box, lines, { sx, sy }, { x: [from, to], frame }, look) {
  const places = Array.from({ length: 161 }, (_, k) => from + ((to - from) * k) / 160);
  for (const own of groupsOf(lines, frame.grouped)) {
    const made = band(own, places), there = places.map((_, k) => k).filter((k) => Number.isFinite(made.mean[k]));
    if (!there.length) continue;
    g.save();
    g.beginPath(); g.rect(box.left, box.top, box.right - box.left, box.bottom - box.top); g.clip();
    g.fillStyle = g.strokeStyle = frame.grouped ? own[0].colour : look.text;
    g.globalAlpha = frame.grouped ? 0.16 : 0.1;
    g.beginPath();
    there.forEach((k) => g.lineTo(sx(places[k]), sy(made.high[k])));
    there.toReversed().forEach((k) => g.lineTo(sx(places[k]), sy(made.low[k])));
    g.fill();
    g.globalAlpha = 1;
    g.lineWidth = 2;
    g.setLineDash(frame.grouped ? own[0].dash : own[0].split === "train" ? [5, 4] : []);
    g.beginPath();
    there.forEach((k) => g.lineTo(sx(places[k]), sy(made.mean[k])));
    g.stroke();
    g.restore();
  }
}

/** Shaded where a line is not finite; hatched, so that it is told from a stretch that has a meaning. */
function lostBands(g, box, lines, x) {
  const sx = (v) => box.left + ((v - x.lo) / (x.hi - x.lo || 1)) * (box.right - box.left);
  const clip = (v) => Math.max(box.left, Math.min(box.right, v));
  for (const s of lines) for (const [start, end] of s.of ? [] : s.lost) {
    if (end < x.lo || start > x.hi) continue;
    const from = clip(sx(start) - 1), to = Math.max(from + 2, clip(sx(end) + 1));
    g.save();
    g.beginPath(); g.rect(from, box.top, to - from, box.bottom - box.top); g.clip();
    g.strokeStyle = g.fillStyle = s.colour;
    g.globalAlpha = 0.1;
    g.fillRect(from, box.top, to - from, box.bottom - box.top);
    g.globalAlpha = 0.35;
    g.lineWidth = 1;
    g.beginPath();
    for (let at = from - (box.bottom - box.top); at < to; at += 9) { g.moveTo(at, box.bottom); g.lineTo(at + box.bottom - box.top, box.top); }
    g.stroke();
    g.restore();
  }
}

/** At the edge, where a stretch begins: up for infinity, down for minus infinity, a cross for NaN. */
function lostMarks(g, box, lines, { sx }, look) {
  for (const s of lines) for (const [start, , , nan, up, down] of s.of ? [] : s.lost) {
    const at = sx(start);
    if (at < box.left - 1 || at > box.right + 1) continue;
    g.fillStyle = g.strokeStyle = s.colour;
    g.lineWidth = 2;
    if (up) { g.beginPath(); g.moveTo(at - 5, box.top + 8); g.lineTo(at + 5, box.top + 8); g.lineTo(at, box.top); g.fill(); }
    if (down) { g.beginPath(); g.moveTo(at - 5, box.bottom - 8); g.lineTo(at + 5, box.bottom - 8); g.lineTo(at, box.bottom); g.fill(); }
    if (nan) {
      const high = box.bottom - 7 - (down ? 10 : 0);
      g.beginPath(); g.moveTo(at - 4, high - 4); g.lineTo(at + 4, high + 4); g.moveTo(at - 4, high + 4); g.lineTo(at + 4, high - 4); g.stroke();
    }
  }
  g.fillStyle = look.text;
}

/** What lies over a chart: the crosshair with a dot on each line, where the step cursor rests, and a drag. */
export function over(g, chart, drawn, view, look) {
  const { box, sx, sy } = drawn;
  if (view.rest !== null && view.rest !== view.at) {
    g.globalAlpha = 0.35;
    rule(g, box, sx(view.rest), look);
    g.globalAlpha = 1;
  }
  if (view.at !== null && sx(view.at) >= box.left - 1 && sx(view.at) <= box.right + 1) {
    rule(g, box, sx(view.at), look);
    for (const s of chart.lines) {
      if (s.of || view.hidden.has(s.id) || !s.x.length) continue;
      const k = atOrBefore(s.x, view.at), high = sy(s.y[k]);
      if (s.x[k] > view.at || !Number.isFinite(high) || high < box.top || high > box.bottom || sx(s.x[k]) < box.left) continue;
      g.fillStyle = look.background;
      g.strokeStyle = s.colour;
      g.lineWidth = 2;
      g.beginPath(); g.arc(sx(s.x[k]), high, 3, 0, 7); g.fill(); g.stroke();
    }
  }
  if (!view.drag) return;
  const { from, to, vertical } = view.drag;
  g.fillStyle = look.primary;
  g.globalAlpha = 0.16;
  const clip = (v) => Math.max(vertical ? box.top : box.left, Math.min(vertical ? box.bottom : box.right, v));
  const [a, b] = [clip(Math.min(from, to)), clip(Math.max(from, to))];
  if (vertical) g.fillRect(box.left, a, box.right - box.left, b - a);
  else g.fillRect(a, box.top, b - a, box.bottom - box.top);
  g.globalAlpha = 1;
}

/** The drawn point next to x among the lines that are shown: { x, step }, or null. */
export function nearestPoint(chart, hidden, x) {
  let best = null;
  for (const s of chart.lines) {
    if (s.of || hidden.has(s.id) || !s.x.length) continue;
    const k = nearest(s.x, x), far = Math.abs(s.x[k] - x);
    if (!best || far < best.far) best = { far, x: s.x[k], step: s.steps[k] };
  }
  return best;
}

/** The run whose line passes within a few pixels of a place, or undefined; of two, the one drawn on top. */
export function runNear(chart, hidden, { sx, sy }, at) {
  const x = sx.inverse(at.x);
  let best = 7, run;
  for (const s of chart.lines) {
    if (hidden.has(s.id) || !s.x.length) continue;
    const k = atOrBefore(s.x, x), after = Math.min(k + 1, s.x.length - 1);
    const share = s.x[after] > s.x[k] ? Math.min(1, Math.max(0, (x - s.x[k]) / (s.x[after] - s.x[k]))) : 0;
    const high = sy(s.y[k]) + share * (sy(s.y[after]) - sy(s.y[k]));
    if (Math.abs(high - at.y) <= best) [best, run] = [Math.abs(high - at.y), s.run];
  }
  return run;
}
