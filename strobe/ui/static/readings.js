import { atOrBefore, words } from "./scales.js";
// What is said of a line at a step: the value that was recorded there, or what there is instead, with its own step.

/** The states of a reading, as strobe/views/readings.py numbers them. */
export const RECORDED = 0, NOT_YET = 1, ENDED = 2, NOT_MEASURED = 3, NO_PLACE = 4;

/** A recorded number, also where it is not finite: NaN, inf. */
export function value(v, digits = 3) {
  if (Number.isNaN(v)) return "NaN";
  return Number.isFinite(v) ? words(v, digits) : v > 0 ? "inf" : "−inf";
}

const stepWords = (step) => `step ${step.toLocaleString("en")}`;

/** Every figure of a number, for those who ask. */
const whole = (v) => (Number.isFinite(v) ? String(v) : value(v));

/** The reading of line `i` at `step` in { steps, step, value, state }, or null where none was sent for that step. */
export function readingAt(readings, i, step) {
  const { steps } = readings, k = steps.length && step !== null ? atOrBefore(steps, step) : -1;
  if (k < 0 || steps[k] !== step) return null;
  const own = i * steps.length + k;
  return { asked: step, step: readings.step[own], value: readings.value[own], state: readings.state[own] };
}

/** { text, title } of a reading, and of the `smoothed` one of the same row where there is one. */
export function said(reading, smoothed = null) {
  const { asked, step, value: v, state } = reading;
  if (state === NOT_YET) return { text: "not yet", title: `no value at or before ${stepWords(asked)}` };
  if (state === NO_PLACE) return { text: "not on this axis", title: "no row of it has a place on the x axis" };
  if (state === ENDED) return { text: `ended at ${step.toLocaleString("en")}`, title: `the last value, at ${stepWords(step)}: ${whole(v)}` };
  const where = step === asked ? "" : `at ${step.toLocaleString("en")}: `;
  const none = where ? `, none at ${stepWords(asked)}` : "";
  if (state === NOT_MEASURED) return { text: `${where}not measured`, title: `not measured at ${stepWords(step)}${none}` };
  const over = smoothed && Number.isFinite(smoothed.value);
  return {
    text: `${where}${value(v)}` + (over ? `, smoothed ${value(smoothed.value)}` : ""),
    title: `recorded at ${stepWords(step)}: ${whole(v)}${over ? `; smoothed over all points: ${whole(smoothed.value)}` : ""}${none}`,
  };
}

/** Index of the point of ascending `xs` that is nearest to x. */
export function nearest(xs, x) {
  const k = atOrBefore(xs, x);
  return k + 1 < xs.length && xs[k + 1] - x < x - xs[k] ? k + 1 : k;
}

/** { text, title } of a drawn point, where no reading is here: a value near by, which says so. */
export const about = (v, step) => ({ text: `~${value(v)}`, title: `nearest drawn point, ${stepWords(step)}` });

/** An uncertain number by its least and greatest: "0.2", or "0.18 to 0.22". */
export function between(least, most, digits = 2) {
  const [low, high] = [words(least, digits), words(most, digits)];
  return low === high ? low : `${low} to ${high}`;
}
