// Names that a filter finds.

/** A test of names for what was typed, letter case aside. */
export function matcher(typed) {
  try {
    const pattern = new RegExp(typed, "i");
    return (text) => pattern.test(text);
  } catch {
    const wanted = typed.toLowerCase();
    return (text) => text.toLowerCase().includes(wanted);
  }
}
