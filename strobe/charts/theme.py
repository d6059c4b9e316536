"""The look of every figure: one set of colours and sizes, and the theme that Altair makes its charts with.

`.streamlit/config.toml` holds the same colours for the app itself. Altair is imported only when a chart is
really made, so that the first page does not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

SERIES: Final = ("#4477AA", "#EE6677", "#228833", "#B58900", "#2294BB", "#B23A7F", "#8A6BE0")
"""In the order in which they are given out. The first three are of Paul Tol's "bright" set; its yellow, cyan and grey
are under 2:1 on white, so these have its hues at 3:1 or more on both grounds. Each is told from its neighbours by
colour-blind readers; no data is grey."""

TEST, TRAIN = SERIES[0], SERIES[1]
ACCENT: Final = "#5C7CFA"
"""Between the two primary colours, for what must be one colour in light and in dark."""
SEQUENTIAL: Final = (
    "#440154", "#482878", "#3E4989", "#31688E", "#26828E", "#1F9E89", "#35B779", "#6ECE58", "#B5DE2B", "#FDE725",
)  # fmt: skip
"""Viridis at ten even places, for magnitudes."""

DIVERGING: Final = (
    "#2166AC", "#4393C3", "#75B0D3", "#A7CFE4", "#DCE9F1", "#F9E4D8", "#F5B799", "#E58368", "#CF4B4B", "#B2182B",
)  # fmt: skip
"""Blue to red, for signed values, always centred on 0."""

CYCLIC: Final = (
    "#E2D9E2", "#B7C5CF", "#86A5C1", "#6B7FBC", "#5E53AA", "#501D7A", "#2F1436", "#591648",
    "#8E2C50", "#B2594F", "#C3917B", "#D0C3BC", "#E2D9E2",
)  # fmt: skip
"""Twilight: first and last colour are one, for residues mod p."""

FONT: Final = '"Source Sans", "Source Sans 3", "Helvetica Neue", Arial, sans-serif'
FONT_PX: Final = 12


@dataclass(frozen=True)
class Mode:
    """The colours that differ between light and dark."""

    primary: str
    background: str
    secondary: str
    text: str
    border: str
    muted: str


LIGHT: Final = Mode("#3B5BDB", "#FFFFFF", "#F6F7F9", "#1B1F27", "#E3E6EB", "#667085")
DARK: Final = Mode("#7C9BFF", "#0F1217", "#171B22", "#E7EAF0", "#2A303A", "#98A2B3")


DASHES: Final = (((), (5, 4)), ((10, 3, 2, 3), (2, 3)), ((14, 3), (7, 3, 2, 3, 2, 3)))
"""Pixels drawn and left out in turn, of lines of one colour: of the first of them and of its second split, of the
next, and of the one after that."""


class Look(NamedTuple):
    """How what is one of several is told apart: by its colour, and in the second `turn` of a colour by its dash."""

    colour: str
    turn: int = 0

    def dash(self, second: bool = False) -> tuple[int, ...]:
        """Of its line, or of that of its `second` split."""
        return DASHES[self.turn % len(DASHES)][second]


def nth_look(k: int) -> Look:
    """The look of the k-th of several: all colours, then all of them dashed."""
    return Look(SERIES[k % len(SERIES)], k // len(SERIES))


def run_looks(runs: Sequence[str], own: Mapping[str, str] | None = None) -> dict[str, Look]:
    """A look for each run, in the order in which they were selected, which a link has too; `own` are the colours of
    those that have one whatever stands beside them."""
    painted = {run: Look(colour) for run, colour in (own or {}).items() if colour}
    return {run: painted.get(run) or nth_look(k) for k, run in enumerate(dict.fromkeys(runs))}


def luminance(colour: str) -> float:
    """Relative luminance of "#RRGGBB", from 0 to 1, as WCAG 2.2 defines it."""
    channels = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def altair_config(mode: Mode = LIGHT) -> dict[str, Any]:
    """The `config` block of a Vega-Lite figure: decades only on log axes is the figures' own business, since a
    theme cannot see the data."""
    axis = {
        "labelColor": mode.muted, "titleColor": mode.muted, "labelFontSize": FONT_PX, "titleFontSize": FONT_PX,
        "titleFontWeight": "normal", "gridColor": mode.border, "domainColor": mode.border, "tickColor": mode.border,
        "labelFont": FONT, "titleFont": FONT, "tickSize": 4, "labelPadding": 4, "titlePadding": 8,
    }  # fmt: skip
    legend = {
        "labelColor": mode.text, "titleColor": mode.muted, "labelFontSize": FONT_PX, "titleFontSize": FONT_PX,
        "titleFontWeight": "normal", "orient": "top", "labelFont": FONT, "titleFont": FONT, "labelLimit": 400,
    }  # fmt: skip
    return {
        "background": mode.background,
        "font": FONT,
        "padding": 12,
        "view": {"stroke": None},
        "axis": axis,
        "axisX": {"grid": False},
        "legend": legend,
        "title": {"color": mode.text, "fontSize": 14, "anchor": "start", "fontWeight": 600, "font": FONT},
        "range": {"category": list(SERIES), "ramp": list(SEQUENTIAL), "diverging": list(DIVERGING)},
        "line": {"strokeWidth": 1.6},
    }


def altair() -> Any:
    """The altair module with the theme "strobe" registered and on."""
    import altair as alt

    if alt.theme.active != "strobe":
        alt.theme.register("strobe", enable=True)(lambda: alt.theme.ThemeConfig({"config": altair_config()}))  # type: ignore[typeddict-item]
        alt.data_transformers.disable_max_rows()
    return alt
