import { busy } from "./clock.js";
// What is the same on every page, below the list of runs: light or dark, and what the keys do.

const menus = new WeakMap();

/** Streamlit's list of pages has groups between the list and its items, which a screen reader takes for no list. */
function nameGroups() {
  for (const group of document.querySelectorAll("[data-testid=stSidebarNavItems] > div")) {
    group.setAttribute("role", "listitem");
    for (const item of group.querySelectorAll(":scope > li")) item.setAttribute("role", "none");
  }
}

class Menu {
  constructor(root) {
    this.dialog = root.querySelector("dialog");
    this.choices = [...root.querySelectorAll("[name=theme]")];
    root.querySelector(".open").onclick = () => this.explain();
    root.querySelector(".close").onclick = () => this.dialog.close();
    // A click beside the sheet is one on the dialog itself.
    this.dialog.onclick = (event) => { if (event.target === this.dialog) this.dialog.close(); };
    for (const choice of this.choices) choice.onchange = () => window.__strobeTheme?.choose(choice.value);
    this.onKey = (event) => { if (event.key === "?" && !busy(event)) this.explain(); };
    this.onAsked = () => this.explain();
    this.onTheme = () => this.show();
    // What the server draws in the colours of a theme, it draws again.
    this.dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.onDark = () => setTimeout(() => this.tell("theme", this.dark.matches ? "dark" : "light"), 100);
    this.dark.addEventListener("change", this.onDark);
    window.addEventListener("keydown", this.onKey);
    window.addEventListener("strobe:keys", this.onAsked);
    window.addEventListener("strobe:theme", this.onTheme);
    this.groups = new MutationObserver(nameGroups);
    const pages = document.querySelector("[data-testid=stSidebarNavItems]");
    if (pages) this.groups.observe(pages, { childList: true, subtree: true });
    nameGroups();
    this.show();
  }

  show() {
    for (const choice of this.choices) choice.checked = choice.value === (window.__strobeTheme?.chosen ?? "");
  }

  explain() {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }

  dispose() {
    window.removeEventListener("keydown", this.onKey);
    window.removeEventListener("strobe:keys", this.onAsked);
    window.removeEventListener("strobe:theme", this.onTheme);
    this.dark.removeEventListener("change", this.onDark);
    this.groups.disconnect();
  }
}

export function mountMenu({ parentElement, setTriggerValue }) {
  if (!menus.has(parentElement)) menus.set(parentElement, new Menu(parentElement));
  menus.get(parentElement).tell = setTriggerValue;
  return () => { menus.get(parentElement)?.dispose(); menus.delete(parentElement); };
}
