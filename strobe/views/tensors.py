"""Statistics of every tensor at every snapshot: rows by steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

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
        "L2 norm a step", "L2 distance to the snapshot before, divided by the steps between",
    ),
    "update-ratio": Quantity(
        "Update ratio", "params", "update_ratio", "per step",
        "distance to the snapshot before, relative to the weight norm, divided by the steps between",
    ),
}  # fmt: skip


def statistic_sql(run: str, quantity: str) -> str:
    """One statistic of every tensor at every snapshot: tensor, layer, step, value."""
    what = QUANTITIES[quantity]
    return f"""SELECT tensor, layer, step, ({what.value})::DOUBLE AS value
FROM tensors WHERE run = {literal(run)} AND section = {literal(what.section)}
ORDER BY tensor, layer, step"""


def sections_sql(run: str) -> str:
    return f"SELECT DISTINCT section FROM tensors WHERE run = {literal(run)}"


@dataclass(frozen=True)
class TensorSeries:
    """values[i, j] of row i at steps[j], float64; NaN where nothing was recorded."""

    rows: list[str]
    steps: list[int]
    values: np.ndarray[Any, Any]
    sql: str

    def table(self, rows: list[str] | None = None) -> pa.Table:
        """Long form: row, step, value, without what was not recorded."""
        keep = [i for i, name in enumerate(self.rows) if rows is None or name in rows]
        row, column = np.nonzero(np.isfinite(self.values[keep]))
        names = np.asarray(self.rows, dtype=object)[keep]
        return pa.table(
            {
                "row": pa.array(names[row].tolist(), pa.string()),
                "step": pa.array(np.asarray(self.steps, np.int64)[column]),
                "value": pa.array(self.values[keep][row, column]),
            }
        )


def tensor_series(answer: Answer) -> TensorSeries:
    """The rows of `statistic_sql` as rows by steps; at most 600 columns, evenly by index."""
    table = answer.table
    coded = table["tensor"].combine_chunks().dictionary_encode()
    names: list[str] = coded.dictionary.to_pylist()
    layers = table["layer"].fill_null(-1).to_numpy().astype(np.int64)
    pairs = np.stack([coded.indices.to_numpy().astype(np.int64), layers], axis=1).reshape(-1, 2)
    unique, row = np.unique(pairs, axis=0, return_inverse=True)
    order = sorted(range(len(unique)), key=lambda k: (*_place(names[unique[k][0]]), unique[k][1]))
    place = np.empty(len(unique), np.int64)
    place[order] = np.arange(len(unique))
    value, step = table["value"].to_numpy(), table["step"].to_numpy()
    known = np.flatnonzero(~np.isnan(value))
    steps = np.unique(step[known])
    if len(steps) > _MOST_COLUMNS:
        steps = steps[np.linspace(0, len(steps) - 1, _MOST_COLUMNS).round().astype(int)]
        known = known[np.isin(step[known], steps)]
    values = np.full((len(unique), len(steps)), np.nan)
    values[place[row.reshape(-1)[known]], np.searchsorted(steps, step[known])] = value[known]
    many = {name for name, count in zip(*np.unique(unique[:, 0], return_counts=True), strict=True) if count > 1}
    labels = [f"{names[name]}.{layer}" if name in many else names[name] for name, layer in unique[order].tolist()]
    return TensorSeries(labels, steps.tolist(), values, answer.sql)


def _place(name: str) -> tuple[int, str]:
    """Known tensors in the order of the model, others behind them by name."""
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


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
