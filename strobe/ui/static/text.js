// Names in the room that there is for them.

/** `text` in at most `most` characters, cut in the middle: what tells two names apart stands mostly at the end. */
export function shortened(text, most = 400) {
  if (text.length <= most) return text;
  const end = Math.floor((most - 1) / 2);
  return most < 1 ? "" : `${text.slice(0, most - 1 - end)}…${end ? text.slice(-end) : ""}`;
}

/** The longest of `text` and its cuts that is at most `room` wide, by some ten measurements however long it is. */
export function fitted(g, text, room) {
  const name = shortened(text), fits = (some) => g.measureText(some).width <= room;
  if (fits(name)) return name;
  let good = 0, bad = name.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (fits(shortened(name, middle))) good = middle;
    else bad = middle;
  }
  return shortened(name, good);
}

/** Dotted names without the words that most of them have ("model", "weight"), numbers kept; as they are where what is
 * left would not tell them apart. */
export function brief(names) {
  const parts = names.map((name) => name.split(".")), often = new Map();
  for (const own of parts) for (const part of new Set(own)) often.set(part, (often.get(part) || 0) + 1);
  const kept = parts.map((own) => own.filter((part) => /^[0-9]/.test(part) || often.get(part) <= names.length / 2).join("."));
  return new Set(kept).size === names.length && kept.every(Boolean) ? kept : names;
}
