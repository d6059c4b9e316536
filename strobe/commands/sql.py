"""`strobe sql`: one SELECT over the store, run where it can do no harm."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strobe.commands import opening

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_LIMIT = 10_000_000
_DEFAULT_TIMEOUT_S = 10.0


def sql(
    statement: Annotated[
        str, typer.Argument(metavar="SQL", help="One SELECT, FROM, PIVOT, SUMMARIZE, DESCRIBE, SHOW or EXPLAIN.")
    ],
    *,
    limit: Annotated[int, typer.Option(help="Rows to give at most.", min=1, max=_MAX_LIMIT)] = 100_000,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV (the default where output is not a terminal).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array of objects.")] = False,
    parquet: Annotated[Path | None, typer.Option(help="Write the rows to this Parquet file.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="Seconds the statement may take (default STROBE_QUERY_TIMEOUT_S, else 10).", min=0.1, max=3600
        ),
    ] = None,
    store: Annotated[Path | None, typer.Option(help="The store to ask.")] = None,
) -> None:
    """Run one SELECT over the store's tables (SHOW TABLES lists them).

    A reply takes at most 5 MB for each thousand rows of the limit, and a cell at most a million characters; what was
    cut is said on stderr. The statement runs in a process of its own, which can reach nothing but the tables.
    """
    from etl.errors import StrobeError
    from etl.sql.reply import Limits
    from etl.sql.sandbox import Sandbox
    from strobe import settings

    if as_csv + as_json + (parquet is not None) > 1:
        raise StrobeError("--csv, --json and --parquet are one choice; give one of them")
    if timeout is None:
        given = "STROBE_QUERY_TIMEOUT_S" in os.environ
        timeout = settings.query_timeout_s() if given else _DEFAULT_TIMEOUT_S
    limits = Limits(timeout_s=timeout, memory=settings.memory_limit()).for_rows(limit)
    reply = Sandbox(opening.store_at(store).current(), spare=False).run(statement, limits)
    if parquet is not None:
        _write_parquet(reply.table, parquet)
    else:
        _print(reply.table, "csv" if as_csv else "json" if as_json else "table" if sys.stdout.isatty() else "csv")
    for notice in reply.notices(limits):
        typer.echo(notice, err=True)


def _write_parquet(table: pa.Table, path: Path) -> None:
    from etl.errors import StrobeError
    from etl.replacing import replacing, write_all
    from strobe.rows import parquet_bytes

    data = parquet_bytes(table)
    try:
        with replacing(path) as descriptor:
            write_all(descriptor, data)
    except OSError as error:
        raise StrobeError(
            f"{path}: cannot be written ({error.strerror}); name a file in a folder that exists"
        ) from None
    typer.echo(f"{path}: {table.num_rows:,} rows, {len(data):,} bytes", err=True)


def _print(table: pa.Table, form: str) -> None:
    from strobe.rows import json_rows, write_csv

    if form == "json":
        typer.echo(json_rows(table))
    elif form == "csv":
        write_csv(table, sys.stdout)
    else:
        _print_table(table)


def _print_table(table: pa.Table) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from strobe.rows import printable, text_of

    if table.column_names == ["explain_key", "explain_value"]:
        # A plan is a drawing: a table round it would break its lines.
        typer.echo("\n".join(str(plan) for plan in table["explain_value"].to_pylist()))
        return
    from pyarrow import types

    console = Console()
    if not _fits(table, console.width):
        _print_records(table)
        return
    shown = Table(show_edge=False, header_style="bold")
    for field in table.schema:
        number = types.is_integer(field.type) or types.is_floating(field.type) or types.is_decimal(field.type)
        shown.add_column(Text(printable(field.name)), justify="right" if number else "left", overflow="fold")
    for row in table.to_pylist():
        shown.add_row(*(Text(printable(text_of(value))) for value in row.values()))
    console.print(shown)


def _cells(table: pa.Table) -> list[list[str]]:
    """Every cell as text, row by row."""
    from strobe.rows import printable, text_of

    return [[printable(text_of(value)) for value in row.values()] for row in table.to_pylist()]


def _fits(table: pa.Table, width: int) -> bool:
    """Whether every column stands in `width` characters beside the others, unbroken."""
    from rich.cells import cell_len

    rows = [table.column_names, *_cells(table)]
    return sum(max(map(cell_len, column)) + 3 for column in zip(*rows, strict=True)) - 3 + 2 <= width


def _print_records(table: pa.Table) -> None:
    """One row a block, a line for each of its columns: what is wider than the terminal is read from top to bottom."""
    from strobe.rows import printable

    names = [printable(name) for name in table.column_names]
    wide = max(map(len, names), default=0)
    for number, row in enumerate(_cells(table), 1):
        typer.echo(f"-- row {number:,} of {table.num_rows:,}")
        for name, cell in zip(names, row, strict=True):
            typer.echo(f"{name:{wide}}  {cell}")
