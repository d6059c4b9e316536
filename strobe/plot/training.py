"""Figures over training: curves of metrics and of derived measures, and heatmaps with a column a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa

from etl.errors import StrobeError
from strobe.charts.curves import Curves, Heatmap, Series, curves, numbered, tensor_heatmap
from strobe.charts.lost import Gap
from strobe.charts.theme import SERIES, TEST, TRAIN, Look
from strobe.plot.request import Request
from strobe.views import curve_sql
from strobe.views.curve_remarks import remarks_on
from strobe.views.curves import Curve, Range, metric_row, points_of, thinned
from strobe.views.lost import lost
from strobe.views.metric_units import units_of
from strobe.views.split_curves import ACCURACIES, LOSSES
from strobe.views.splits import split_words

POINTS: Final = 1000
"""Of a curve: about the dots of a printed column."""


def _metrics(request: Request, names: Sequence[str], y_title: str, log: bool) -> Curves:
    """`y_title` is without its unit. What cannot be drawn, and units that differ, are said below."""
    looks = request.looks
    several, tables = len(request.runs) > 1, request.view().tables
    words = {metric: split_words(tables, request.runs, metric) for metric in names if len(names) > 1}
    series, parts, remarks, gaps = [], [], [], []
    for run in request.runs:
        for metric in names:
            split = words[metric][run] if metric in words else ""
            row = metric_row(tables, Curve(run, metric, split))
            if row is None:
                continue
            answer = tables.ask(Range(log=log).query(Curve(run, metric, split), curve_sql.points))
            label = " · ".join(word for word in (run if several else "", split) if word) or metric
            points = thinned(points_of(answer), POINTS)
            remarks += remarks_on(label, row, log, points.count)
            if not points.count:
                continue
            look = looks[run] if several else Look(TRAIN if split == "train" else TEST)
            found = lost(tables, Curve(run, metric, split)) if row["nonfinite"] else ()
            gaps += [Gap(g.start, g.end, look.colour, g.nan > 0, g.up > 0, g.down > 0) for g in found]
            series.append(Series(label, look.colour, dash=several and split == "train", turn=look.turn))
            column = pa.array([label] * len(points.x), pa.string())
            parts.append(pa.table({"series": column, "x": points.x, "y": pa.array(points.y, from_pandas=True)}))
    if not parts:
        raise StrobeError(
            f"no {y_title} can be drawn: {' '.join(remarks)}" if remarks else f"no {y_title} was recorded"
        )
    units = units_of(tables, request.runs, names)
    made = curves(
        pa.concat_tables(parts), series, x_title="step", y_title=units.title(y_title), log=log, marks=request.onset(),
        gaps=gaps,
    )  # fmt: skip
    return replace(made, caption=" ".join([units.note(), *remarks]).strip())


def loss(request: Request) -> Curves:
    """Train and test loss of every run, on a log axis."""
    return _metrics(request, LOSSES, "loss", True)


def accuracy(request: Request) -> Curves:
    """Train and test accuracy of every run."""
    return _metrics(request, ACCURACIES, "accuracy", False)


def metric(request: Request) -> Curves:
    """Any one metric of every run (--metric NAME)."""
    if request.metric is None:
        raise StrobeError("name the metric with --metric; `strobe show RUN` lists them")
    return _metrics(request, (request.metric,), request.metric, False)


def gradients(request: Request) -> Heatmap:
    """The L2 norm of every tensor's gradient, by snapshot."""
    table = request.rows("""SELECT tensor || coalesce('.' || layer, '') AS row, step, l2::DOUBLE AS value FROM tensors
WHERE run = $1 AND section = 'grads' AND l2 > 0 AND isfinite(l2) ORDER BY tensor, layer, step""")
    if not table.num_rows:
        raise StrobeError("no gradient norms: its snapshots have no section grads")
    return _heat(table, "gradient, L2 norm")


def fourier(request: Request) -> Heatmap:
    """The norm of each frequency of the embedding, by snapshot."""
    table = request.found(
        "fourier",
        """SELECT frequency::VARCHAR AS row, step, sqrt(sum(value * value)) AS value
FROM fourier
WHERE run = $1 AND site = 'embedding' AND frequency > 0 GROUP BY frequency, step HAVING value > 0
ORDER BY frequency, step""",
    )
    return _heat(table, "norm of the frequency", "frequency")


def _heat(table: pa.Table, quantity: str, y_title: str = "") -> Heatmap:
    rows = list(dict.fromkeys(table["row"].to_pylist()))
    return tensor_heatmap(table, rows, quantity=quantity, y_title=y_title)


def progress(request: Request) -> Curves:
    """Full, restricted and excluded loss, by snapshot."""
    looks = {
        "full_loss val": Series("test", TEST), "full_loss train": Series("train", TRAIN),
        "restricted_loss all": Series("restricted", SERIES[2]), "excluded_loss train": Series("excluded", SERIES[5]),
    }  # fmt: skip
    table = request.found(
        "progress",
        """SELECT measure || ' ' || split AS series, step::DOUBLE AS x, value AS y
FROM progress WHERE run = $1 AND frequency IS NULL AND split IS NOT NULL AND value > 0 ORDER BY series, step""",
    )
    return _lines(request, table, looks, "loss (nats)", log=True)


def heads(request: Request) -> Curves:
    """The weight of every attention head on the previous token, by snapshot."""
    table = request.found(
        "heads",
        """SELECT 'L' || layer || ' H' || head AS series, step::DOUBLE AS x,
previous_token AS y
FROM heads WHERE run = $1 AND previous_token IS NOT NULL ORDER BY layer, head, step""",
    )
    names = list(dict.fromkeys(table["series"].to_pylist()))
    looks = {name: numbered(name, k) for k, name in enumerate(names)}
    return _lines(request, table, looks, "weight on the previous token", log=False)


def ranks(request: Request) -> Curves:
    """Participation ratio of the singular values of every whole matrix, by snapshot."""
    table = request.found(
        "spectra",
        """SELECT tensor || coalesce('.' || layer, '') AS series, step::DOUBLE AS x,
participation_ratio::DOUBLE AS y FROM spectra WHERE run = $1 AND part = 'whole' AND head IS NULL
AND participation_ratio IS NOT NULL ORDER BY tensor, layer, step""",
    )
    names = list(dict.fromkeys(table["series"].to_pylist()))[:14]
    looks = {name: numbered(name, k) for k, name in enumerate(names)}
    return _lines(request, table, looks, "participation ratio", log=False)


def _lines(request: Request, table: pa.Table, looks: Mapping[str, Series], y_title: str, *, log: bool) -> Curves:
    there = table["series"].to_pylist()
    labels = pa.array([looks[name].label if name in looks else "" for name in there], pa.string())
    drawn = [look for name, look in looks.items() if name in set(there)]
    if not drawn:
        raise StrobeError(f"no {y_title.partition(' (')[0]} was derived")
    table = table.set_column(0, "series", labels)
    return curves(table, drawn, x_title="step", y_title=y_title, log=log, marks=request.onset())
