"""`strobe export csv`: a run's metrics side by side, or one of its tables whole."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from strobe.commands import opening
from strobe.commands.output import visible
from strobe.commands.runs import RunArgument, StoreOption
from strobe.commands.target import free, writing

if TYPE_CHECKING:
    import pyarrow as pa

    from etl.store.catalogue import Catalogue

_STDOUT: Final = Path("-")
_ROWS: Final = 100_000
"""Of a table that are turned to text at a time."""


def csv(
    run: RunArgument,
    metrics: Annotated[
        list[str] | None, typer.Argument(metavar="[METRIC]...", help="Columns to write; default every metric.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Write this table of the run instead, as tensors.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File, or - for standard output; default RUN-metrics.csv or RUN-TABLE.csv.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace the file if it is there.")] = False,
    store: StoreOption = None,
) -> None:  # fmt: skip
    """A run's metrics as CSV, a column each and a row a step; or one of its tables."""
    from etl.errors import StrobeError

    if table is not None and metrics:
        raise StrobeError("give metrics or --table, not both")
    opened = opening.store_at(store)
    found, catalogue = opening.find_run(opened, run).id, opened.current()
    rows = whole(catalogue, found, table) if table is not None else side_by_side(catalogue, found, metrics or [])
    opening.refuse_damaged(opened, found, [table] if table is not None else ["metrics", "scalars"])
    _write(rows, out or Path(f"{found}-{table or 'metrics'}.csv"), force)


def whole(catalogue: Catalogue, run: str, table: str) -> pa.Table:
    """The current rows of one table of a run. Raises StrobeError for a table that there is not."""
    from etl.errors import StrobeError

    if table not in catalogue.tables():
        raise StrobeError(f"there is no table {visible(table)!r}; there are {', '.join(catalogue.tables())}")
    # The name is one of the store's own, checked above.
    return catalogue.query(f'SELECT * FROM "{table}" WHERE run = $1 ORDER BY ALL', [run])


def side_by_side(catalogue: Catalogue, run: str, metrics: list[str]) -> pa.Table:
    """step, time, tokens, epoch, then a column for each metric, in the order asked for; empty where a step has no
    value of it. Raises StrobeError, naming the nearest, for a metric that the run does not have."""
    from etl.errors import StrobeError

    there = catalogue.query("SELECT name FROM metrics WHERE run = $1 ORDER BY name", [run])["name"].to_pylist()
    if not there:
        raise StrobeError(f"run {run} has no metrics; `strobe show {run}` says what it has")
    wanted = list(dict.fromkeys(metrics)) or there
    for name in wanted:
        if name not in there:
            near = difflib.get_close_matches(name, there, 3, 0.5) or there[:8]
            raise StrobeError(f"run {run} has no metric {visible(name)!r}; there are {', '.join(map(visible, near))}")
    return _pivoted(catalogue, run, wanted)


def _pivoted(catalogue: Catalogue, run: str, names: list[str]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    asked = [run, names]
    rows = catalogue.query(
        "SELECT name, step, value FROM scalars WHERE run = $1 AND list_contains($2, name)", asked
    )  # fmt: skip
    clock = catalogue.query(
        "SELECT step, min(time) AS time, min(tokens) AS tokens, min(epoch) AS epoch FROM scalars "
        "WHERE run = $1 AND list_contains($2, name) GROUP BY step ORDER BY step", asked,
    )  # fmt: skip
    place = {name: k for k, name in enumerate(names)}
    column = np.array([place[name] for name in rows["name"].to_pylist()], np.int64)
    row = np.searchsorted(clock["step"].to_numpy(), rows["step"].to_numpy())
    # What was logged as NaN stays NaN; what was not logged is empty.
    values, missing = np.zeros((len(names), clock.num_rows)), np.ones((len(names), clock.num_rows), bool)
    values[column, row], missing[column, row] = rows["value"].to_numpy(), False
    made = [pa.array(part, mask=absent) for part, absent in zip(values, missing, strict=True)]
    return pa.table([*clock.columns, *made], names=[*clock.column_names, *names])


def _write(rows: pa.Table, path: Path, force: bool) -> None:
    from etl.replacing import replacing, write_all
    from strobe.rows import csv_bytes, write_csv

    if path == _STDOUT:
        write_csv(rows, sys.stdout)
        return
    with writing(free(path, force)), replacing(path) as descriptor:
        for start in range(0, max(1, rows.num_rows), _ROWS):
            text = csv_bytes(rows.slice(start, _ROWS))
            write_all(descriptor, text if not start else text.partition(b"\n")[2])
    typer.echo(f"{path}: {rows.num_rows:,} rows, {rows.num_columns:,} columns")
