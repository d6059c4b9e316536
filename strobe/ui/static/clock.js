// The one clock of a browser window: the step that every panel shows.

export const clock = (window.__strobe ??= { run: null, step: null, arrived: null, live: null, lacking: new Set() });

/** Tell every panel, at once and without the server. */
export function announce(run, step) {
  clock.run = run;
  clock.step = step;
  window.dispatchEvent(new CustomEvent("strobe:step", { detail: { run, step } }));
}

/** Calls `draw(step)` at most once a frame whenever the clock moves; returns how to stop. */
export function follow(draw) {
  let pending = 0;
  const heard = () => {
    if (!pending) pending = requestAnimationFrame(() => { pending = 0; draw(clock.step); });
  };
  window.addEventListener("strobe:step", heard);
  return () => { window.removeEventListener("strobe:step", heard); cancelAnimationFrame(pending); };
}

/** Says whether a panel waits for frames that the server still has to send. */
export function lacks(panel, waiting) {
  if (waiting) clock.lacking.add(panel);
  else clock.lacking.delete(panel);
}

/** For tests and benchmarks: what is on screen now. */
export function drawn(panel, step) {
  window.dispatchEvent(new CustomEvent("strobe:drawn", { detail: { panel, step } }));
}

/** Where a key moves the cursor among `steps`; null where the key is not ours. */
export function moved(key, shift, index, count) {
  const by = shift ? 10 : 1, last = count - 1;
  if (key === "ArrowLeft") return Math.max(0, index - by);
  if (key === "ArrowRight") return Math.min(last, index + by);
  if (key === "Home") return 0;
  if (key === "End") return last;
  return null;
}

/** True where a key press belongs to what has the focus: typing, a table, a slider, an open menu. */
export function busy(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const at = event.composedPath()[0];
  if (!(at instanceof Element)) return false;
  // A closed list that was just used keeps the focus, and has no use for these.
  if (at.matches("[role=combobox][aria-expanded=false]") && !at.value) return !/^(Arrow(Left|Right)|Home|End)$/.test(event.key);
  if (at.matches("input:not([type=checkbox]):not([data-cursor]), textarea, select, [contenteditable=true]")) return true;
  if (at.closest("[data-testid=stDataFrame], [role=listbox], [role=dialog], dialog, [role=slider], [role=separator]")) return true;
  return event.key === " " && at.matches("button, a, input, summary, [role=button]");
}
