import { clock, drawn, follow, lacks } from "./clock.js";
import { prepare } from "./draw.js";
import { lookOf } from "./look.js";
import { atOrBefore, unpack } from "./scales.js";
import { kinds } from "./kinds.js";
// A panel: one canvas that holds its frames, follows the clock and redraws without the server.

const panels = new WeakMap();

/** What a panel says where it shows another step than the one that is asked for. */
function noteOf({ follows, sampled, partial, lack }, { shown, asked, due, failed, outside }) {
  if (!follows || shown === asked) return "";
  const at = (step) => `step ${step.toLocaleString("en")}`;
  if (failed) return `${at(due)} cannot be shown: showing ${at(shown)}`;
  if (outside) return "loading the frames around this step";
  // Frames at some of the snapshots: the server adds the one under the cursor once it rests.
  if ((sampled || partial) && shown !== due) return `showing ${at(shown)} until ${at(due)} is read`;
  return `${(due === asked && lack) || "no snapshot"} ${shown > asked ? "before" : "at"} ${at(asked)}: showing ${at(shown)}`;
}

class Panel {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector(".panel");
    this.canvas = root.querySelector("canvas");
    this.legend = root.querySelector(".legend");
    this.tip = root.querySelector(".tip");
    this.note = root.querySelector(".note");
    this.view = {};
    this.stopFollowing = follow(() => { this.draw(); this.pointAgain(); });
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.box);
    this.dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.onTheme = () => setTimeout(() => { this.lookNow = null; this.kind?.legend?.(this); this.draw(); }, 60);
    this.dark.addEventListener("change", this.onTheme);
    // Streamlit's own theme switch rewrites the class of the wrapper that carries the colours.
    this.themed = new MutationObserver(this.onTheme);
    const wrapper = (root.host || root).parentElement;
    if (wrapper) this.themed.observe(wrapper, { attributes: true, attributeFilter: ["class"] });
    for (const name of ["pointermove", "pointerleave", "pointerdown", "pointerup", "dblclick"]) {
      this.canvas.addEventListener(name, (event) => {
        if (name === "pointermove") this.pointed = [event, this.place(event)];
        this.kind?.[name]?.(this, event, this.place(event));
      });
    }
  }

  /** A tip that stands is made again where the panel shows something else under the pointer. */
  pointAgain() {
    if (!this.tip.hidden && this.pointed) this.kind.pointermove(this, ...this.pointed);
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  update(bytes, send) {
    this.send = send;
    const { header, arrays } = unpack(bytes);
    if (this.header && header.token === this.header.token) return;
    const fresh = !this.header || header.subject !== this.header.subject;
    this.header = header;
    this.arrays = arrays;
    this.kind = kinds[header.kind];
    if (fresh) this.view = {};
    this.lookNow = null;
    this.canvas.setAttribute("aria-label", header.alt);
    this.canvas.dataset.token = header.token;
    this.kind.begin(this, fresh);
    this.draw();
    this.pointAgain();
  }

  get look() {
    return (this.lookNow ??= lookOf(this.box));
  }

  /** Index of the frame at the clock: the nearest earlier one where this run has none at that step. */
  get frame() {
    return atOrBefore(this.header.steps, (clock.step ?? this.header.steps[0] ?? 0) + this.header.shift);
  }

  /** The step that is shown, as a tip has it: not always that of the clock. */
  get when() {
    return this.header.steps.length ? `step ${this.header.steps[this.frame].toLocaleString("en")}` : "";
  }

  draw() {
    if (!this.header) return;
    const width = this.box.clientWidth;
    if (!width) return;
    const g = prepare(this.canvas, width, this.kind.height(this, width));
    this.kind.draw(this, g, width);
    const shown = this.header.steps.length ? this.header.steps[this.frame] : null;
    this.say(shown);
    drawn(this.header.name, clock.step);
  }

  say(shown) {
    const { steps, snapshots, shift, span, windowed, unreadable } = this.header;
    const asked = clock.step === null ? null : clock.step + shift;
    // The snapshot of this run that belongs there, whether its frame is here or not.
    const due = snapshots.length && asked !== null ? snapshots[atOrBefore(snapshots, asked)] : asked;
    const failed = unreadable.includes(due);
    const outside = windowed && !failed && due !== null && (due < span[0] || due > span[1]);
    this.note.textContent = steps.length && asked !== null ? noteOf(this.header, { shown, asked, due, failed, outside }) : "";
    lacks(this.header.name, Boolean(outside));
  }

  showTip(lines, x, y) {
    this.tip.replaceChildren(...lines.map(([text, colour]) => {
      const row = document.createElement("div");
      if (colour) {
        const dot = document.createElement("i");
        dot.style.background = colour;
        row.append(dot);
      }
      row.append(text);
      return row;
    }));
    this.tip.hidden = !lines.length;
    if (!lines.length) return;
    const wide = this.box.clientWidth, own = this.tip.offsetWidth;
    this.tip.style.left = (x + 14 + own > wide ? Math.max(0, x - own - 10) : x + 14) + "px";
    this.tip.style.top = Math.max(0, y - 10) + "px";
  }

  hideTip() { this.tip.hidden = true; }

  dispose() {
    this.stopFollowing();
    lacks(this.header?.name, false);
    this.resizing.disconnect();
    this.themed.disconnect();
    this.dark.removeEventListener("change", this.onTheme);
  }
}

export function mountPanel({ data, parentElement, setStateValue }) {
  let panel = panels.get(parentElement);
  if (!panel) panels.set(parentElement, (panel = new Panel(parentElement)));
  panel.update(data, setStateValue);
  return () => { panel.dispose(); panels.delete(parentElement); };
}
