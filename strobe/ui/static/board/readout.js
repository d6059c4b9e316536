import { ENDED, NO_PLACE, NOT_MEASURED, NOT_YET } from "../readings.js";
import { duration, moment, words } from "../scales.js";
import { exact } from "./model.js";
// The one docked table: what every line of a chart recorded where the crosshair stands.

const counted = (step) => step.toLocaleString("en");

/** The style of a short piece of a line, dashes and all. */
export function stroke({ colour, dash }) {
  let from = 0;
  const parts = dash.flatMap((long, i) => {
    const part = `${i % 2 ? "transparent" : colour} ${from}px ${from + long}px`;
    from += long;
    return part;
  });
  return `width:${Math.max(16, from)}px;background:${parts.length ? `repeating-linear-gradient(90deg,${parts.join(",")})` : colour}`;
}

/** The words of a reading in the column of values; "" where none is known yet. */
export function wordsOf(reading) {
  if (!reading) return "";
  const { state, step, value } = reading;
  if (state === NOT_YET) return "not yet";
  if (state === NO_PLACE) return "not on this axis";
  if (state === ENDED) return `ended at ${counted(step)}`;
  return state === NOT_MEASURED ? "not measured" : exact(value);
}

/** A number to sort by: what is not a recorded, finite value comes last. */
export const rank = (reading) => (reading && reading.state === 0 && !Number.isNaN(reading.value) ? reading.value : -Infinity);

/** What the step column has: the row's own step, "at" where the crosshair is on another. */
export function stepOf({ asked, step, state }) {
  if (!Number.isFinite(step) || state === ENDED) return "";
  return step === asked ? counted(step) : `at ${counted(step)}`;
}

/** The difference of two recorded values, or "" where there is none. */
export function difference(own, other) {
  if (!own || !other || own.state || other.state) return "";
  const by = own.value - other.value;
  return Number.isFinite(by) ? (by > 0 ? "+" : "") + words(by, 4) : "";
}

/** Where the crosshair stands, in words. */
export function whereWords(frame, at, step) {
  const stepWords = step === null || step === undefined ? "" : `step ${counted(step)}`;
  if (frame.plain) return stepWords;
  const x = frame.unit === "s" ? duration(at) : frame.unit === "clock" ? moment(at, 1) : `${words(at, 6)} ${frame.word}`;
  return frame.axis === "step" ? `${words(at, 9)} ${frame.title}` : stepWords ? `${x} (${stepWords})` : x;
}

function cell(kind, text, title = "") {
  const made = document.createElement("td");
  made.className = kind;
  made.textContent = text;
  made.title = title;
  return made;
}

function row(entry, columns, board) {
  const made = document.createElement("tr"), { line, reading, smoothed, off } = entry;
  made.className = off ? "off" : "";
  const name = document.createElement("td"), button = document.createElement("button"), mark = document.createElement("i");
  mark.style.cssText = stroke(line);
  const words = document.createElement("span"), split = document.createElement("small");
  words.textContent = columns.run ? entry.run : line.split || entry.run;
  split.textContent = columns.run ? line.split : "";
  button.append(mark, words, split);
  button.title = off ? "Show this series on all charts" : "Hide this series on all charts";
  button.setAttribute("aria-pressed", String(!off));
  button.onclick = () => board.hide(line.id);
  made.onpointerenter = () => board.light(line.id);
  made.onpointerleave = () => board.light("");
  name.append(button);
  made.append(name);
  made.append(cell("s", reading ? stepOf(reading) : ""));
  const text = wordsOf(reading), value = cell(reading && reading.state ? "v none" : "v", reading ? text : "…");
  if (reading && !reading.state && smoothed && Number.isFinite(smoothed.value)) {
    const small = document.createElement("small");
    small.textContent = `smoothed ${exact(smoothed.value)}`;
    value.append(small);
  }
  made.append(value);
  if (columns.baseline) made.append(cell("d", entry.difference));
  return made;
}

/** Shows the table: `entries` { line, run, reading, smoothed, off, difference } in the order in which they stand. */
export function showReadout(dock, { title, where, entries, columns, settled, note, keys }, board) {
  // While the pointer moves on there is nothing to show but where it is.
  const shows = `${title}\n${entries.map(({ line, off }) => line.id + off).join("\n")}`;
  if (!settled && dock.dataset.settled === "false" && dock.dataset.shows === shows) {
    dock.querySelector(".where").textContent = where;
    return;
  }
  dock.dataset.shows = shows;
  const head = document.createElement("h2"), sub = document.createElement("p"), table = document.createElement("table");
  head.textContent = title;
  sub.textContent = where;
  sub.className = "where";
  const names = [columns.run ? "run" : "series", "step", "value", ...(columns.baseline ? ["vs baseline"] : [])];
  const top = table.createTHead().insertRow(), classes = { step: "s", value: "v", "vs baseline": "d" };
  for (const name of names) {
    const th = document.createElement("th");
    th.textContent = name;
    th.scope = "col";
    th.className = classes[name] || "";
    top.append(th);
  }
  const body = table.createTBody();
  body.append(...entries.map((entry) => row(entry, columns, board)));
  const under = document.createElement("p");
  under.textContent = note;
  const hint = document.createElement("p");
  hint.className = "keys";
  hint.innerHTML = keys;
  const focused = dock.getRootNode().activeElement, place = focused && dock.contains(focused) ? [...dock.querySelectorAll("button")].indexOf(focused) : -1;
  dock.replaceChildren(head, sub, table, under, hint);
  dock.dataset.settled = String(settled);
  if (place >= 0) dock.querySelectorAll("button")[place]?.focus();
}
