import { announce, busy, clock, moved } from "./clock.js";
import { atOrBefore, words } from "./scales.js";
// The step cursor in the header: a slider over the snapshots that exist. Moving it redraws the panels at once; the
// server hears the step on which it comes to rest.

const SETTLE_MS = 250;
const PLAY_MS = 150;
const WAIT_MS = 2000;
const HEARD_MS = 2000;
const TELLINGS = 4;
const LEAVING_MS = 3000;
const ICONS = {
  first: "M5 4v12M16 4 8 10l8 6z", prev: "M14 4 6 10l8 6z", next: "M6 4l8 6-8 6z", last: "M15 4v12M4 4l8 6-8 6z",
  play: "M6 3l11 7-11 7z", pause: "M6 3v14M14 3v14",
};
const cursors = new WeakMap();

class Cursor {
  constructor(root, send) {
    this.root = root;
    this.send = send;
    this.at = (name) => root.querySelector(`[data-at=${name}]`);
    this.slider = this.at("slider");
    for (const name of ["first", "prev", "next", "last", "play"]) {
      this.icon(name, name);
      this.at(name).onclick = () => this.press(name);
    }
    this.slider.oninput = () => this.move(+this.slider.value);
    this.at("live").onclick = () => this.goLive(clock.live !== this.data.run);
    this.at("link").onclick = () => this.copyLink();
    this.at("help").onclick = () => window.dispatchEvent(new CustomEvent("strobe:keys"));
    this.onKey = (event) => this.key(event);
    this.onSeek = ({ detail }) => this.seek(detail);
    window.addEventListener("keydown", this.onKey);
    window.addEventListener("strobe:seek", this.onSeek);
    this.onClick = (event) => this.clicked(event);
    document.addEventListener("click", this.onClick, true);
  }

  /** A click on a curve: go to that snapshot. */
  seek({ run, step }) {
    if (run !== this.data?.run) return;
    this.stop();
    this.move(atOrBefore(this.data.steps, step));
  }

  update(data, send) {
    this.send = send;
    const same = this.data && JSON.stringify(this.data.steps) === JSON.stringify(data.steps) && this.data.run === data.run;
    this.data = data;
    // Within one run the window is ahead of the server: what the visitor sees wins over what the server last heard,
    // but for a step that came with the address, by a link or the way back.
    const arrived = clock.arrived !== data.arrived;
    clock.arrived = data.arrived;
    const step = clock.run === data.run && clock.step !== null && !arrived ? clock.step : data.step;
    if (!data.running && clock.live === data.run) clock.live = null;
    const live = clock.live === data.run && !this.timer;
    this.index = live ? Math.max(0, data.steps.length - 1) : data.steps.length ? atOrBefore(data.steps, step) : 0;
    this.slider.max = Math.max(0, data.steps.length - 1);
    const off = data.steps.length < 2;
    for (const name of ["first", "prev", "next", "last", "play", "slider"]) this.at(name).disabled = off;
    if (!same) { this.stop(); this.marks(); }
    this.show();
    if (data.steps.length && (clock.run !== data.run || clock.step !== data.steps[this.index])) {
      announce(data.run, data.steps[this.index]);
    }
    // The page was left in the middle of a move, so that the server never heard where it ended.
    if (data.steps.length && !this.heard()) this.rest();
  }

  icon(button, name) {
    this.at(button).querySelector("path").setAttribute("d", ICONS[name]);
  }

  marks() {
    const box = this.at("marks");
    box.replaceChildren();
    for (const mark of this.data.ticks) {
      const tick = document.createElement("span");
      const index = atOrBefore(this.data.steps, mark.step);
      tick.style.left = `${(100 * index) / Math.max(1, this.data.steps.length - 1)}%`;
      tick.title = `${mark.label}, step ${words(mark.step)}${mark.rule ? `\n${mark.rule}` : ""}`;
      tick.dataset.kind = mark.kind;
      box.append(tick);
    }
  }

  show() {
    const { steps } = this.data;
    this.slider.value = this.index;
    const label = steps.length
      ? [`step ${words(steps[this.index])}`, `${this.data.what || "snapshot"} ${words(this.index + 1)} of ${words(steps.length)}`]
      : [this.data.empty || "no snapshots", ""];
    this.at("step").textContent = label[0];
    this.at("count").textContent = label[1];
    this.slider.setAttribute("aria-valuetext", label.join(", "));
    this.at("live").hidden = !this.data.running;
    this.at("live").setAttribute("aria-pressed", `${clock.live === this.data.run}`);
    this.slider.style.setProperty("--at", `${(100 * this.index) / Math.max(1, steps.length - 1)}%`);
  }

  /** Follows the newest step of a run that is still training, or no longer. */
  goLive(on) {
    clock.live = on ? this.data.run : null;
    if (on && this.data.steps.length) this.move(this.data.steps.length - 1);
    else this.show();
  }

  move(index) {
    this.index = index;
    // Who goes back wants to look there.
    if (index < this.data.steps.length - 1 && clock.live === this.data.run) clock.live = null;
    this.show();
    announce(this.data.run, this.data.steps[index]);
    this.rest();
  }

  /** Tells the server where the cursor is once it has not moved for a while. */
  rest(wait = SETTLE_MS) {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.settle(), wait);
  }

  settle() {
    if (!this.timer) this.tell();
  }

  clicked(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || !this.data) return;
    if (link.dataset.step !== undefined) this.follow(link, event);
    else if (link.target !== "_blank") this.leave();
  }

  /** A link to a step of this run goes there on this page; opened elsewhere it is an address like any other. */
  follow(link, event) {
    if (link.dataset.run !== this.data.run || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.seek({ run: link.dataset.run, step: +link.dataset.step });
  }

  /** A link to another page: what is told on the way there brings the old page back. The cursor of the new page, which
   * knows from the clock where this one was, tells it. */
  leave() {
    if (this.heard()) return;
    clearTimeout(this.unheard);
    this.rest(LEAVING_MS);
  }

  /** Tells it again, each time after twice as long, until the server answers with this step: what is told while a page
   * is being made can be lost on its way. */
  repeat(told) {
    clearTimeout(this.unheard);
    if (told >= TELLINGS || this.heard()) return;
    this.unheard = setTimeout(() => { if (!this.timer && !this.heard()) this.tell(told + 1); }, HEARD_MS * 2 ** (told - 1));
  }

  heard() {
    return this.data.steps[this.index] === this.data.step;
  }

  tell(told = 1) {
    // The time makes each telling another value: one that was lost while pages changed is no change when it comes again.
    this.send(`${this.data.run}@${this.data.steps[this.index]}@${Math.round(performance.now())}`);
    this.repeat(told);
  }

  press(name) {
    const last = this.data.steps.length - 1;
    if (name === "play") return this.timer ? this.stop() : this.play();
    this.stop();
    this.move({ first: 0, prev: Math.max(0, this.index - 1), next: Math.min(last, this.index + 1), last }[name]);
  }

  play() {
    const last = this.data.steps.length - 1;
    if (last < 1) return;
    if (this.index >= last) this.move(0);
    this.icon("play", "pause");
    this.at("play").title = "Pause (space)";
    this.asked = 0;
    this.timer = setInterval(() => this.tick(last), PLAY_MS);
  }

  /** On to the next step. Where a panel has no frame of this one, the film waits a while for the server. */
  tick(last) {
    if (clock.lacking.size) {
      if (!this.asked) {
        this.asked = performance.now();
        this.tell();
      }
      if (performance.now() - this.asked < WAIT_MS) return;
    }
    this.asked = 0;
    if (this.index >= last) this.stop();
    else this.move(this.index + 1);
  }

  stop() {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = 0;
    this.icon("play", "play");
    this.at("play").title = "Play (space)";
    this.move(this.index);
  }

  key(event) {
    if (!this.data || this.data.steps.length < 2 || busy(event)) return;
    if (event.key === " ") this.press("play");
    else {
      const index = moved(event.key, event.shiftKey, this.index, this.data.steps.length);
      if (index === null) return;
      this.stop();
      this.move(index);
    }
    event.preventDefault();
  }

  async copyLink() {
    const button = this.at("link"), label = button.querySelector("span");
    try {
      await navigator.clipboard.writeText(window.location.href);
      label.textContent = "Copied";
    } catch {
      label.textContent = "Copy it from the address bar";
    }
    setTimeout(() => { label.textContent = "Link"; }, 1500);
  }

  dispose() {
    clearInterval(this.timer);
    clearTimeout(this.settling);
    clearTimeout(this.unheard);
    window.removeEventListener("keydown", this.onKey);
    window.removeEventListener("strobe:seek", this.onSeek);
    document.removeEventListener("click", this.onClick, true);
  }
}

export function mountCursor({ data, parentElement, setStateValue }) {
  let cursor = cursors.get(parentElement);
  const send = (step) => setStateValue("at", step);
  if (!cursor) cursors.set(parentElement, (cursor = new Cursor(parentElement, send)));
  cursor.update(data, send);
  return () => { cursor.dispose(); cursors.delete(parentElement); };
}
