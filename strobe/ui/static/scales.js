// Scales, ticks, number words and colour ramps: pure functions, no page.

/** Maps [lo, hi] to [a, b]; with `log`, decades are evenly spaced. A single value lands in the middle. */
export function scale(lo, hi, a, b, log = false) {
  const by = log ? 1 : reach(lo, hi), f = log ? Math.log10 : (v) => v * by;
  const x0 = f(lo), x1 = f(hi);
  const to = (v) => (x1 === x0 ? (a + b) / 2 : a + ((f(v) - x0) / (x1 - x0)) * (b - a));
  to.inverse = (p) => {
    const v = x1 === x0 ? x0 : x0 + ((p - a) / (b - a)) * (x1 - x0);
    return log ? 10 ** v : v / by;
  };
  return to;
}

/** About `count` round tick values in [lo, hi]. */
export function ticks(lo, hi, count) {
  if (!(hi > lo)) return [lo];
  const by = reach(lo, hi), rough = (hi * by - lo * by) / Math.max(1, count);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * unit >= rough * (1 - 1e-12)) * unit;
  const out = new Set(), last = Math.floor(hi * by / step + 1e-9);
  for (let k = Math.ceil(lo * by / step - 1e-9); k <= last; k++) out.add(k * step / by);
  return [...out].filter(Number.isFinite);
}

/** By which power of ten to multiply both, so that their distance and its parts are numbers. */
const reach = (lo, hi) => (!Number.isFinite(hi - lo) ? 0.1 : hi - lo < 1e-290 ? 1e100 : 1);

/** A little room below and above [lo, hi], as far as numbers go. */
export function padded([lo, hi], log) {
  const clipped = (a, b) => [Math.max(a, log ? Number.MIN_VALUE : -Number.MAX_VALUE), Math.min(b, Number.MAX_VALUE)];
  if (log) {
    const decades = Math.log10(hi) - Math.log10(lo);
    return lo === hi ? clipped(lo / 2, hi * 2) : clipped(lo * 10 ** (-0.03 * decades), hi * 10 ** (0.06 * decades));
  }
  if (hi === lo) return hi > 0 ? clipped(0, 2 * hi) : [hi - 1, hi + 1];
  const gap = hi * 0.05 - lo * 0.05;
  return clipped(lo - gap, hi + gap);
}

/** Decades in [lo, hi], thinned to about `count` but never below three; never the lines between them. */
export function decades(lo, hi, count) {
  const first = Math.ceil(Math.log10(lo) - 1e-9), last = Math.floor(Math.log10(hi) + 1e-9);
  const every = Math.max(1, Math.min(Math.ceil((last - first + 1) / Math.max(1, count)), Math.floor((last - first) / 2)));
  const out = [];
  for (let k = first; k <= last; k += every) out.push(10 ** k);
  return out;
}

/** The multiples of all powers of ten in [lo, hi]. */
function multiples(lo, hi, of) {
  const first = Math.floor(Math.log10(lo)) - 1, last = Math.ceil(Math.log10(hi)) + 1, out = [];
  // A power of ten by its digits: those that are multiplied together miss it by a last bit.
  for (let k = first; k <= last; k++) for (const m of of) out.push(Number(`${m}e${k}`));
  return out.filter((v) => v > 0 && v < Infinity && v >= lo * (1 - 1e-12) && v <= hi * (1 + 1e-12));
}

/** Ticks of a log axis: decades, or where fewer than three are in sight 1, 2 and 5 of each (1 and 3 where those are
 * more than `count`), or round values between them: three at least, where numbers allow it. */
export function logTicks(lo, hi, count) {
  const whole = decades(lo, hi, count);
  if (whole.length > 2) return whole;
  const between = [[1, 2, 5], [1, 3]].map((of) => multiples(lo, hi, of)).filter((made) => made.length > 2);
  if (between.length) return between.find((made) => made.length <= count) || between.at(-1);
  return threeTicks(lo, hi, 3);
}

/** Ticks, of which there are three at least where numbers allow it. */
export function threeTicks(lo, hi, count) {
  let made = ticks(lo, hi, count);
  for (let n = Math.ceil(count) + 1; made.length < 3 && n < 12; n++) made = ticks(lo, hi, n);
  return made;
}

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export const power = (k) => "10" + [...String(k)].map((c) => SUPERSCRIPT[c]).join("");

/** A number for a label: 4,200  0.0031  3.1×10⁻⁷. */
export function words(v, digits = 3) {
  if (v === null || v === undefined || Number.isNaN(v)) return "not a number";
  if (!Number.isFinite(v)) return v > 0 ? "+infinity" : "−infinity";
  if (v === 0) return "0";
  const size = Math.abs(v), sign = v < 0 ? "−" : "";
  if (Number.isInteger(v) && size < 1e9) return sign + size.toLocaleString("en");
  if (size >= 1e-3 && size < 1e6) {
    const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
    return sign + size.toLocaleString("en", { maximumFractionDigits: Math.min(places, 12) });
  }
  return sign + scientific(size, digits);
}

/** A number above 0 as a power of ten, with a factor where it has one. */
export function scientific(size, digits = 3) {
  const [mantissa, exponent] = size.toExponential(digits - 1).split("e");
  const head = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return (head === "1" ? "" : head + "×") + power(Number(exponent));
}

/** Seconds for an axis: 45 s, 12 min, 3.5 h. */
export function duration(s) {
  const size = Math.abs(s);
  if (size < 120) return words(s) + " s";
  if (size < 7200) return words(s / 60) + " min";
  return words(s / 3600) + " h";
}

const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];

const spanFor = (rough) => SPANS.find((s) => s >= rough) || 2592000 * Math.ceil(rough / 2592000);

/** About `count` round times since a beginning in [lo, hi], seconds: 30 min, 60 min rather than 33.3 min. */
export function durations(lo, hi, count) {
  if (hi - lo <= 120) return ticks(lo, hi, count);
  const step = spanFor((hi - lo) / Math.max(1, count)), out = [];
  for (let k = Math.ceil(lo / step); k * step <= hi; k++) out.push(k * step);
  return out;
}

/** Words for the ticks of one axis: three figures, or as many as tell neighbours apart: 0.99991, 0.99992. */
export function toldApart(values) {
  for (let digits = 3; ; digits++) {
    const made = values.map((v) => words(v, digits));
    if (digits === 12 || new Set(made).size === values.length) return made;
  }
}

/** About `count` round moments of the visitor's own clock in [lo, hi], in Unix seconds. */
export function moments(lo, hi, count) {
  if (!(hi > lo)) return [lo];
  const step = spanFor((hi - lo) / Math.max(1, count));
  const shift = new Date(lo * 1000).getTimezoneOffset() * 60, out = [];
  for (let k = Math.ceil((lo - shift) / step); k * step + shift <= hi; k++) out.push(k * step + shift);
  return out;
}

/** A Unix time on the visitor's clock: the day where labels are a day or more apart, else hours and minutes. */
export function moment(s, apart = 60) {
  const at = new Date(s * 1000), two = (n) => String(n).padStart(2, "0");
  const day = at.toLocaleDateString("en", { day: "numeric", month: "short" });
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return apart >= 86400 ? day : apart < 60 ? `${day} ${time}:${two(at.getSeconds())}` : time;
}

export function rgb(hex) {
  const n = parseInt(hex.trim().slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

/** A 256-entry colour table as little-endian RGBA words, from evenly spaced colours. */
export function ramp(colours) {
  const stops = colours.map(rgb), table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1), k = Math.min(stops.length - 2, Math.floor(at)), f = at - k;
    const c = stops[k].map((v, j) => Math.round(v + (stops[k + 1][j] - v) * f));
    table[i] = ((255 << 24) | (c[2] << 16) | (c[1] << 8) | c[0]) >>> 0;
  }
  return table;
}

/** Index of the last entry of ascending `list` that is <= value, or 0: "the nearest earlier snapshot". */
export function atOrBefore(list, value) {
  let lo = 0, hi = list.length - 1;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    if (list[mid] <= value) lo = mid;
    else hi = mid - 1;
  }
  return lo;
}

/** IEEE half precision to a number. */
export function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Bytes from the server: uint32 header length, JSON header, padding to 8, then arrays at header.arrays[name]. */
export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
  const start = Math.ceil((4 + size) / 8) * 8;
  const kinds = { u1: Uint8Array, f2: Uint16Array, f4: Float32Array, f8: Float64Array, u4: Uint32Array };
  const arrays = {};
  for (const [name, a] of Object.entries(header.arrays)) {
    const Kind = kinds[a.dtype];
    // A copy, because a view would have to begin at a multiple of its item size in the message.
    const from = start + a.offset;
    const raw = bytes.slice(from, from + a.length * Kind.BYTES_PER_ELEMENT);
    const typed = new Kind(raw.buffer, 0, a.length);
    arrays[name] = a.dtype === "f2" ? Float32Array.from(typed, half) : typed;
  }
  return { header, arrays };
}
