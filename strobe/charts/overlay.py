"""Lines of several runs as a Vega-Lite chart for the screen: no Altair is imported, which takes a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from strobe.charts.axes import Axis, decades
from strobe.charts.theme import Mode, altair_config

Array = np.ndarray[Any, Any]
_ANY: Final = (
    "datum.value != 0 && (abs(datum.value) < 0.001 || abs(datum.value) >= 1e6) "
    "? format(datum.value, '.3~e') : format(datum.value, ',~g')"
)
_PERPLEXITY: Final = "datum.value < 0.01 ? '' : format(exp(datum.value), '.3~s')"
"""Below it is 1 and a little, and the loss says how little."""


@dataclass(frozen=True)
class OverlayLine:
    """`step`, `x` and `y`, each (n,); dots where `points`; it breaks where y is NaN."""

    label: str
    colour: str
    dash: tuple[int, ...]
    step: Array
    x: Array
    y: Array
    points: bool = False


@dataclass(frozen=True)
class OverlayMark:
    """A line across the chart at `y`, or with `x` a ring there."""

    label: str
    colour: str
    y: float
    x: float | None = None


@dataclass(frozen=True)
class Overlay:
    """One chart."""

    lines: Sequence[OverlayLine]
    marks: Sequence[OverlayMark]
    x_title: str
    y_title: str
    log: bool = False
    perplexity: bool = False

    def table(self) -> pa.Table:
        """Its points: k (which line), s (step), x, y (NULL at a break)."""
        parts = []
        for k, line in enumerate(self.lines):
            y = _drawable(line.y, self.log)
            whole = {"k": np.full(len(line.x), k, np.int32), "s": line.step.astype(np.int64)}
            parts.append(
                pa.table({**whole, "x": pa.array(line.x, from_pandas=True), "y": pa.array(y, from_pandas=True)})
            )
        table = pa.concat_tables(parts)
        return table.append_column(
            "line", pa.array([self.lines[k].label for k in table["k"].to_pylist()], pa.string())
        )

    def spec(self, mode: Mode, height: int = 210) -> dict[str, Any]:
        """What Vega-Lite is told, but for the points."""
        dots = [k for k, line in enumerate(self.lines) if line.points]
        whole = [k for k, line in enumerate(self.lines) if not line.points]
        layers: list[dict[str, Any]] = [
            {"mark": {"type": "line", "strokeWidth": 1.6}, "transform": [_only(whole)]},
            # What is pointed at: a line alone is too thin to be hit.
            {"mark": {"type": "point", "filled": True, "size": 70, "opacity": 0}, "transform": [_only(whole)]},
            {"mark": {"type": "point", "filled": True, "size": 26, "opacity": 1}, "transform": [_only(dots)]},
        ]
        for layer in layers:
            layer["encoding"] = self._encoding(tooltip=layer["mark"]["type"] == "point")
        layers += [_mark(mark, mode) for mark in self.marks]
        config = altair_config(mode) | {"background": "transparent", "padding": 4}
        spec: dict[str, Any] = {"layer": layers, "height": height, "config": config, "description": self._words()}
        if self.perplexity:
            # With axes of their own each layer would draw one; where they share it, one without takes it from all.
            for layer in layers[1:]:
                layer["encoding"]["y"]["axis"] = None
            spec["layer"].append(self._second())
            spec["resolve"] = {"axis": {"y": "independent"}}
        # A reader of screens is told of the chart as a whole; its marks have nothing to say one by one.
        for layer in spec["layer"]:
            layer["mark"]["aria"] = False
        return spec

    def _words(self) -> str:
        names = ", ".join(line.label for line in self.lines)
        return f"{self.y_title} against {self.x_title}: {names}. The files have the numbers."

    def _encoding(self, *, tooltip: bool) -> dict[str, Any]:
        places = list(range(len(self.lines)))
        colours = [line.colour for line in self.lines]
        dashes = [list(line.dash) or [1, 0] for line in self.lines]
        x_axis = {"labelExpr": _ANY, "labelOverlap": True, "tickCount": 5}
        made: dict[str, Any] = {
            "x": _quantity("x", self.x_title, {"zero": False, "nice": False}, x_axis),
            "y": _quantity("y", self.y_title, self._scale(), self._axis()),
            "color": _each_line({"domain": places, "range": colours}),
            "strokeDash": _each_line({"domain": places, "range": dashes}),
        }
        if tooltip:
            made["tooltip"] = [
                {"field": "line", "type": "nominal", "title": "run"},
                {"field": "s", "type": "quantitative", "title": "step", "format": ",d"},
                {"field": "y", "type": "quantitative", "title": self.y_title, "format": ".6~g"},
            ]
        return made

    def _scale(self) -> dict[str, Any]:
        return {"type": "log", "nice": False} if self.log else {"zero": False, "nice": True}

    def _axis(self) -> dict[str, Any]:
        if not self.log:
            return {"labelExpr": _ANY, "tickCount": 5}
        values = np.concatenate([_drawable(line.y, True) for line in self.lines])
        there = values[np.isfinite(values)]
        low, high = (float(there.min()), float(there.max())) if len(there) else (1.0, 10.0)
        return {
            "labelExpr": _ANY,
            "values": decades(low, high, 6) or [v for v, _ in Axis(low, high, "", True).ticks(4)],
        }

    def _second(self) -> dict[str, Any]:
        """The same heights as perplexities, at the right edge: a layer of nothing that has an axis of its own."""
        axis = self._axis() | {"orient": "right", "labelExpr": _PERPLEXITY, "grid": False}
        y = _quantity("y", "perplexity", self._scale(), axis)
        return {"mark": {"type": "point", "opacity": 0, "tooltip": None}, "encoding": {"y": y}}


def _quantity(field: str, title: str, scale: dict[str, Any], axis: dict[str, Any]) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def _each_line(scale: dict[str, Any]) -> dict[str, Any]:
    return {"field": "k", "type": "nominal", "legend": None, "scale": scale}


def _drawable(values: Array, log: bool) -> Array:
    good = np.isfinite(values) & ((values > 0) if log else True)
    return np.where(good, values, np.nan)


def _only(places: Sequence[int]) -> dict[str, Any]:
    return {"filter": {"field": "k", "oneOf": list(places)}}


def _mark(mark: OverlayMark, mode: Mode) -> dict[str, Any]:
    colour = mark.colour or mode.text
    row = {"y": mark.y, "label": mark.label} | ({} if mark.x is None else {"x": mark.x})
    y: dict[str, Any] = {"field": "y", "type": "quantitative"}
    encoding: dict[str, Any] = {"y": y, "tooltip": [{"field": "label", "type": "nominal", "title": " "}]}
    if mark.x is None:
        return {
            "data": {"values": [row]}, "mark": {"type": "rule", "strokeDash": [2, 3], "color": colour, "size": 1.2},
            "encoding": encoding,
        }  # fmt: skip
    ring = {"type": "point", "size": 70, "strokeWidth": 2, "filled": False, "color": colour, "opacity": 1}
    encoding["x"] = {"field": "x", "type": "quantitative"}
    return {"data": {"values": [row]}, "mark": ring, "encoding": encoding}
