"""What trainings did and used, one or several on the same axes: loss, learning rate, tokens, MFU, speed, memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from etl.errors import StrobeError
from strobe.charts.curves import Curves, Mark, Series
from strobe.charts.figure import Key, Sheet
from strobe.charts.rules import Rule, SecondScale
from strobe.charts.theme import LIGHT, TEST, TRAIN, Look
from strobe.plot.request import Request
from strobe.views.compared import MOST_RUNS, Laid, Line, Panel, panels

ON_SHEET = 220
"""Height of a plot among others, so that six of them fit a page."""


@dataclass(frozen=True)
class Dressed:
    """How runs are drawn: their colours, what they are called, and whether there are several."""

    looks: Mapping[str, Look]
    laid: Laid
    several: bool

    def look(self, line: Line, panel: Panel) -> Look:
        """Of several runs the colour is the run; of one it tells train from validation."""
        if self.several:
            return self.looks[line.run]
        return Look(TRAIN if panel.key == "loss" and not line.word else TEST)

    def label(self, run: str, word: str) -> str:
        own = self.laid.title(run) if self.several and run else ""
        return " · ".join(part for part in (own, word) if part) or self.laid.title(run)

    def colour(self, run: str) -> str:
        return self.looks[run].colour if self.several and run else LIGHT.text


def panel_figure(panel: Panel, dressed: Dressed, *, keyed: bool = True) -> Curves:
    """A panel in print. `keyed` names every line in a legend; else, under the one legend of a sheet, only what tells
    the lines of a run apart."""
    lines, keys = [], {}
    for line in panel.lines:
        look = dressed.look(line, panel)
        y = np.where(np.isfinite(line.y) & ((line.y > 0) if panel.log else True), line.y, np.nan)
        placed = np.isfinite(line.x)
        series = Series(
            dressed.label(line.run, line.word), look.colour, dash=line.dash, turn=look.turn, dots=line.points
        )
        lines.append((series, line.x[placed], y[placed]))
        if keyed or not dressed.several:
            keys[series.label] = Key(series.label, look.colour, series.dashes, line.points)
        elif line.word:
            keys[line.word] = Key(line.word, LIGHT.muted, series.dashes, line.points)
    rules = [
        Rule(rule.y, "" if dressed.several and rule.run else rule.word, dressed.colour(rule.run))
        for rule in panel.rules
    ]
    marks, said = _moments(panel, dressed)
    made = Curves(
        lines, panel.x_title, panel.y_title, panel.log, marks, rules=rules, keys=list(keys.values()),
        second=SecondScale("perplexity", _perplexity) if panel.perplexity else None,
    )  # fmt: skip
    return replace(made, title=panel.title, caption=" ".join([*said, *_levels(panel, dressed), *panel.remarks]))


def _levels(panel: Panel, dressed: Dressed) -> list[str]:
    """What the dotted lines of several runs are, whose words would lie on each other in the plot."""
    runs = [rule for rule in panel.rules if rule.run] if dressed.several else []
    return [f"{dressed.laid.short(rule.run)}: {rule.word} (dotted)." for rule in runs]


def _moments(panel: Panel, dressed: Dressed) -> tuple[list[Mark], list[str]]:
    """Rings on the lines; of several runs their words stand in a sentence, or they would lie on each other."""
    marks, words = [], []
    for moment in panel.moments:
        line = next(line for line in panel.lines if line.run == moment.run)
        if not np.isfinite(moment.x):
            continue
        there = np.flatnonzero(np.isfinite(line.x) & np.isfinite(line.y))
        order = there[np.argsort(line.x[there])]
        y = float(np.interp(moment.x, line.x[order], line.y[order]))
        look = dressed.look(line, panel)
        marks.append(Mark(moment.x, "" if dressed.several else moment.word, look.colour, y=y))
        words.append(f"{dressed.laid.short(moment.run)}: {moment.word} (ring).")
    return marks, words if dressed.several else []


def _perplexity(loss: float) -> float:
    return math.exp(min(loss, 700.0))


def sheet(
    found: Sequence[Panel], dressed: Dressed, runs: Sequence[str], others: Sequence[str] = ()
) -> tuple[Sheet, list[str]]:  # fmt: skip
    """All panels that have anything, under one legend of the `runs`, and in words what is not drawn, which is named
    below too: panels without anything, and `others` for which there is no room. Raises StrobeError where none has
    anything."""
    drawn = [
        replace(panel_figure(panel, dressed, keyed=False), plot_height=ON_SHEET) for panel in found if panel.lines
    ]
    names = list(map(dressed.laid.title, runs))
    if not drawn:
        raise StrobeError(f"nothing to draw of {', '.join(names)}: no loss and no measure of use was recorded")
    looks = [dressed.looks[run] for run in runs] if dressed.several else []
    keys = [Key(name, look.colour, look.dash()) for name, look in zip(names, looks, strict=False)]
    missing = (
        [f"{len(others)} of {len(runs) + len(others)} runs ({', '.join(map(dressed.laid.title, others))})"]
        if others
        else []
    )
    missing += [f"{panel.title}: {' '.join(panel.remarks).rstrip('.')}" for panel in found if not panel.lines]
    caption = f"Not drawn: {'; '.join(missing)}." if missing else ""
    return Sheet(drawn, keys=keys, caption=caption), missing


def sheet_of(request: Request) -> tuple[Sheet, list[str]]:
    """The six panels of the first runs of a request, and what is not drawn."""
    shown, others = request.runs[:MOST_RUNS], request.runs[MOST_RUNS:]
    made, missing = sheet(panels(request.uses, request.laid), _dressed(request), shown, others)
    return replace(made, title=request.laid.title(shown[0]) if len(shown) == 1 else ""), missing


def _dressed(request: Request) -> Dressed:
    return Dressed(request.looks, request.laid, len(request.runs) > 1)


def of_request(request: Request, key: str) -> Curves:
    """One of the panels. Raises StrobeError where nothing of it was recorded."""
    found = next(panel for panel in panels(request.uses, request.laid) if panel.key == key)
    if not found.lines:
        why = " ".join(found.remarks)
        name = found.title if found.title.isupper() else found.title.lower()
        raise StrobeError(f"no {name} was recorded" + (f": {why}" if why else ""))
    return panel_figure(found, _dressed(request))


def perplexity(request: Request) -> Curves:
    """Train loss, validation loss as dots, and the perplexity that they are."""
    return of_request(request, "loss")


def learning_rate(request: Request) -> Curves:
    """The learning rate, recomputed where it was not logged, and where its warm-up ends."""
    return of_request(request, "learning_rate")


def tokens(request: Request) -> Curves:
    """Tokens seen, logged or counted, beside a target for the model's size."""
    return of_request(request, "tokens")


def mfu(request: Request) -> Curves:
    """Model FLOPs utilization as it was logged, with its mean."""
    return of_request(request, "mfu")


def throughput(request: Request) -> Curves:
    """Tokens a second, logged or recomputed, with their mean."""
    return of_request(request, "throughput")


def memory(request: Request) -> Curves:
    """Memory of the device in use, its peak dashed, and what the device has."""
    return of_request(request, "memory")
