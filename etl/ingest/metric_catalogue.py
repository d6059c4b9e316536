"""The catalogue of a run's metrics: what each came to, from its rows, or from a catalogue and the rows after it.

A single row is the catalogue of itself, and catalogues of rows that have no key in common merge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etl.ingest.names import Names
from etl.run.attempts import Attempt
from etl.store.accuracy import NAMES, accuracy_scale
from etl.store.order import order_of, ranks
from etl.store.schema import LOSSES, UNITS, part_schema

Column = npt.NDArray[Any]
_NEVER = 2**63 - 1
"""A step in place of one that there is not."""


def metrics_table(
    scalars: pa.Table,
    attempts: Sequence[Attempt],
    names: Names,
    before: pa.Table | None = None,
    *,
    loss_unit: str | None = None,
) -> pa.Table:
    """The catalogue over the current ones among rows of `scalars`; with that of the rows `before` them.

    `names` are the log's own -> those that are stored. A row without a value is none. No current row of `scalars` may
    have a key that one of those before has. `loss_unit` is that of the losses, where it is known.
    """
    counts = _current(scalars, attempts)
    if scalars["value"].null_count:
        counts &= scalars["value"].is_valid().to_numpy()
    rows = scalars if counts.all() else scalars.filter(pa.array(counts))
    catalogue = _merged(_of_each(rows))
    if before is not None and before.num_rows:
        catalogue = _merged(_of_catalogues(pa.concat_tables([before, catalogue])))
    own = {stored: name for name, stored in names.items()}
    sources = pa.array([own.get(name, name) for name in catalogue["name"].to_pylist()], pa.string())
    catalogue = catalogue.set_column(catalogue.schema.get_field_index("source_name"), "source_name", sources)
    return with_units(catalogue, loss_unit)


def _current(rows: pa.Table, attempts: Sequence[Attempt]) -> npt.NDArray[np.bool_]:
    attempt, step = rows["attempt"].to_numpy(), rows["step"].to_numpy()
    current: npt.NDArray[np.bool_] = attempt >= 0
    if any(each.cut_step is not None for each in attempts):
        last = max(each.attempt for each in attempts)
        cuts = np.full(last + 2, _NEVER)
        for each in attempts:
            cuts[each.attempt] = _NEVER if each.cut_step is None else each.cut_step
        current &= step < cuts[np.minimum(attempt, last + 1)]
    return current


def _of_each(rows: pa.Table) -> tuple[pa.Array, dict[str, Column]]:
    """The names, and the columns, of as many catalogues as there are rows."""
    step, value = rows["step"].to_numpy(), rows["value"].to_numpy()
    finite = np.isfinite(value)
    if all_finite := bool(finite.all()):
        low, top, at = value, value, step
    else:
        low, top, at = (
            np.where(finite, value, np.inf),
            np.where(finite, value, -np.inf),
            np.where(finite, step, _NEVER),
        )
    never = np.broadcast_to(np.int64(_NEVER), len(step))
    return rows["name"], {
        "n": np.broadcast_to(np.int64(1), len(step)),
        "first_step": step,
        "last_step": step,
        "last_value": value,
        "min": low,
        "min_step": at,
        "max": top,
        "max_step": at,
        "nonfinite": np.broadcast_to(np.int64(0), len(step)) if all_finite else (~finite).astype(np.int64),
        "first_nonfinite_step": never if all_finite else np.where(finite, _NEVER, step),
    }


def _of_catalogues(tables: pa.Table) -> tuple[pa.Array, dict[str, Column]]:
    filled = {"min": np.inf, "max": -np.inf} | dict.fromkeys(("min_step", "max_step", "first_nonfinite_step"), _NEVER)
    names = [name for name in tables.column_names if name not in ("name", "source_name", "unit")]
    columns = {name: tables[name].fill_null(filled[name]) if name in filled else tables[name] for name in names}
    return tables["name"], {name: column.to_numpy() for name, column in columns.items()}


def _merged(catalogues: tuple[pa.Array, Mapping[str, Column]]) -> pa.Table:
    """One row a name, by name; of two that end at the same step the later row has the last value."""
    names, columns = catalogues
    if not len(names):
        return part_schema("metrics").empty_table()
    rank = ranks(names)
    if (order := order_of([rank, columns["last_step"]])) is not None:
        names, rank = names.take(pa.array(order)), rank[order]
        columns = {name: column[order] for name, column in columns.items()}
    begins = np.flatnonzero(np.concatenate([[True], rank[1:] != rank[:-1]]))
    own = names.take(pa.array(begins))
    made = _group_columns(columns, begins, np.diff(begins, append=len(rank)))
    made |= {"name": own, "source_name": own, "unit": pa.nulls(len(begins), pa.string())}
    schema = part_schema("metrics")
    return pa.table({column: made[column] for column in schema.names}, schema=schema)


def _group_columns(of: Mapping[str, Column], begins: Column, count: Column) -> dict[str, Any]:
    """What the catalogues of each name come to: `count` of them, from `begins` on, the last to end last."""
    last = begins + count - 1
    least, most = np.minimum.reduceat(of["min"], begins), np.maximum.reduceat(of["max"], begins)

    def first_at(extreme: str, value: Column) -> Column:
        there = np.flatnonzero(of[extreme] == np.repeat(value, count))
        return np.minimum.reduceat(of[f"{extreme}_step"][there], np.searchsorted(there, begins))

    return {
        "n": np.add.reduceat(of["n"], begins),
        "first_step": np.minimum.reduceat(of["first_step"], begins),
        "last_step": of["last_step"][last],
        "last_value": of["last_value"][last],
        "min": _known(least, np.isfinite(least)),
        "min_step": _known_step(first_at("min", least)),
        "max": _known(most, np.isfinite(most)),
        "max_step": _known_step(first_at("max", most)),
        "nonfinite": np.add.reduceat(of["nonfinite"], begins),
        "first_nonfinite_step": _known_step(np.minimum.reduceat(of["first_nonfinite_step"], begins)),
    }


def _known(values: Column, known: Column) -> pa.Array:
    return pa.array(values, mask=~known)


def _known_step(steps: Column) -> pa.Array:
    return _known(steps, steps != _NEVER)


def with_units(metrics: pa.Table, loss_unit: str | None) -> pa.Table:
    """A catalogue of metrics with the units that their names and values tell, and that of the losses."""
    return metrics.set_column(metrics.schema.get_field_index("unit"), "unit", _units(metrics, loss_unit))


def _units(metrics: pa.Table, loss_unit: str | None) -> pa.Array:
    """Of every metric: by its name, of the accuracies by their values, of the losses as given."""
    ends = {
        name: (low, top)
        for name, low, top in zip(*(metrics[key].to_pylist() for key in ("name", "min", "max")), strict=True)
        if name in NAMES and low is not None
    }
    known = UNITS | dict.fromkeys(LOSSES, loss_unit) | dict.fromkeys(ends, accuracy_scale(ends).unit)
    return pa.array([known.get(name) for name in metrics["name"].to_pylist()], pa.string())
