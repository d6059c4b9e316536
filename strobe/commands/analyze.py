"""`strobe analyze`: filling the derived tables of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from strobe.commands import opening
from strobe.commands.output import print_json, visible
from strobe.commands.runs import JsonOption, RunArgument, StoreOption

if TYPE_CHECKING:
    from pathlib import Path

    from strobe.derive.filling.deriver import Deriver
    from strobe.derive.filling.report import Report


def analyze(
    run: RunArgument,
    only: Annotated[
        str | None, typer.Option(help="Some of the derived tables, as spectra,fourier; default all.")
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(help='Snapshots to analyse, as "0-1400/100,8000": ranges with a stride, single steps.'),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute the tables behind the pages inside the model: only what is missing or out of date."""
    from strobe.derive.filling.deriver import Deriver

    opened = opening.store_at(store)
    report = _fill(Deriver(opened, opening.find_run(opened, run)), _tables(only), _steps(steps))
    if as_json:
        print_json([vars(report)])
    else:
        _say(report)
    if report.bad:
        raise typer.Exit(1)


def fill_again(store: Path, run: str) -> bool:
    """Fill the derived tables that a run had before it was made again; whether any of it could not be read."""
    from strobe.derive.filling.deriver import Deriver
    from strobe.derive.registry import ANALYSES

    opened = opening.store_at(store)
    found = opening.find_run(opened, run)
    derived = found.pointer.state.get("derived")
    had = [table for table in ANALYSES if isinstance(derived, dict) and table in derived]
    if not had or found.folder is None:
        return False
    report = _fill(Deriver(opened, found), had, None)
    _say(report)
    return bool(report.bad)


def _tables(only: str | None) -> list[str]:
    from etl.errors import StrobeError
    from strobe.derive.registry import ANALYSES

    names = [name.strip() for name in only.split(",")] if only else list(ANALYSES)
    for name in names:
        if name not in ANALYSES:
            raise StrobeError(f"there is no analysis {visible(name)!r}; there are {', '.join(ANALYSES)}")
    return names


def _steps(text: str | None) -> list[int] | None:
    from etl.run.schedule import parse_schedule

    return None if text is None else parse_schedule(text)


def _fill(deriver: Deriver, tables: list[str], steps: list[int] | None) -> Report:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from etl.errors import StrobeError

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("snapshots", total=None)
        deriver.progress = lambda _, done, total: bar.update(task, completed=done, total=total)
        try:
            return deriver.fill(tables, steps)
        except PermissionError as error:
            raise StrobeError(
                f"the store cannot be written ({error}); copy it, or ingest the run elsewhere"
            ) from None


_REASONS = 3
"""Of the rows without a value: as many are told, the most frequent ones."""


def _nulls(report: Report, table: str) -> str:
    """How many rows of a table have no value, and why; empty where all have one."""
    found = report.nulls.get(table)
    if found is None:
        return ""
    reasons = [f"{visible(why)} ({n:,})" for why, n in found["reasons"].items()]
    more = f"; and {len(reasons) - _REASONS:,} reasons more" if len(reasons) > _REASONS else ""
    return f"; NULL in {found['null']:,} of {found['rows']:,} rows: {'; '.join(reasons[:_REASONS])}{more}"


def _say(report: Report) -> None:
    from strobe.derive.registry import ANALYSES

    for table, count in report.computed.items():
        said = "up to date" if table in report.current else f"{count:,} {ANALYSES[table].unit}"
        typer.echo(f"{report.run} {table}: {said}{_nulls(report, table)}")
    for table, count in report.dropped.items():
        typer.echo(f"{report.run} {table}: {count:,} steps that a later attempt replaced were removed")
    for table, reason in report.skipped.items():
        typer.echo(f"{report.run} {table}: left empty: {visible(reason)}")
    for what, reason in report.lacking:
        typer.echo(f"  no rows of {visible(what)}: {visible(reason)}")
    for what, reason in report.bad:
        typer.echo(f"  left out {visible(what)}: {visible(reason)}", err=True)
