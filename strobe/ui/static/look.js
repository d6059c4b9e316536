// The colours and the font of the page, for what is drawn on a canvas.

/** The theme of the page, read anew for each drawing: light and dark may change at any time. */
export function lookOf(element) {
  const css = getComputedStyle(element), of = (name) => css.getPropertyValue("--st-" + name).trim();
  const mix = (share) => `color-mix(in srgb, ${of("text-color")} ${share}%, ${of("background-color")})`;
  return {
    font: `12px ${of("font") || "sans-serif"}`, text: of("text-color"), background: of("background-color"),
    primary: of("primary-color"), muted: mix(62), grid: mix(9), axis: mix(28),
    sequential: of("chart-sequential-colors").split(","), diverging: of("chart-diverging-colors").split(","),
  };
}
