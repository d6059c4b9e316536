// The table of runs: a box to tick for each, a name that opens it alone, headings that sort. What is found, sorted and
// drawn is the server's; names are set as text, never as HTML.

const tables = new WeakMap();
const SVG = "http://www.w3.org/2000/svg";

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** The ids that are selected after a box was ticked or cleared; never none, and at most as many as are drawn. */
export function chosen(selected, ids, on, most) {
  if (on) return [...selected, ...ids.filter((id) => !selected.includes(id))].slice(0, most);
  const left = selected.filter((id) => !ids.includes(id));
  return left.length ? left : selected.slice(0, 1);
}

/** The order that a click on a heading asks for: the greatest first, then the least, then as it was. */
export function nextSort(sort, name, first) {
  if (sort === `-${name}`) return name;
  return sort === name ? first : `-${name}`;
}

/** An SVG path through `values` (null: a gap) in a box of `width` by `height`. */
export function sparkPath(values, width, height) {
  const there = values.filter((value) => value !== null);
  const low = Math.min(...there), high = Math.max(...there), span = high - low || 1;
  let path = "", down = false;
  values.forEach((value, k) => {
    if (value === null) { down = false; return; }
    const x = (width * k) / Math.max(1, values.length - 1), y = height - (height * (value - low)) / span;
    path += `${down ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    down = true;
  });
  return path;
}

function spark(values) {
  const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 92 22");
  svg.setAttribute("aria-hidden", "true");
  if (values.length > 1) path.setAttribute("d", sparkPath(values, 92, 20));
  svg.append(path);
  return svg;
}

function send(table, name, value) {
  table.setStateValue(name, value);
}

function select(table, ids) {
  table.data.selected = ids;
  draw(table);
  send(table, "selected", ids);
}

function heading(table, column) {
  const { sort, first } = table.data, cell = made("th", column.right ? "right" : column.id === "name" ? "name" : "");
  const button = made("button", "", column.heading), down = sort === `-${column.id}`, up = sort === column.id;
  cell.scope = "col";
  button.type = "button";
  button.title = column.help;
  if (up || down) {
    button.append(made("span", "", up ? "↑" : "↓"));
    cell.setAttribute("aria-sort", up ? "ascending" : "descending");
  }
  button.disabled = !column.sorts;
  button.onclick = () => send(table, "sort", nextSort(sort, column.id, first));
  cell.append(button);
  return cell;
}

function row(table, item) {
  const { data } = table, { selected, columns } = data, line = made("tr");
  const ticked = item.ids.filter((id) => selected.includes(id)).length, on = ticked === item.ids.length;
  line.className = ticked ? "selected" : "";
  const box = made("input"), place = made("td", "box");
  box.type = "checkbox";
  box.checked = on;
  box.indeterminate = ticked > 0 && !on;
  box.disabled = !ticked && selected.length >= data.most;
  box.setAttribute("aria-label", `Select ${item.name}`);
  box.onchange = () => select(table, chosen(selected, item.ids, box.checked, data.most));
  place.append(box);
  line.append(place);
  columns.forEach((column, k) => line.append(cell(table, item, column, item.cells[k])));
  return line;
}

function cell(table, item, column, value) {
  const place = made("td", column.right ? "right" : "");
  if (column.id === "name") {
    const open = made("button"), dot = made("i"), colour = item.colour || "";
    place.className = "name";
    open.type = "button";
    open.title = item.title;
    if (colour) {
      // Half of it is empty where the lines are dashed.
      dot.style.background = item.dashed ? `linear-gradient(90deg, ${colour} 50%, transparent 50%)` : colour;
      dot.style.borderColor = colour;
    }
    open.append(dot, made("span", "", item.name));
    open.onclick = () => {
      if (item.ids.length > 1) return select(table, item.ids.slice(0, table.data.most));
      table.data.selected = item.ids;
      draw(table);
      send(table, "opened", `${item.ids[0]}@${Date.now()}`);
    };
    place.append(open);
  } else if (column.id === "spark") {
    place.append(spark(value || []));
  } else if (column.id === "tags" && value !== "–") {
    for (const tag of value.split(", ")) place.append(made("span", "tag", tag));
  } else {
    place.textContent = value;
    place.title = item.hints[column.id] || (value.length > 30 ? value : "");
    if (column.id === "status") place.dataset.status = value.split(" ")[0];
  }
  return place;
}

function draw(table) {
  const { root, data } = table, at = (name) => root.querySelector(name);
  const focused = root.activeElement ?? root.getRootNode().activeElement;
  const label = focused?.getAttribute?.("aria-label");
  const corner = made("td", "box");
  at("thead tr").replaceChildren(corner, ...data.columns.map((column) => heading(table, column)));
  at("tbody").replaceChildren(...data.rows.map((item) => row(table, item)));
  at("table").setAttribute("aria-label", data.words.what);
  at(".said").textContent = data.words.said;
  at(".all").textContent = data.words.all;
  at(".all").hidden = !data.words.all;
  at(".all").onclick = () => send(table, "every", `${Date.now()}`);
  at(".none").textContent = `Only the first of ${data.selected.length}`;
  at(".none").hidden = data.selected.length < 2;
  at(".none").onclick = () => select(table, data.selected.slice(0, 1));
  at("nav").hidden = data.pages < 2;
  at(".where").textContent = data.words.where;
  at(".back").disabled = data.page === 0;
  at(".on").disabled = data.page >= data.pages - 1;
  at(".back").onclick = () => send(table, "page", data.page - 1);
  at(".on").onclick = () => send(table, "page", data.page + 1);
  // The rows are made again, and a reader at the keyboard stays where he was.
  if (label) [...root.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === label)?.focus();
}

export function mountRuns({ data, parentElement, setStateValue }) {
  let table = tables.get(parentElement);
  if (!table) tables.set(parentElement, (table = { root: parentElement }));
  table.setStateValue = setStateValue;
  table.data = { ...data, selected: [...data.selected] };
  draw(table);
  return () => tables.delete(parentElement);
}
