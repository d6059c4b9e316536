// Light or dark as the visitor chose, else as his system. Streamlit and our panels ask the browser which of the two it
// is, so the choice is put into that answer, before the first of them asks.

(() => {
  const KEPT = "strobe:theme", QUERY = /^\s*\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)\s*$/;
  const ask = window.matchMedia.bind(window), dark = ask("(prefers-color-scheme: dark)");
  const told = new Set();
  const kept = () => {
    try { return localStorage.getItem(KEPT) || ""; } catch { return ""; }
  };
  let chosen = kept();

  /** What `matchMedia` gives for one of the two: it changes with the system, and with the choice. */
  class Asked extends EventTarget {
    constructor(query, wanted) { super(); this.media = query; this.wanted = wanted; this.onchange = null; told.add(this); }
    get matches() { return (chosen || (dark.matches ? "dark" : "light")) === this.wanted; }
    addListener(heard) { this.addEventListener("change", heard); }
    removeListener(heard) { this.removeEventListener("change", heard); }
    tell() {
      const event = Object.assign(new Event("change"), { matches: this.matches, media: this.media });
      this.dispatchEvent(event);
      this.onchange?.(event);
    }
  }
  const asked = { dark: new Asked("(prefers-color-scheme: dark)", "dark"), light: new Asked("(prefers-color-scheme: light)", "light") };
  const tell = () => told.forEach((one) => one.tell());
  dark.addEventListener("change", () => { if (!chosen) tell(); });
  window.matchMedia = (query) => asked[QUERY.exec(query)?.[1]] ?? ask(query);

  const set = (name) => {
    const before = asked.dark.matches;
    chosen = name === "dark" || name === "light" ? name : "";
    if (asked.dark.matches !== before) tell();
  };
  // Another window of the same app changes as well.
  window.addEventListener("storage", ({ key }) => {
    if (key !== KEPT && key !== null) return;
    set(kept());
    window.dispatchEvent(new CustomEvent("strobe:theme"));
  });
  window.__strobeTheme = {
    get chosen() { return chosen; },
    choose(name) {
      set(name);
      try { localStorage.setItem(KEPT, chosen); } catch { /* a browser that keeps nothing: as long as the page is open */ }
    },
  };
})();
