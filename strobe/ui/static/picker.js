import { matcher } from "./matching.js";
// A list to tick things in, runs or metrics: names are set as text, never as HTML. The filter is a regular expression;
// what is none is looked for as it stands.

const DRAWN = 100;
const pickers = new WeakMap();

function row(picker, item) {
  const { data } = picker, on = data.selected.includes(item.id);
  const label = document.createElement("label"), box = document.createElement("input");
  const dot = document.createElement("i"), name = document.createElement("span"), note = document.createElement("em");
  box.type = "checkbox";
  box.checked = on;
  box.disabled = !on && data.selected.length >= data.most;
  box.onchange = () => choose(picker, item.id, box.checked);
  const colour = item.colour || "var(--st-primary-color)";
  // Half of it is empty where the lines are dashed.
  dot.style.background = !on ? "transparent" : item.dashed ? `linear-gradient(90deg, ${colour} 50%, transparent 50%)` : colour;
  dot.style.borderColor = on ? colour : "";
  name.textContent = item.name;
  name.title = item.name === item.id ? item.id : `${item.name} (${item.id})`;
  name.ondblclick = () => send(picker, [item.id]);
  note.textContent = item.note;
  note.dataset.status = item.note;
  label.append(box, dot, name, note);
  label.className = box.disabled ? "full" : "";
  return label;
}

function choose(picker, id, on) {
  const left = picker.data.selected.filter((other) => other !== id);
  send(picker, on ? [...left, id] : left.length || picker.data.optional ? left : [id]);
}

function send(picker, ids) {
  picker.data.selected = ids;
  show(picker);
  picker.setStateValue("selected", ids);
}

function show(picker) {
  const { root, data } = picker, fits = matcher(picker.filter.value), { selected, items, most, words } = data;
  const found = items.filter((item) => fits(item.name) || (item.id !== item.name && fits(item.id)));
  if (data.optional) found.sort((a, b) => selected.includes(b.id) - selected.includes(a.id));
  const list = root.querySelector(".list");
  list.replaceChildren(...found.slice(0, DRAWN).map((item) => row(picker, item)));
  list.setAttribute("aria-label", words.what);
  picker.filter.setAttribute("aria-label", `Filter ${words.what.toLowerCase()} by name`);
  const more = found.length - DRAWN;
  root.querySelector(".more").textContent = !found.length ? words.none
    : selected.length >= most ? words.full
    : more > 0 ? `${more.toLocaleString("en")} more: type to filter.` : "";
  root.querySelector(".what").textContent = words.what;
  root.querySelector(".many").textContent = items.length > 1 ? `${selected.length} of ${items.length.toLocaleString("en")}` : "";
  picker.filter.hidden = !data.optional && items.length < 6;
}

export function mountPicker({ data, parentElement, setStateValue }) {
  let picker = pickers.get(parentElement);
  if (!picker) {
    picker = { root: parentElement, filter: parentElement.querySelector("input") };
    picker.filter.oninput = () => show(picker);
    pickers.set(parentElement, picker);
  }
  picker.setStateValue = setStateValue;
  const items = data.items.map(([id, name, note, colour, dashed]) => ({ id, name: name || id, note, colour, dashed }));
  picker.data = { ...data, items, selected: [...data.selected] };
  show(picker);
  return () => pickers.delete(parentElement);
}
