import { colourBar, heatmap } from "../draw.js";
import { fitted } from "../text.js";
import { between, value } from "../readings.js";
import { ramp } from "../scales.js";
// Heads across, layers down, one frame a snapshot.

/** The weight of a cell: as recorded where it travelled, else what its shade leaves open. */
function weightOf(p, cell) {
  if (p.arrays.exact) return value(p.arrays.exact[cell]);
  const share = (shade) => Math.max(0, Math.min(1, (shade - 1) / 254)) ** (p.header.root ? 2 : 1);
  return between(share(p.arrays.values[cell] - 0.5), share(p.arrays.values[cell] + 0.5));
}

export const attention = {
  begin(p) { this.legend(p); },
  legend(p) {
    p.table = ramp(p.look.sequential);
    if (p.header.plain) return p.legend.replaceChildren();
    p.legend.replaceChildren("0", colourBar(p.look.sequential), p.header.root ? "1 (square-root scale)" : "1");
  },
  geometry(p, width) {
    const { layers, heads, tokens, queries } = p.header, left = layers > 1 ? 30 : 0;
    const few = Math.max(tokens.length, queries.length) <= 12 && (width - left) / heads >= 90;
    const labels = few || (p.header.widest && layers * heads === 1) ? 36 : 0;
    // Many layers share the height of a screen; one head can be drawn large elsewhere.
    const high = p.header.tallest ? p.header.tallest / layers - (labels ? 42 : 28) : Infinity;
    const cell = Math.max(24, Math.min(p.header.widest || 190, (width - left) / heads - labels - 16, Math.max(48, high)));
    return { left, labels, cell, across: cell + labels + 16, down: cell + 22 + (labels ? 20 : 6) };
  },
  height(p, width) { return this.geometry(p, width).down * p.header.layers + 4; },
  draw(p, g, width) {
    const { layers, heads, tokens, queries } = p.header, { left, labels, cell, across, down } = this.geometry(p, width);
    const each = queries.length * tokens.length, from = p.frame * layers * heads * each;
    g.font = p.look.font;
    for (let l = 0; l < layers; l++) for (let h = 0; h < heads; h++) {
      const x = left + h * across + labels, y = 20 + l * down, at = from + (l * heads + h) * each;
      const box = { left: x, right: x + cell, top: y, bottom: y + cell };
      heatmap(g, box, p.arrays.values.subarray(at, at + each), queries.length, tokens.length, p.table, 0);
      g.fillStyle = p.look.text; g.textAlign = "left"; g.textBaseline = "alphabetic";
      g.fillText(p.header.label ? fitted(g, p.header.label, cell) : (layers > 1 ? `L${l} H${h}` : `head ${h}`), x, y - 6);
      if (labels) this.ticks(p, g, box, cell);
    }
  },
  ticks(p, g, box, cell) {
    const { tokens, queries } = p.header, across = cell / tokens.length, down = cell / queries.length;
    g.fillStyle = p.look.muted;
    g.textAlign = "right"; g.textBaseline = "middle";
    // Where they have no room beside each other every second is named, or every third.
    const rows = Math.max(1, Math.ceil((down < 12 ? 10 : 12) / down));
    if (down < 12) g.font = g.font.replace(/^\d+px/, "10px");
    queries.forEach((text, i) => { if (i % rows === 0) g.fillText(fitted(g, text, 30), box.left - 5, box.top + (i + 0.5) * down); });
    g.textAlign = "center"; g.textBaseline = "top";
    const names = tokens.map((text) => fitted(g, text, Math.max(30, across)));
    const every = Math.max(1, Math.ceil((Math.max(0, ...names.map((name) => g.measureText(name).width)) + (down < 12 ? 2 : 4)) / across));
    names.forEach((name, i) => { if (i % every === 0) g.fillText(name, box.left + (i + 0.5) * across, box.bottom + 4); });
  },
  pointermove(p, event, at) {
    const { layers, heads, tokens, queries } = p.header, { left, labels, cell, across, down } = this.geometry(p, p.box.clientWidth);
    const h = Math.floor((at.x - left) / across), l = Math.floor(at.y / down);
    const key = Math.floor(((at.x - left - h * across - labels) / cell) * tokens.length), query = Math.floor(((at.y - 20 - l * down) / cell) * queries.length);
    if (h < 0 || h >= heads || l < 0 || l >= layers || key < 0 || key >= tokens.length || query < 0 || query >= queries.length) return p.hideTip();
    const own = (((p.frame * layers + l) * heads + h) * queries.length + query) * tokens.length + key, none = p.arrays.values[own] === 0;
    const tail = none && key > query ? "masked: a later token" : `weight ${none ? "NaN" : weightOf(p, own)}`;
    p.showTip([[`${p.header.label || `layer ${l}, head ${h}`}, ${p.when}`], [`${queries[query]} looks at ${tokens[key]}`], [tail]], at.x, at.y);
  },
  pointerleave(p) { p.hideTip(); },
};
