import { ENDED, NOT_YET, RECORDED } from "../readings.js";
import { atOrBefore } from "../scales.js";
// The grid of charts as numbers: which chart stands where, what the lines of one say at a step, and many as a band.

export const FOLD = 24;
export const SIZES = { small: 130, medium: 200, large: 320 };
const HEAD = 34, GAP = 16, TILE = 58;

/** Charts [{ key, title, section }] that fit the filter, in sections: the pinned ones first, in the order of pins. */
export function sections(charts, fits, pinned) {
  const found = charts.filter((chart) => fits(chart.title) || fits(chart.key));
  const byKey = new Map(found.map((chart) => [chart.key, chart])), made = new Map();
  const first = pinned.map((key) => byKey.get(key)).filter(Boolean);
  if (first.length) made.set("Pinned", first);
  const apart = new Set(first);
  for (const chart of found) {
    if (apart.has(chart)) continue;
    if (!made.has(chart.section)) made.set(chart.section, []);
    made.get(chart.section).push(chart);
  }
  return [...made].map(([name, list]) => ({ name, list }));
}

/** How many columns fit: as many as were chosen, no narrower than 240 pixels; 1 to 3 by the width where none were. */
export function columnsIn(width, chosen) {
  const most = Math.max(1, Math.floor((width + GAP) / (240 + GAP)));
  return Math.min(most, chosen ? Number(chosen) : width < 640 ? 1 : width < 1150 ? 2 : 3);
}

/** Where everything stands: { items: [{ kind, key, x, y, width, height, ... }], height }. Of a section that is not
 * `opened` the first charts, and a line for the rest. Small sections share a row. */
export function placed(list, width, columns, size, opened, folded) {
  const wide = (width - GAP * (columns - 1)) / columns, tall = SIZES[size] + TILE, items = [];
  let y = 0, used = 0;
  for (const { name, list: charts } of list) {
    const shown = folded.has(name) ? [] : opened.has(name) ? charts : charts.slice(0, FOLD), few = shown.length && shown.length <= columns;
    const beside = few && used && used + shown.length <= columns, from = beside ? used : 0, span = few ? shown.length : columns;
    if (beside) y -= HEAD + tall + GAP;
    const x = from * (wide + GAP);
    items.push({ kind: "head", key: `head ${name}`, name, count: charts.length, x, y, width: few && from + span < columns ? span * (wide + GAP) - GAP : width - x, height: HEAD });
    y += HEAD;
    used = few ? from + span : 0;
    shown.forEach((chart, k) => items.push({
      kind: "tile", key: chart.key, chart, x: x + (k % columns) * (wide + GAP), y: y + Math.floor(k / columns) * (tall + GAP),
      width: wide, height: tall,
    }));
    y += Math.ceil(shown.length / columns) * (tall + GAP);
    if (shown.length < charts.length) {
      items.push({ kind: "more", key: `more ${name}`, name, count: charts.length - shown.length, x: 0, y: y - GAP / 2, width, height: HEAD });
      y += HEAD;
    }
  }
  return { items, height: y };
}

/** The items that are in sight between two heights, and a little more. */
export const inSight = (items, top, bottom, more = 300) =>
  items.filter((item) => item.y + item.height > top - more && item.y < bottom + more);

/** What a line, all of whose rows are here, recorded at a step: as strobe/views/readings.py reads it off. */
export function readWhole(line, step) {
  const { steps, y } = line, k = atOrBefore(steps, step);
  if (!steps.length || steps[k] > step) return { asked: step, step: NaN, value: NaN, state: NOT_YET };
  const over = line.ended !== null && step > line.ended;
  return { asked: step, step: steps[k], value: y[k], state: over ? ENDED : RECORDED };
}

/** The value of a line at x, linear between its points; NaN outside and in its breaks. */
export function valueAt(line, x) {
  const { x: xs, y } = line;
  if (!xs.length || x < xs[0] || x > xs[xs.length - 1]) return NaN;
  const k = atOrBefore(xs, x);
  if (xs[k] === x || k + 1 >= xs.length) return y[k];
  return y[k] + ((x - xs[k]) / (xs[k + 1] - xs[k])) * (y[k + 1] - y[k]);
}

/** Mean, least and greatest of lines at `places`, of those that have a value there: { x, mean, low, high }. */
export function band(lines, places) {
  const made = { x: places, mean: [], low: [], high: [] };
  for (const x of places) {
    const values = lines.map((line) => valueAt(line, x)).filter(Number.isFinite);
    made.mean.push(values.length ? values.reduce((sum, v) => sum + v, 0) / values.length : NaN);
    made.low.push(values.length ? Math.min(...values) : NaN);
    made.high.push(values.length ? Math.max(...values) : NaN);
  }
  return made;
}

/** From where to where the middle 98% of the values lie, and how many are beyond: { range, beyond, most }. */
export function middle(values) {
  const list = values.filter(Number.isFinite).sort((a, b) => a - b), n = list.length;
  if (n < 20) return null;
  const range = [list[Math.floor(0.01 * (n - 1))], list[Math.ceil(0.99 * (n - 1))]];
  const out = list.filter((v) => v < range[0] || v > range[1]);
  const far = out.reduce((best, v) => (Math.abs(v) > Math.abs(best) ? v : best), 0);
  return { range, beyond: out.length, far };
}

/** From where to where a typed range goes, as "1,000 to 2,000" or "1000-2000"; null where it is none. */
export function rangeIn(text) {
  const plain = text.replace(/(\d),(?=\d{3}(\D|$))/g, "$1").replace(/(?<=\d)\s*[-–—]\s*(?=\d)/g, " ");
  const ends = (plain.match(/-?\d+(\.\d+)?(e[+-]?\d+)?/gi) || []).map(Number);
  return ends.length === 2 && ends[0] < ends[1] ? ends : null;
}

/** Every figure of a recorded number, as text that is read back as the same number. */
export function exact(v) {
  if (Number.isNaN(v)) return "NaN";
  if (!Number.isFinite(v)) return v > 0 ? "inf" : "−inf";
  if (Number.isInteger(v) && Math.abs(v) < 1e15) return v.toLocaleString("en").replace("-", "−");
  // Both have as few digits as are read back as the same number.
  return (v && Math.abs(v) < 1e-4 ? v.toExponential() : String(v)).replace(/^-/, "−");
}
