import { drawMark } from "./marks.js";
import { duration, durations, logTicks, moment, moments, power, scale, scientific, threeTicks, ticks, toldApart, words } from "./scales.js";
import { fitted } from "./text.js";
// The canvas primitives: heatmap grid, scatter, line with marks, bars. Each takes (canvas context, box, data, colours).

const MOST_PIXELS = 16384;

/** Sizes a canvas for the screen's pixel density and clears it. */
export function prepare(canvas, width, height) {
  // Browsers draw nothing on a canvas with a longer side, whatever the density of the screen.
  const ratio = Math.min(window.devicePixelRatio || 1, MOST_PIXELS / Math.max(width, height, 1));
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
  }
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  return g;
}

function tickWords(values, axis) {
  const powers = values.map((v) => Math.round(Math.log10(v)));
  if (axis.log && values.every((v, i) => Math.abs(v / 10 ** powers[i] - 1) < 1e-9)) return powers.map((k, i) => (k >= -3 && k <= 4 ? words(values[i]) : power(k)));
  if (axis.unit === "clock") return values.map((v) => moment(v, axis.hi - axis.lo > 172800 ? 86400 : 60));
  // Beside an axis there is no room for a million.
  if (axis.narrow && values.some((v) => Math.abs(v) >= 1e6)) {
    const short = values.map((v) => (v ? (v < 0 ? "−" : "") + scientific(Math.abs(v)) : "0"));
    if (new Set(short).size === values.length) return short;
  }
  if (axis.unit !== "s") return toldApart(values);
  return axis.hi - axis.lo > 120 ? values.map(duration) : toldApart(values).map((word) => word + " s");
}

/** Both axes: faint horizontal grid, labels in the muted colour, names at the ends. Returns the two scales. */
export function axes(g, box, x, y, look) {
  const sx = scale(x.lo, x.hi, box.left, box.right, x.log), sy = scale(y.lo, y.hi, box.bottom, box.top, y.log);
  g.font = look.font;
  g.lineWidth = 1;
  g.textBaseline = "middle";
  g.textAlign = "right";
  const rows = y.log ? logTicks(y.lo, y.hi, (box.bottom - box.top) / 26) : threeTicks(y.lo, y.hi, (box.bottom - box.top) / 44);
  tickWords(rows, { ...y, narrow: true }).forEach((word, i) => {
    const at = Math.round(sy(rows[i])) + 0.5;
    g.strokeStyle = look.grid;
    g.beginPath(); g.moveTo(box.left, at); g.lineTo(box.right, at); g.stroke();
    g.fillStyle = look.muted;
    g.fillText(word, box.left - 6, at);
  });
  g.textBaseline = "top";
  g.textAlign = "center";
  const columns = x.labels ? [] : x.log ? logTicks(x.lo, x.hi, (box.right - box.left) / 60) : ({ clock: moments, s: durations }[x.unit] || ticks)(x.lo, x.hi, (box.right - box.left) / 90);
  tickWords(columns, x).forEach((word, i) => {
    const at = Math.round(sx(columns[i])) + 0.5;
    g.strokeStyle = look.grid;
    g.beginPath(); g.moveTo(at, box.bottom); g.lineTo(at, box.bottom + 4); g.stroke();
    // The last label moves in rather than being cut at the edge.
    const over = at + g.measureText(word).width / 2 - (box.right + 12);
    g.fillText(word, at - Math.max(0, over), box.bottom + 6);
  });
  const every = x.labels ? Math.max(1, Math.ceil((56 * x.labels.length) / (box.right - box.left))) : 0;
  g.fillStyle = look.muted;
  for (let i = 0; every && i < x.labels.length; i += every) g.fillText(fitted(g, x.labels[i], every * (sx(1) - sx(0))), sx(i + 0.5), box.bottom + 6);
  if (x.title) {
    g.textAlign = "right";
    g.fillText(fitted(g, x.title, box.right - box.left), box.right, box.bottom + 22);
  }
  g.strokeStyle = look.axis;
  g.beginPath(); g.moveTo(box.left, box.bottom + 0.5); g.lineTo(box.right, box.bottom + 0.5); g.stroke();
  return { sx, sy };
}

/** Series as lines, single points as dots; then marks as a rule or a dot, each with its words. */
export function line(g, box, data, look) {
  const { sx, sy } = axes(g, box, data.x, data.y, look);
  g.save();
  g.beginPath(); g.rect(box.left - 3, box.top - 3, box.right - box.left + 6, box.bottom - box.top + 6); g.clip();
  for (const s of data.series) {
    if (s.hidden || !s.x.length) continue;
    g.strokeStyle = g.fillStyle = s.colour;
    g.lineWidth = s.wide ?? (s.of ? 1 : 1.7);
    g.globalAlpha = s.alpha ?? (s.of ? 0.28 : 1);
    g.lineJoin = "round";
    g.setLineDash(s.dash || []);
    if (s.x.length === 1) { g.beginPath(); g.arc(sx(s.x[0]), sy(s.y[0]), 3.5, 0, 7); g.fill(); continue; }
    g.beginPath();
    stretches(s.y).forEach(([from, to]) => {
      if (to - from === 1) { g.moveTo(sx(s.x[from]) + 2, sy(s.y[from])); g.arc(sx(s.x[from]), sy(s.y[from]), 2, 0, 7); return; }
      for (let i = from; i < to; i++) g[i === from ? "moveTo" : "lineTo"](sx(s.x[i]), sy(s.y[i]));
    });
    g.stroke();
  }
  g.setLineDash([]);
  g.globalAlpha = 1;
  g.restore();
  for (const mark of data.marks) drawMark(g, box, mark, sx, sy, look);
  return { sx, sy };
}

/** [from, to) of each stretch of numbers: a line breaks where there is no value. */
function stretches(list) {
  const made = [];
  for (let i = 0; i < list.length; i++) {
    if (Number.isNaN(list[i])) continue;
    if (i && !Number.isNaN(list[i - 1])) made[made.length - 1][1] = i + 1;
    else made.push([i, i + 1]);
  }
  return made;
}

export const SPAN_ALPHA = 0.13;

/** Stretches of the x axis { start, end, label, colour }, shaded behind what is drawn next; the legend names them. */
export function spans(g, box, list, x) {
  const sx = scale(x.lo, x.hi, box.left, box.right, x.log), inside = (v) => Math.max(box.left, Math.min(box.right, sx(v)));
  g.globalAlpha = SPAN_ALPHA;
  for (const { start, end, colour } of list) {
    g.fillStyle = colour;
    g.fillRect(inside(start), box.top, inside(end) - inside(start), box.bottom - box.top);
  }
  g.globalAlpha = 1;
}

/** Stretches of the y axis { low, high, label, colour }, shaded where they are in sight; the legend names them. */
export function levels(g, box, list, y) {
  const sy = scale(y.lo, y.hi, box.bottom, box.top, y.log), inside = (v) => sy(Math.max(y.lo, Math.min(y.hi, v)));
  g.globalAlpha = SPAN_ALPHA;
  for (const { low, high, colour } of list) {
    g.fillStyle = colour;
    g.fillRect(box.left, inside(high), box.right - box.left, inside(low) - inside(high));
  }
  g.globalAlpha = 1;
}

/** The step cursor: in the colour of the text, so that it is seen in the dark too. */
export function rule(g, box, at, look) {
  if (at < box.left - 1 || at > box.right + 1) return;
  g.strokeStyle = look.text;
  g.lineWidth = 1.25;
  g.beginPath(); g.moveTo(Math.round(at) + 0.5, box.top); g.lineTo(Math.round(at) + 0.5, box.bottom); g.stroke();
  g.fillStyle = look.text;
  g.beginPath(); g.moveTo(at - 4, box.top - 5); g.lineTo(at + 5, box.top - 5); g.lineTo(at + 0.5, box.top + 1); g.fill();
}

const scratch = document.createElement("canvas");

/** One matrix of bytes (0-255, indices into `table`) in a box, cells crisp; `absent` bytes stay empty. */
export function heatmap(g, box, bytes, rows, columns, table, absent = null) {
  scratch.width = columns;
  scratch.height = rows;
  const sg = scratch.getContext("2d"), image = sg.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < rows * columns; i++) pixels[i] = bytes[i] === absent ? 0 : table[bytes[i]];
  sg.putImageData(image, 0, 0);
  g.imageSmoothingEnabled = false;
  g.drawImage(scratch, 0, 0, columns, rows, box.left, box.top, box.right - box.left, box.bottom - box.top);
}

/** Where a box has nothing to show: its outline, and why. */
export function nothing(g, box, words, look) {
  g.save();
  g.strokeStyle = look.grid; g.fillStyle = look.muted; g.font = look.font;
  g.setLineDash([4, 4]);
  g.strokeRect(box.left + 0.5, box.top + 0.5, box.right - box.left - 1, box.bottom - box.top - 1);
  g.textAlign = "center"; g.textBaseline = "middle";
  g.fillText(words, (box.left + box.right) / 2, (box.top + box.bottom) / 2, box.right - box.left - 8);
  g.restore();
}

/** Points [x0, y0, x1, y1, ...] with one colour each; `labelled` tells which get their name beside them. */
export function scatter(g, box, points, colours, labels, labelled, sx, sy, look, faint = null) {
  g.font = look.font;
  g.textAlign = "left";
  g.textBaseline = "middle";
  const small = points.length > 2000;
  for (let i = 0; i < points.length / 2; i++) {
    const x = sx(points[2 * i]), y = sy(points[2 * i + 1]);
    if (!Number.isFinite(x + y)) continue;
    g.globalAlpha = faint?.(i) ? 0.18 : 1;
    g.fillStyle = colours[i];
    g.beginPath(); g.arc(x, y, small ? 2 : 4, 0, 7); g.fill();
    // The darkest and the palest of a map of colours would vanish on one of the two grounds.
    if (!small) { g.strokeStyle = look.muted; g.lineWidth = 0.75; g.stroke(); }
    if (labelled(i)) { g.fillStyle = look.text; g.fillText(fitted(g, labels[i], 160), x + 7, y); }
  }
  g.globalAlpha = 1;
}

/** Vertical bars from 0, one a value, in the colour that `colour` gives for its index; names of some below. */
export function drawBars(g, box, values, hi, colour, look, labels) {
  const { sx, sy } = axes(g, box, { lo: 0, hi: values.length, labels }, { lo: 0, hi }, look);
  const wide = Math.max(1, ((box.right - box.left) / values.length) * 0.8);
  values.forEach((v, i) => {
    g.fillStyle = colour(i);
    if (Number.isFinite(v)) g.fillRect(sx(i + 0.5) - wide / 2, sy(v), wide, box.bottom - sy(v));
  });
  return { sx, sy };
}

/** The stops of a map of colours by its name. */
export const coloursOf = (look, map) => (map === "diverging" ? look.diverging : look.sequential);

/** A scale of colours for a legend. */
export function colourBar(colours) {
  const bar = document.createElement("span");
  bar.className = "bar";
  bar.style.background = `linear-gradient(to right, ${colours.join(",")})`;
  return bar;
}
