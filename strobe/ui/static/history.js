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
  history.pushState = (state, title, to) => {
    const next = new URL(to ?? location.href, location.href);
    (went(new URL(location.href), next) ? push : replace)(state, title, to);
  };
})();
