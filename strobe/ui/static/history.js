// One entry in the browser's history for a page, a run or a selection of runs, and none for anything else. Streamlit
// makes one of every change of the address: a moving cursor would fill the way back with its steps.

(() => {
  const { history, location } = window;
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  const place = (address) => {
    const page = address.pathname.replace(/\/+$/, "").split("/").pop();
    return { page, runs: [...address.searchParams.getAll("run"), ...address.searchParams.getAll("runs")].join("\n") };
  };
  /** Whether the way from one address to another is one that a visitor went, and not the app finding its place. */
  const went = (from, to) => {
    const old = place(from), next = place(to);
    if (from.pathname !== to.pathname) return old.page !== "home" && from.pathname !== window.__strobeRoot;
    return old.runs !== "" && next.runs !== "" && old.runs !== next.runs;
  };
  window.__strobeWent = went;
  window.__strobeRoot = location.pathname.endsWith("/") ? location.pathname : null;
  // What the next page writes may come before its name: written into the address of the page that is left, it would
  // be what the way back leads to.
  const LEAVING_MS = 3000;
  let leaving = 0;
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || link.target === "_blank" || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const to = new URL(link.href, location.href);
    if (to.origin === location.origin && to.pathname !== location.pathname) leaving = performance.now() + LEAVING_MS;
  }, true);
  window.addEventListener("popstate", () => { leaving = 0; });
  /** Whether an address is the left page's, with what the next one wrote. */
  const isLate = (next) => {
    if (next.pathname !== location.pathname) leaving = 0;
    return performance.now() < leaving;
  };
  history.replaceState = (state, title, to) => {
    if (!isLate(new URL(to ?? location.href, location.href))) replace(state, title, to);
  };
  history.pushState = (state, title, to) => {
    const next = new URL(to ?? location.href, location.href);
    if (!isLate(next)) (went(new URL(location.href), next) ? push : replace)(state, title, to);
  };
})();
