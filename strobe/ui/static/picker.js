// The run picker: names are set as text, never as HTML.

const DRAWN = 100;
const pickers = new WeakMap();

function row(picker, run) {
  const { data } = picker, on = data.selected.includes(run.id);
  const label = document.createElement("label"), box = document.createElement("input");
  const dot = document.createElement("i"), name = document.createElement("span"), status = document.createElement("em");
  box.type = "checkbox";
  box.checked = on;
  box.disabled = !on && data.selected.length >= data.most;
  box.onchange = () => choose(picker, run.id, box.checked);
  dot.style.background = on ? run.colour : "transparent";
  dot.style.borderColor = on ? run.colour : "";
  name.textContent = run.name;
  name.title = run.name === run.id ? run.id : `${run.name} (${run.id})`;
  name.ondblclick = () => send(picker, [run.id]);
  status.textContent = run.status;
  status.dataset.status = run.status;
  label.append(box, dot, name, status);
  label.className = box.disabled ? "full" : "";
  return label;
}

function choose(picker, id, on) {
  const left = picker.data.selected.filter((other) => other !== id);
  send(picker, on ? [...left, id] : left.length ? left : [id]);
}

function send(picker, ids) {
  picker.data.selected = ids;
  show(picker);
  picker.setStateValue("selected", ids);
}

function show(picker) {
  const { root, data } = picker, wanted = picker.filter.value.toLowerCase();
  const found = data.runs.filter((run) => (run.name + " " + run.id).toLowerCase().includes(wanted));
  root.querySelector(".list").replaceChildren(...found.slice(0, DRAWN).map((run) => row(picker, run)));
  const more = found.length - DRAWN, full = data.selected.length >= data.most;
  root.querySelector(".more").textContent = !found.length ? "No run has this in its name."
    : full ? `${data.most} runs are drawn: untick one to add another.`
    : more > 0 ? `${more.toLocaleString("en")} more: type to filter.` : "";
  root.querySelector(".many").textContent = data.runs.length > 1 ? `${data.selected.length} of ${data.runs.length.toLocaleString("en")}` : "";
  picker.filter.hidden = data.runs.length < 6;
}

export function mountPicker({ data, parentElement, setStateValue }) {
  let picker = pickers.get(parentElement);
  if (!picker) {
    picker = { root: parentElement, filter: parentElement.querySelector("input") };
    picker.filter.oninput = () => show(picker);
    pickers.set(parentElement, picker);
  }
  picker.setStateValue = setStateValue;
  picker.data = { ...data, selected: [...data.selected] };
  show(picker);
  return () => pickers.delete(parentElement);
}
