"""What each kind of panel is told: one dataclass a kind, and the file `static/kinds/<kind>.js` that draws it.

The fields are what the browser reads, by the same names; a test holds the two sides together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Literal

from strobe.charts.curves import Level, Mark, Series, Span
from strobe.views.run_view import RunView

Map = Literal["sequential", "diverging"]


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Which frames a panel has of those that there could be, so that it can say why it shows another step."""

    snapshots: Sequence[int] = ()
    """The steps of the run that have a snapshot."""
    unreadable: Sequence[int] = ()
    """Those that were tried in vain."""
    shift: int = 0
    """Steps by which the run is shown ahead of the cursor."""
    windowed: bool = False
    """Only frames round the cursor are here: those from `span[0]` to `span[1]`, the server has the others."""
    span: tuple[int, int] = (0, 0)
    sampled: bool = False
    """Frames at some of the snapshots: the server adds the one under the cursor when it rests."""
    partial: bool = False
    """The rest of this very page is still coming."""
    lack: str = ""
    """What a snapshot without a frame is, in words ("not analysed")."""


def presence(view: RunView, tried: Sequence[int] = (), shown: Sequence[int] = (), **more: Any) -> Presence:
    """Of a panel that follows the cursor: the run's snapshots, and those that were tried in vain."""
    unreadable = sorted(set(tried) - set(shown))
    return Presence(snapshots=view.steps, unreadable=unreadable, shift=view.shift, **more)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What all kinds share. Page k of the arrays belongs to `steps[k]`."""

    kind: ClassVar[str]
    subject: str
    """What zoom and choices are of: another subject begins anew."""
    run: str
    steps: Sequence[int]
    alt: str
    """What is shown, for those who do not see it."""
    follows: bool = True
    """Whether it shows one frame, that of the cursor, and says where that is another step's."""
    presence: Presence = Presence()

    def header(self) -> dict[str, Any]:
        """What travels, as JSON has it."""
        own = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        shared: dict[str, Any] = own.pop("presence")
        return {"kind": self.kind, **own, **shared}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: _plain(item) for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        # Thousands of numbers need no look at each.
        return [_plain(item) for item in value] if value and not isinstance(value[0], int | float | str) else value
    return value


@dataclass(frozen=True)
class Line:
    """One line of a panel. `of` is the label of the smoothed line that this is the raw one of."""

    label: str
    colour: str
    dash: Sequence[int] = ()
    """Pixels drawn and left out in turn; empty for a whole line."""
    of: str = ""
    run: str = ""
    origin: float = 0.0
    """The step at which x is 0."""
    smoothed: bool = False


@dataclass(frozen=True)
class PlacedMark:
    """A moment: a rule at `x`, or a ring at (`x`, `y`); its words stand above the plot."""

    x: float
    label: str
    colour: str
    of: str = ""
    y: float | None = None


def line_of(series: Series, origin: float = 0.0, smoothed: bool = False) -> Line:
    """A series of a figure as a line of a panel."""
    return Line(series.label, series.colour, series.dashes, series.of, series.run, origin, smoothed)


def placed_marks(marks: Sequence[Mark]) -> list[PlacedMark]:
    """Marks for the browser."""
    return [PlacedMark(mark.x, mark.label, mark.colour, mark.of, mark.y) for mark in marks]


@dataclass(frozen=True, kw_only=True)
class CurvesPanel(Panel):
    """Lines, arrays x0, y0, x1, y1, ..., and s0, s1, ... with the steps of the points where x does not tell them;
    `cursor_x[k]` is where `steps[k]` stands on the x axis. What the legend says of each line at the steps `read_at`
    are the arrays `read_step`, `read_value` and `read_state` (line, step) of views/readings.py."""

    kind: ClassVar[str] = "curves"
    follows: bool = False
    series: Sequence[Line]
    cursor_x: Sequence[float]
    height: int
    log: bool
    share: bool = False
    """Whether y is a share, from 0 to 1."""
    marks: Sequence[PlacedMark] = ()
    spans: Sequence[Span] = ()
    levels: Sequence[Level] = ()
    unit: Literal["", "s", "clock"] = ""
    x_name: str = "step"
    y_title: str = ""
    """What is drawn, with its unit."""
    plain: bool = True
    """Whether x is the step itself."""
    read_at: Sequence[int] = ()
    zoom: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class GridPanel(Panel):
    """Rows by columns (steps): `values` uint8 shades, 0 for none; `exact`, float32 where that holds them; `recorded`
    uint8, 0 where there is no value."""

    kind: ClassVar[str] = "grid"
    follows: bool = False
    rows: Sequence[str]
    columns: Sequence[int]
    row_height: int
    quantity: str
    low: str
    high: str
    middle: str = ""
    """Of a scale on both sides of a band: what the middle stands for."""
    map: Map = "sequential"
    picked: Sequence[int] = ()
    """Indices of rows."""


@dataclass(frozen=True, kw_only=True)
class AttentionPanel(Panel):
    """Heads across, layers down: `values` uint8 (frame, layer, head, query, key), 0 where masked; where they are few
    `exact`, the weights as float32."""

    kind: ClassVar[str] = "attention"
    layers: int
    heads: int
    tokens: Sequence[str]
    """Of the keys."""
    queries: Sequence[str]
    root: bool
    """Whether shades are the square root of the weight."""
    label: str = ""
    """The name of the one head that is drawn."""
    plain: bool = False
    """Without a scale of colours."""
    widest: int | None = None
    tallest: int | None = None


@dataclass(frozen=True, kw_only=True)
class EmbeddingPanel(Panel):
    """Points on two axes: `points` float16 (frame, row, 2) from -1 to 1, NaN for one that has no place."""

    kind: ClassVar[str] = "embedding"
    labels: Sequence[str]
    label_every: int
    height: int
    colours: Sequence[str]
    """Stops of the map of colours."""
    places: Sequence[float]
    """Each row's place on it, 0..1; -1 for none."""


@dataclass(frozen=True, kw_only=True)
class BarsPanel(Panel):
    """One bar a label: `values` float32 (frame, label)."""

    kind: ClassVar[str] = "bars"
    labels: Sequence[str]
    marked: Sequence[int]
    """Indices of the bars in `colour`, with their labels above."""
    colour: str
    height: int
    what: str
    quantity: str


@dataclass(frozen=True, kw_only=True)
class TilesPanel(Panel):
    """Heatmaps of `rows` by `columns` cells: `values` uint8 (frame, tile, row, column); with arrays `low` and `high`
    (frame, tile) each has its own scale, else all have `low_value` to `high_value`. Of an `open_ended` scale 1 and
    255 stand for what is beyond its ends as well, and 0 for a cell that is not finite."""

    kind: ClassVar[str] = "tiles"
    labels: Sequence[str]
    rows: int
    columns: int
    widest: int
    tallest: int
    low: str
    high: str
    low_value: float
    high_value: float
    axes: tuple[str, str]
    open_ended: bool = False
    across: int = 1
    map: Map = "sequential"
    row_bin: int = 1
    column_bin: int = 1
    frame_labels: Sequence[Sequence[str]] | None = None
    """What stands above each tile at each frame."""


@dataclass(frozen=True, kw_only=True)
class ProfilePanel(Panel):
    """Lines of `count` points over an axis that is not the step: `y` float32 (frame, line, point), `x` the same or
    (point,)."""

    kind: ClassVar[str] = "profile"
    lines: Sequence[Line]
    count: int
    log: bool
    height: int
    x_name: str
    ghosts: Sequence[int] = ()
    """Steps whose first line stays behind, faint."""
    zero: bool = True
    """Whether the y axis has 0 in it, where it is not logarithmic."""


@dataclass(frozen=True)
class Group:
    """What some points of a panel have in common."""

    label: str
    colour: str


@dataclass(frozen=True, kw_only=True)
class DotsPanel(Panel):
    """Points on two axes with units: `points` float32 (frame, point, 2), NaN for one that has no place."""

    kind: ClassVar[str] = "dots"
    labels: Sequence[str]
    groups: Sequence[Group]
    member: Sequence[int]
    """Of each point its group, by index."""
    height: int
    x_name: str
    y_name: str


@dataclass(frozen=True, kw_only=True)
class RidgesPanel(Panel):
    """Distributions of all steps below each other: `x` and `y` float32 (frame, point), NaN beyond a frame's own
    points."""

    kind: ClassVar[str] = "ridges"
    count: int
    height: int
    x_name: str


KINDS: Mapping[str, type[Panel]] = {
    kind.kind: kind
    for kind in (
        AttentionPanel,
        BarsPanel,
        CurvesPanel,
        DotsPanel,
        EmbeddingPanel,
        GridPanel,
        ProfilePanel,
        RidgesPanel,
        TilesPanel,
    )
}
