import { fitted } from "./text.js";
// Moments on a chart: a rule or a ring each, and their words above the plot, where no line runs.

/** Marks { x, y?, label, of } between two places, each with the `row` above the plot where its words lie on no others
 * and under no other's line: { marks, count } for a plot from `left` to `right`. */
export function labelRows(g, list, [from, to], left, right, look) {
  g.font = look.font;
  const rows = [], marks = [], wide = right - left;
  for (const mark of list.filter((m) => m.x >= from && m.x <= to).toSorted((a, b) => b.x - a.x)) {
    const at = left + ((mark.x - from) / (to - from || 1)) * wide, room = Math.min(g.measureText(mark.label).width, wide / 2);
    const start = at + 8 + room > right ? at - 8 - room : at, end = start + room + 14;
    const free = rows.findIndex((taken) => taken.every(([a, b]) => end < a || b < start));
    const row = free < 0 ? rows.push([]) - 1 : free;
    rows[row].push([start, end]);
    marks.push({ ...mark, row });
  }
  return { marks, count: rows.length };
}

/** A rule, or a ring with a thin line up to its words. */
export function drawMark(g, box, mark, sx, sy, look) {
  const at = sx(mark.x), ring = mark.y !== undefined;
  if (at < box.left - 1 || at > box.right + 1) return;
  g.font = look.font;
  const label = fitted(g, mark.label, (box.right - box.left) / 2), left = at + 8 + g.measureText(label).width > box.right;
  const high = box.top - 11 - 14 * mark.row, foot = ring ? Math.max(box.top, Math.min(box.bottom, sy(mark.y))) : box.bottom;
  g.strokeStyle = mark.colour;
  g.lineWidth = ring ? 0.75 : 1.25;
  g.setLineDash([2, 3]);
  g.beginPath(); g.moveTo(at, high + 5); g.lineTo(at, foot); g.stroke();
  g.setLineDash([]);
  if (ring) {
    g.lineWidth = 2;
    g.fillStyle = look.background;
    g.beginPath(); g.arc(at, foot, 4, 0, 7); g.fill(); g.stroke();
  }
  g.textAlign = left ? "right" : "left";
  g.textBaseline = "middle";
  g.fillStyle = look.text;
  g.fillText(label, left ? at - 6 : at + 6, high);
}
