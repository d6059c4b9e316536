"""Statistics of every tensor at every snapshot: rows by steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strobe.views.ordering import Key, natural
from strobe.views.run_view import Answer, literal

_ORDER: Final = (
    "wte", "wpe", "ln1w", "ln1b", "qkvw", "qkvb", "attprojw", "attprojb", "ln2w", "ln2b", "fcw", "fcb", "fcprojw",
    "fcprojb", "lnfw", "lnfb", "unembed",
)  # fmt: skip
_MOST_COLUMNS: Final = 600


@dataclass(frozen=True)
class Quantity:
    """One statistic of a tensor at a step, from table `tensors`."""

    label: str
    section: str
    value: str
    unit: str
    explains: str


QUANTITIES: Final = {
    "gradient": Quantity("Gradient", "grads", "l2", "L2 norm", "L2 norm of the gradient, as the optimizer used it"),
    "weight": Quantity("Weight", "params", "l2", "L2 norm", "L2 norm of the weights"),
    "adam-m": Quantity("Adam m", "adam_m", "l2", "L2 norm", "L2 norm of Adam's first moment"),
    "adam-v": Quantity("Adam v", "adam_v", "l2", "L2 norm", "L2 norm of Adam's second moment"),
    "change-rate": Quantity(
        "Change rate", "params",
        "delta_l2 / (step - lag(step) OVER (PARTITION BY attempt, tensor, layer ORDER BY step))",
        "L2 norm a step",
        "L2 distance to the snapshot before, divided by the steps between: net movement, at most the mean of the "
        "steps' lengths",
    ),
    "update-ratio": Quantity(
        "Net update ratio", "params", "update_ratio", "per step",
        "net movement since the snapshot before, relative to the weight norm there, divided by the steps between: "
        "the update ratio of one optimizer step only where snapshots are one step apart, else at most about "
        "their mean",
    ),
    "adam-step": Quantity(
        "Adam step", "adam_v", "", "per weight",
        "the tensor's own learning rate × rms(m) / √rms(v), rms over its weights: the size of Adam's next step where "
        "all of them are alike, without bias correction (which matters in the first steps) and weight decay",
    ),
}  # fmt: skip

# Of v its L2 norm is recorded, so that √rms(v) stands for the root of every element: by Jensen's inequality at least
# their mean.
# Where no snapshot has the rate of a tensor's own group, the metric is that of all only where the settings name one.
_ADAM_STEP: Final = """WITH kept AS (
  SELECT * FROM tensors WHERE run = {run} AND section IN ('adam_m', 'adam_v', 'adam_lr')
), one AS (
  SELECT step, value FROM scalars WHERE run = {run} AND name = 'learning_rate'
    AND NOT EXISTS (SELECT 1 FROM kept WHERE section = 'adam_lr')
    AND EXISTS (SELECT 1 FROM runs WHERE run = {run} AND json_exists(config, '$.training.learning_rate'))
)
SELECT m.tensor, m.layer, m.step,
  if(v.l2 > 0, coalesce(own.mean::DOUBLE, one.value) * (m.l2::DOUBLE / sqrt(m.n)) / sqrt(v.l2::DOUBLE / sqrt(v.n)),
    NULL) AS value
FROM (SELECT * FROM kept WHERE section = 'adam_m') m
JOIN (SELECT * FROM kept WHERE section = 'adam_v') v
  ON v.tensor = m.tensor AND v.layer IS NOT DISTINCT FROM m.layer AND v.step = m.step
LEFT JOIN (SELECT * FROM kept WHERE section = 'adam_lr') own
  ON own.tensor = m.tensor AND own.layer IS NOT DISTINCT FROM m.layer AND own.step = m.step
ASOF LEFT JOIN one ON m.step >= one.step
ORDER BY m.tensor, m.layer, m.step"""


def statistic_sql(run: str, quantity: str) -> str:
    """One statistic of every tensor at every snapshot: tensor, layer, step, value."""
    what = QUANTITIES[quantity]
    if quantity == "adam-step":
        return _ADAM_STEP.format(run=literal(run))
    return f"""SELECT tensor, layer, step, ({what.value})::DOUBLE AS value
FROM tensors WHERE run = {literal(run)} AND section = {literal(what.section)}
ORDER BY tensor, layer, step"""


def sections_sql(run: str) -> str:
    return f"SELECT DISTINCT section FROM tensors WHERE run = {literal(run)}"


@dataclass(frozen=True)
class TensorSeries:
    """values[i, j] of row i at steps[j], float64, NaN where there is none; recorded[i, j] tells whether there is one,
    which may be NaN itself. `every` has step and value at all steps, also where `steps` are some of them: those of
    row i from starts[i] to starts[i + 1]."""

    rows: list[str]
    steps: list[int]
    values: np.ndarray[Any, Any]
    recorded: np.ndarray[Any, Any]
    every: pa.Table
    starts: list[int]
    sql: str

    def of(self, rows: Sequence[str]) -> TensorSeries:
        """The same of some rows alone, in the order given."""
        if list(rows) == self.rows:
            return self
        places = {name: i for i, name in enumerate(self.rows)}
        at = [places[name] for name in rows]
        lengths = [self.starts[i + 1] - self.starts[i] for i in at]
        parts = [self.every.slice(self.starts[i], length) for i, length in zip(at, lengths, strict=True)]
        every = pa.concat_tables([self.every.slice(0, 0), *parts])
        starts = [0, *np.cumsum(lengths, dtype=int).tolist()]
        return TensorSeries(list(rows), self.steps, self.values[at], self.recorded[at], every, starts, self.sql)

    def history(self, rows: Sequence[str]) -> pa.Table:
        """row, step, value of some rows at every step, NULL where one has no value."""
        return pa.concat_tables([_NO_ROWS, *(self._row(self.rows.index(name)) for name in rows)])

    def _row(self, i: int) -> pa.Table:
        own = self.every.slice(self.starts[i], self.starts[i + 1] - self.starts[i])
        return own.add_column(0, "row", pa.array([self.rows[i]] * own.num_rows, pa.string()))

    def table(self, rows: Sequence[str] | None = None) -> pa.Table:
        """row, step, value of all of them or of some, at every step that has a value."""
        table = self.history(self.rows if rows is None else rows)
        return table.filter(pc.is_valid(table["value"]))

    def lines(self, rows: Sequence[str]) -> pa.Table:
        """series, x, y of some rows at `steps`, for a log scale: y is NULL, and a line breaks, where what was
        recorded has no place on it."""
        parts = []
        for name in rows:
            i = self.rows.index(name)
            there = self.recorded[i] > 0
            values = self.values[i][there]
            good = np.isfinite(values) & (values > 0)
            parts.append(pa.table({
                "series": pa.array([name] * len(values), pa.string()),
                "x": np.asarray(self.steps, np.float64)[there], "y": pa.array(values, mask=~good),
            }))  # fmt: skip
        return pa.concat_tables(parts)

    def drawn(self, rows: Sequence[str] | None = None) -> pa.Table:
        """The same at `steps` alone, of what a log scale has a place for."""
        table = self.table(rows)
        kept = pc.and_(pc.is_finite(table["value"]), pc.greater(table["value"], 0))
        return table.filter(pc.and_(kept, pc.is_in(table["step"], pa.array(self.steps, pa.int64()))))


_NO_ROWS: Final = pa.table({
    "row": pa.array([], pa.string()), "step": pa.array([], pa.int64()), "value": pa.array([], pa.float64()),
})  # fmt: skip


def tensor_series(answer: Answer) -> TensorSeries:
    """The rows of `statistic_sql` as rows by steps; at most 600 columns, evenly by index."""
    table = answer.table.combine_chunks()
    coded = table["tensor"].combine_chunks().dictionary_encode()
    names: list[str] = coded.dictionary.to_pylist()
    layers = table["layer"].fill_null(-1).to_numpy().astype(np.int64)
    pairs = np.stack([coded.indices.to_numpy().astype(np.int64), layers], axis=1).reshape(-1, 2)
    unique, row = np.unique(pairs, axis=0, return_inverse=True)
    places = [_place(name) for name in names]
    order = sorted(range(len(unique)), key=lambda k: (*places[unique[k][0]], unique[k][1]))
    place = np.empty(len(unique), np.int64)
    place[order] = np.arange(len(unique))
    value, step = table["value"].to_numpy(), table["step"].to_numpy()
    known = np.flatnonzero(table["value"].is_valid().to_numpy(zero_copy_only=False))
    steps = np.unique(step[known])
    if len(steps) > _MOST_COLUMNS:
        steps = steps[np.linspace(0, len(steps) - 1, _MOST_COLUMNS).round().astype(int)]
        known = known[np.isin(step[known], steps)]
    values = np.full((len(unique), len(steps)), np.nan)
    recorded = np.zeros(values.shape, np.uint8)
    at = place[row.reshape(-1)[known]], np.searchsorted(steps, step[known])
    values[at], recorded[at] = value[known], 1
    many = {name for name, count in zip(*np.unique(unique[:, 0], return_counts=True), strict=True) if count > 1}
    labels = [f"{names[name]}.{layer}" if name in many else names[name] for name, layer in unique[order].tolist()]
    row = place[row.reshape(-1)]
    every = table.select(["step", "value"]).take(np.lexsort((step, row)))
    starts = np.searchsorted(np.sort(row), np.arange(len(labels) + 1)).tolist()
    return TensorSeries(labels, steps.tolist(), values, recorded, every, starts, answer.sql)


def _place(name: str) -> tuple[int, Key]:
    """Known tensors in the order of the model, others behind them by name, numbers in it as numbers."""
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), natural(name))


def shades(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], float, float]:
    """Bytes 1..255 on a log scale over the positive values, 0 where there is none; and the two ends of the scale."""
    good = np.isfinite(values) & (values > 0)
    if not good.any():
        return np.zeros(values.shape, np.uint8), np.nan, np.nan
    low, high = float(values[good].min()), float(values[good].max())
    place = np.zeros(values.shape)
    span = np.log(high) - np.log(low)
    if span > 0:
        place[good] = (np.log(values[good]) - np.log(low)) / span
    return np.where(good, 1 + np.round(place * 254), 0).astype(np.uint8), low, high
