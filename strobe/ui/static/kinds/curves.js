import { clock } from "../clock.js";
import { levels, line, rule, SPAN_ALPHA, spans } from "../draw.js";
import { labelRows } from "../marks.js";
import { about, nearest, readingAt, said, value } from "../readings.js";
import { atOrBefore, duration, moment, padded, words } from "../scales.js";
// Lines over steps, tokens or time, with marks, spans, zoom by dragging, and the cursor as a rule.

const inside = (box, at) => at.x >= box.left - 4 && at.x <= box.right + 4 && at.y >= box.top - 8 && at.y <= box.bottom + 4;

function extent(lists, log) {
  let lo = Infinity, hi = -Infinity;
  for (const list of lists) for (const v of list) if (Number.isFinite(v) && (!log || v > 0)) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
  return lo > hi ? null : [lo, hi];
}

/** Where the cursor stands on the x axis, which may count tokens or seconds rather than steps. */
function cursorX(p) {
  const { steps, cursor_x: xs } = p.header;
  if (clock.step === null || !steps.length) return null;
  return xs[atOrBefore(steps, clock.step)];
}

/** Moves the clock to the snapshot whose x is nearest. */
function jump(p, x) {
  const { steps, cursor_x: xs, run } = p.header;
  if (!steps.length) return;
  let best = 0;
  xs.forEach((v, i) => { if (Math.abs(v - x) < Math.abs(xs[best] - x)) best = i; });
  window.dispatchEvent(new CustomEvent("strobe:seek", { detail: { run, step: steps[best] } }));
}

/** The run whose curve passes within a few pixels of a place, or undefined. */
function near(p, at) {
  const x = p.scales.sx.inverse(at.x);
  let best = 7, run;
  for (const s of p.series) {
    if (p.view.hidden.has(s.of || s.label) || !s.x.length) continue;
    const k = atOrBefore(s.x, x), after = Math.min(k + 1, s.x.length - 1);
    const share = s.x[after] > s.x[k] ? Math.min(1, Math.max(0, (x - s.x[k]) / (s.x[after] - s.x[k]))) : 0;
    const high = p.scales.sy(s.y[k]) + share * (p.scales.sy(s.y[after]) - p.scales.sy(s.y[k]));
    // Of two at the same place, the one that was drawn on top.
    if (Math.abs(high - at.y) <= best) [best, run] = [Math.abs(high - at.y), s.run];
  }
  return run;
}

/** The step of a drawn point: the x axis has it, from the origin of its line on, or it travels with the points. */
const stepOf = (s, k) => (s.steps ? s.steps[k] : Math.round(s.x[k] + s.origin));

/** The style of a short piece of a line, dashes and all. */
function sample({ colour, dash }) {
  let from = 0;
  const parts = dash.flatMap((long, i) => {
    const part = `${i % 2 ? "transparent" : colour} ${from}px ${from + long}px`;
    from += long;
    return part;
  });
  const fill = parts.length ? `repeating-linear-gradient(90deg,${parts.join(",")})` : colour;
  return `width:${Math.max(16, from)}px;height:2px;background:${fill}`;
}

/** What the legend says of a line at the cursor. */
function atCursor(p, s, x) {
  const { read_step: step, read_value, read_state: state } = p.arrays;
  const readings = { steps: p.header.read_at, step, value: read_value, state };
  const raw = p.series.find((other) => other.of === s.label && other.run === s.run);
  const own = readingAt(readings, s.number, clock.step), under = raw ? readingAt(readings, raw.number, clock.step) : null;
  if (own) return under ? said(under, own) : said(own);
  if (x === null || !s.x.length) return { text: "", title: "" };
  const k = nearest(s.x, x);
  return Number.isNaN(s.y[k]) ? { text: "none", title: "nothing was measured here" } : about(s.y[k], stepOf(s, k));
}

/** One line of the tip: the value of the drawn point next to the pointer, with its step where that is not `step`. */
function tipLine(s, k, step) {
  const own = stepOf(s, k), where = own === step ? "" : `at ${own.toLocaleString("en")}: `;
  // A gap in a line is where nothing was measured, or nothing that has a place on the axis.
  return [`${s.label}  ${where}${Number.isNaN(s.y[k]) ? "none" : value(s.y[k]) + (s.smoothed ? " smoothed" : "")}`, s.colour];
}

export const curves = {
  begin(p, fresh) {
    p.series = p.header.series.map((s, i) => ({
      ...s, number: i, x: p.arrays["x" + i], y: p.arrays["y" + i], steps: p.arrays["s" + i],
    }));
    if (fresh) p.view = { hidden: new Set(), zoom: p.header.zoom };
    this.legend(p);
  },
  legend(p) {
    const what = document.createElement("span");
    what.className = "what";
    what.textContent = p.header.y_title;
    p.legend.replaceChildren(...(what.textContent ? [what] : []), ...p.series.filter((s) => !s.of).map((s) => {
      const item = document.createElement("button");
      const mark = document.createElement("i"), value = document.createElement("b");
      mark.style.cssText = sample(s);
      item.append(mark, s.label, value);
      item.className = p.view.hidden.has(s.label) ? "off" : "";
      item.title = "Show or hide";
      item.onclick = () => {
        p.view.hidden.has(s.label) ? p.view.hidden.delete(s.label) : p.view.hidden.add(s.label);
        this.legend(p);
        p.draw();
      };
      s.value = value;
      return item;
    }), ...[...(p.header.spans || []), ...(p.header.levels || [])].map(({ label, colour }) => {
      const item = document.createElement("span"), swatch = document.createElement("i");
      swatch.style.cssText = `display:inline-block;width:12px;height:10px;margin-right:5px;opacity:${3 * SPAN_ALPHA};background:${colour}`;
      item.append(swatch, label);
      return item;
    }));
  },
  /** The words of a line in the legend; a page is only touched where they change. */
  say(box, { text, title }) {
    if (box.textContent !== text) box.textContent = text;
    if (box.title !== title) box.title = title;
  },
  height: (p) => p.header.height,
  draw(p, g, width) {
    const { header, look } = p, shown = p.series.map((s) => ({ ...s, hidden: p.view.hidden.has(s.of || s.label) }));
    const seen = shown.filter((s) => !s.hidden);
    // Lines may end where values stop to be finite; the cursor goes on.
    const xr = p.view.zoom || extent([...seen.map((s) => s.x), header.cursor_x]) || [0, 1];
    const within = seen.map((s) => s.y.filter((_, i) => s.x[i] >= xr[0] && s.x[i] <= xr[1]));
    const yr = extent(within, header.log) || extent(seen.map((s) => s.y), header.log) || [header.log ? 1 : 0, 10];
    const y = padded(yr, header.log);
    if (header.share) { y[0] = Math.min(y[0], 0); y[1] = Math.max(y[1], 1.04); }
    const moments = labelRows(g, header.marks.filter((m) => !p.view.hidden.has(m.of)), xr, 54, width - 14, look);
    p.plot = { left: 54, right: width - 14, top: 14 + 14 * moments.count, bottom: header.height - 40 };
    if (header.spans) spans(g, p.plot, header.spans, { lo: xr[0], hi: xr[1], log: false });
    if (header.levels) levels(g, p.plot, header.levels, { lo: y[0], hi: y[1], log: header.log });
    p.scales = line(g, p.plot, {
      x: { lo: xr[0], hi: xr[1], log: false, unit: header.unit, title: header.unit ? "time" : header.x_name }, y: { lo: y[0], hi: y[1], log: header.log },
      series: shown, marks: moments.marks,
    }, look);
    const at = cursorX(p);
    if (at !== null) rule(g, p.plot, p.scales.sx(at), look);
    if (p.view.drag) {
      g.fillStyle = look.primary; g.globalAlpha = 0.14;
      g.fillRect(Math.min(p.view.drag.from, p.view.drag.to), p.plot.top, Math.abs(p.view.drag.to - p.view.drag.from), p.plot.bottom - p.plot.top);
      g.globalAlpha = 1;
    }
    for (const s of p.series) if (s.value) this.say(s.value, atCursor(p, s, at));
  },
  pointermove(p, event, at) {
    if (p.view.drag) { p.view.drag.to = Math.max(p.plot.left, Math.min(p.plot.right, at.x)); p.draw(); }
    if (!inside(p.plot, at)) return p.hideTip();
    const x = p.scales.sx.inverse(at.x), near = [];
    for (const s of p.series) if (!s.of && !p.view.hidden.has(s.label) && s.x.length) near.push([s, nearest(s.x, x)]);
    const { unit, x_name: name, plain } = p.header;
    // On the plain axis of steps the tip is of one row: that of the point next to the pointer.
    const [first] = near.toSorted(([a, i], [b, j]) => Math.abs(a.x[i] - x) - Math.abs(b.x[j] - x));
    const step = plain && first ? stepOf(...first) : null;
    const where = unit === "s" ? duration(x) : unit === "clock" ? moment(x, 1) : `${name}: ${words(name.startsWith("epoch") ? x : Math.round(x))}`;
    p.showTip([[step === null ? where : `step ${words(step)}`], ...near.map(([s, k]) => tipLine(s, k, step))], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
  pointerdown(p, event, at) {
    if (event.button !== 0 || !inside(p.plot, at)) return;
    p.canvas.setPointerCapture(event.pointerId);
    p.view.drag = { from: at.x, to: at.x };
  },
  pointerup(p, event, at) {
    const drag = p.view.drag;
    p.view.drag = null;
    if (!drag) return;
    if (Math.abs(drag.to - drag.from) < 5) {
      p.draw();
      const run = near(p, at);
      return run && run !== p.header.run ? p.send("chosen", run) : jump(p, p.scales.sx.inverse(at.x));
    }
    const ends = [p.scales.sx.inverse(drag.from), p.scales.sx.inverse(drag.to)].sort((a, b) => a - b);
    p.view.zoom = ends;
    p.draw();
    p.send("window", [...ends, p.header.subject]);
  },
  dblclick(p) {
    if (!p.view.zoom) return;
    p.view.zoom = null;
    p.draw();
    p.send("window", null);
  },
};
