"""How gradients and movements spread over tensors, beside thresholds; and every tensor's movement as a heatmap."""

from __future__ import annotations

from typing import Final

from strobe.charts.curves import Level, Series, Span
from strobe.charts.theme import SERIES
from strobe.ui.panel import choice, derived, filtered, panel
from strobe.ui.panel.derived import Banded
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell.cache import cached_by_run
from strobe.views import health_spread, movement
from strobe.views.filtering import MOST_ROWS
from strobe.views.missing import why_missing
from strobe.views.run_view import Answer, RunView
from strobe.views.tensors import TensorSeries, statistic_sql, tensor_series

_COLOURS: Final = {"gradient_l2": (SERIES[1], SERIES[4]), "update_ratio": (SERIES[2],)}


def spreads(view: RunView) -> None:
    """Gradients and movements over training: the middle and the ends over all tensors."""
    if not view.steps:
        return
    _spread(view, "gradient_l2", "Gradients", "L2 of a tensor's gradient", "Over all tensors of a snapshot.")
    words = movement.words(view)
    _spread(view, "update_ratio", "Movement", words.quantity, words.about)


def _spread(view: RunView, quantity: str, title: str, y_title: str, about: str) -> None:
    spread = health_spread.spread(view, quantity)
    panel.title(title)
    if spread.empty:
        panel.caption(_why_empty(view, quantity, spread.gap))
        return
    looks = {
        name: Series(words, SERIES[k], dash=name != "median")
        for k, (name, words) in enumerate(health_spread.STATISTICS.items())
    }
    levels = [
        Level(low, high, words, colour)
        for (low, high, words), colour in zip(health_spread.levels(quantity), _COLOURS[quantity], strict=True)
    ]
    left_out = (
        f" Snapshots where some have no finite value, and are left out: {spread.partly:,}." if spread.partly else ""
    )
    shaded = f"Shaded where in sight: {'; '.join(level.label for level in levels)}."
    derived.lines(
        view, f"health_{quantity}", spread.answer, looks, y_title=y_title, log=True, marks=step_marks(view),
        levels=levels, spans=_lost(spread), about=f"{about} {shaded}{left_out}",
    )  # fmt: skip


def _lost(spread: health_spread.Spread) -> list[Span]:
    """From the first to the last snapshot without a finite value of any tensor, where there were some before."""
    rows = [(row["step"], row["value"]) for row in spread.answer.table.to_pylist() if row["series"] == "median"]
    known = [step for step, value in rows if value is not None]
    none = [step for step, value in rows if value is None and known and step > known[0]]
    if not none:
        return []
    return [Span(float(none[0]), float(none[-1]), f"no finite value from step {none[0]:,}", SERIES[6])]


def _why_empty(view: RunView, quantity: str, gap: int | None) -> str:
    if quantity == "gradient_l2":
        return why_missing(view, "gradients", "grads", needs="with a finite norm")
    if gap is None:
        return f"A movement needs two snapshots; this run has {len(view.steps):,}."
    return "No tensor has a finite movement from one snapshot to the next."


_series = cached_by_run(tensor_series)
_by_layer = cached_by_run(movement.by_layer)


def movements(view: RunView) -> None:
    """Every tensor's movement at every snapshot as a heatmap, or that of every layer."""
    series = _series(view.tables.ask(statistic_sql(view.run, "update-ratio"))) if view.steps else None
    if series is None or not series.steps:
        return
    layered, many = movement.has_layers(view), len(series.rows) > MOST_ROWS
    with panel.head("movements"):
        panel.title("How far each tensor moves")
        rows = ["tensors", "layers"] if not many else ["layers", "tensors"]
        which = choice.segmented("rows", "Rows", rows, words=str.capitalize) if layered else "tensors"
    if which == "layers":
        answer = _by_layer(view)
        every = movement.layer_rows(answer)
        _, rows = filtered.shown(every)
        if not rows:
            panel.caption(f"None of the {len(every):,} layers has this in its name.")
            return
        left_out = f" {len(rows):,} of {len(every):,} rows." if len(rows) < len(every) else ""
        _grid(view, answer, rows, f"Medians over the tensors of a layer.{left_out}")
    else:
        _tensors(view, series)


def _tensors(view: RunView, every: TensorSeries) -> None:
    series = every.of(filtered.named(every.rows))
    if not series.rows:
        panel.caption(f"None of the {len(every.rows):,} tensors has this in its name.")
        return
    rows = movement.furthest(series)
    left_out = (
        f"{len(rows):,} of {len(series.rows):,} tensors: those that move least and those that move most."
        if len(rows) < len(series.rows)
        else ""
    )
    _grid(view, Answer(series.sql, series.table(rows)), rows, left_out)


def _grid(view: RunView, answer: Answer, rows: list[str], about: str) -> None:
    words = movement.words(view)
    derived.grid(
        view, "health_movement", answer, rows, quantity=words.quantity,
        row_height=18 if len(rows) <= 24 else 12, banded=Banded(movement.band_shades, movement.ENDS),
        about=" ".join(filter(None, (words.about, movement.BAND, about))),
    )  # fmt: skip
