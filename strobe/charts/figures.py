"""Figures of a run for a paper, from a store: each panel by its name, as one Altair chart with legend and units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from etl.errors import StrobeError
from strobe.analysis.smoothing import extremes
from strobe.charts.curves import Mark, Series, curves, tensor_heatmap
from strobe.charts.theme import CYCLIC, SERIES, TEST, TRAIN, altair, run_colours

if TYPE_CHECKING:
    from etl.store import Store

POINTS: Final = 400
"""Of a curve: about the dots of a printed column."""


@dataclass(frozen=True)
class Request:
    """What a figure is to show: runs (the first where a panel shows one), and a step where it shows a moment."""

    store: Store
    runs: Sequence[str]
    step: int | None = None

    @property
    def run(self) -> str:
        return self.runs[0]

    def rows(self, sql: str) -> pa.Table:
        """The answer to trusted SQL with $1 = the first run. Raises StrobeError, naming the command, for no rows."""
        return self.store.sql(sql, [self.run])


def _metrics(request: Request, names: dict[str, str], y_title: str, log: bool) -> Any:
    colours = run_colours(request.runs)
    several = len(request.runs) > 1
    series, parts = [], []
    for run in request.runs:
        for metric, split in names.items():
            rows = request.store.sql(
                "SELECT step::DOUBLE AS x, value AS y FROM scalars WHERE run = $1 AND name = $2 AND isfinite(value) "
                "AND (value > 0 OR NOT $3) ORDER BY step", [run, metric, log],
            )  # fmt: skip
            if not rows.num_rows:
                continue
            rows = rows.take(extremes(rows["x"].to_numpy(), rows["y"].to_numpy(), POINTS))
            label = f"{run} · {split}" if several else split
            colour = colours[run] if several else TRAIN if split == "train" else TEST
            series.append(Series(label, colour, dash=several and split == "train"))
            parts.append(rows.add_column(0, "series", pa.array([label] * rows.num_rows, pa.string())))
    if not parts:
        raise StrobeError(f"no {y_title} was recorded for {', '.join(request.runs)}")
    return curves(pa.concat_tables(parts), series, x_title="step", y_title=y_title, log=log, marks=_marks(request))


def _marks(request: Request) -> list[Mark]:
    if len(request.runs) > 1:
        return []
    rows = request.rows(
        "SELECT step FROM transitions WHERE run = $1 AND rule = 'grokking onset' AND step IS NOT NULL"
    )
    return [Mark(float(step), f"onset {step:,}", SERIES[2]) for step in rows["step"].to_pylist()]


def loss(request: Request) -> Any:
    """Train and test loss of every run, on a log axis."""
    return _metrics(request, {"val_loss": "test", "train_loss": "train"}, "loss (nats)", True)


def accuracy(request: Request) -> Any:
    """Train and test accuracy of every run."""
    return _metrics(request, {"val_accuracy": "test", "train_accuracy": "train"}, "accuracy (share)", False)


def gradients(request: Request) -> Any:
    """The L2 norm of every tensor's gradient, by snapshot."""
    table = request.rows("""SELECT tensor || coalesce('.' || layer, '') AS row, step, l2::DOUBLE AS value FROM tensors
WHERE run = $1 AND section = 'grads' AND l2 > 0 ORDER BY row, step""")
    return _heat(table, "gradient, L2 norm", "no gradient norms: its snapshots have no section grads")


def fourier(request: Request) -> Any:
    """The norm of each frequency of the embedding, by snapshot."""
    table = request.rows("""SELECT lpad(frequency::VARCHAR, 3, ' ') AS row, step, sqrt(sum(value * value)) AS value
FROM fourier WHERE run = $1 AND site = 'embedding' AND frequency > 0 GROUP BY ALL ORDER BY row, step""")
    return _heat(table, "norm of the frequency", _analyse(request))


def _analyse(request: Request) -> str:
    return f"no rows of that table; `strobe analyze {request.run}` fills it where the run has it"


def _heat(table: pa.Table, quantity: str, otherwise: str) -> Any:
    if not table.num_rows:
        raise StrobeError(otherwise)
    rows = list(dict.fromkeys(table["row"].to_pylist()))
    return tensor_heatmap(table, rows, quantity=quantity)


def progress(request: Request) -> Any:
    """Full, restricted and excluded loss, by snapshot."""
    looks = {
        "full_loss val": Series("test", TEST), "full_loss train": Series("train", TRAIN),
        "restricted_loss all": Series("restricted", SERIES[2]), "excluded_loss train": Series("excluded", SERIES[5]),
    }  # fmt: skip
    table = request.rows("""SELECT measure || ' ' || split AS series, step::DOUBLE AS x, value AS y FROM progress
WHERE run = $1 AND frequency IS NULL AND split IS NOT NULL AND value > 0 ORDER BY series, step""")
    return _lines(request, table, looks, "loss (nats)", log=True)


def heads(request: Request) -> Any:
    """The weight of every head on the previous token, by snapshot."""
    table = request.rows("""SELECT 'L' || layer || ' H' || head AS series, step::DOUBLE AS x, previous_token AS y
FROM heads WHERE run = $1 ORDER BY layer, head, step""")
    names = list(dict.fromkeys(table["series"].to_pylist()))
    looks = {name: Series(name, SERIES[k % 7], dash=k >= 7) for k, name in enumerate(names)}
    return _lines(request, table, looks, "weight on the previous token", log=False)


def _lines(request: Request, table: pa.Table, looks: dict[str, Series], y_title: str, *, log: bool) -> Any:
    names = table["series"].to_pylist()
    kept = table.filter(pa.array([name in looks for name in names], pa.bool_()))
    if not kept.num_rows:
        raise StrobeError(_analyse(request))
    labels = pa.array([looks[name].label for name in kept["series"].to_pylist()], pa.string())
    kept = kept.set_column(0, "series", labels)
    drawn = [look for look in looks.values() if look.label in set(labels.to_pylist())]
    return curves(kept, drawn, x_title="step", y_title=y_title, log=log, marks=_marks(request))


def embedding(request: Request) -> Any:
    """Token embeddings on the two principal axes of the last snapshot, at a step (default the last)."""
    from strobe.analysis.projection import principal_axes, project

    alt = altair()
    stored = request.store.run(request.run)
    steps = stored.steps()
    if not steps:
        raise StrobeError(f"run {request.run!r} has no snapshots on this machine")
    step = steps[-1] if request.step is None else request.step
    axes = principal_axes(np.asarray(stored.at(steps[-1]).values("params/wte")[:2048], np.float64))
    points = project(np.asarray(stored.at(step, nearest=True).values("params/wte")[:2048], np.float64), axes)
    reach = float(np.abs(points).max()) * 1.05 or 1.0
    rows = [{"x": x, "y": y, "token": k, "name": str(k) if k % 10 == 0 else ""} for k, (x, y) in enumerate(points)]
    scale = alt.Scale(domain=[-reach, reach])
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("x:Q", title="first principal axis", scale=scale), y=alt.Y("y:Q", title="second", scale=scale)
    )
    colour = alt.Color("token:Q", title="token", scale=alt.Scale(range=list(CYCLIC)))
    words = base.mark_text(align="left", dx=6, fontSize=10).encode(text="name:N")
    return (base.mark_circle(size=40).encode(color=colour) + words).properties(width=320, height=320)


PANELS: Final[dict[str, Callable[[Request], Any]]] = {
    "loss": loss, "accuracy": accuracy, "gradients": gradients, "fourier": fourier, "progress": progress,
    "heads": heads, "embedding": embedding,
}  # fmt: skip


def report(request: Request) -> Any:
    """Up to six panels on one sheet: those that the run has, in this order."""
    return _sheet(request, ("loss", "accuracy", "gradients", "progress", "fourier", "embedding"), across=2)


def compare(request: Request) -> Any:
    """Loss and accuracy of several runs, side by side."""
    return _sheet(request, ("loss", "accuracy"), across=2)


def _sheet(request: Request, names: Sequence[str], across: int) -> Any:
    alt = altair()
    made, reasons = [], []
    for name in names:
        try:
            made.append(PANELS[name](request).properties(title=name))
        except (StrobeError, KeyError) as error:
            reasons.append(f"{name}: {error}")
    if not made:
        raise StrobeError("nothing to draw; " + "; ".join(reasons))
    rows = [
        alt.hconcat(*made[k : k + across]).resolve_scale(color="independent") for k in range(0, len(made), across)
    ]
    return alt.vconcat(*rows).resolve_scale(color="independent", strokeDash="independent", opacity="independent")


SHEETS: Final[dict[str, Callable[[Request], Any]]] = {"report": report, "compare": compare}
