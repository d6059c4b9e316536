"""`strobe runs`: the list of runs, found and sorted as the app does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from strobe.commands import opening
from strobe.commands.output import print_json, print_table, visible
from strobe.commands.runs import JsonOption, StoreOption

if TYPE_CHECKING:
    from strobe.views.run_list import Listing
    from strobe.views.run_values import Values

_SHOWN = (
    "run", "task", "status", "steps", "parameters", "train_loss", "val_loss", "val_accuracy", "grokking", "onset",
    "created",
)  # fmt: skip
_STORED = ("run", "name", "task", "status", "steps", "n_params", "created_at", "n_layer", "device")


def runs(
    store: StoreOption = None,
    condition: Annotated[
        str, typer.Option("--filter", help="A condition, as \"lr > 1e-3 and status = 'finished'\".")
    ] = "",
    sort: Annotated[
        str, typer.Option(help="The column to sort by; -COLUMN: the greatest first. What is blank stands last.")
    ] = "",
    columns: Annotated[
        str, typer.Option(help="Columns, with commas between: facts, settings, metrics, min(val_loss), ...")
    ] = "",
    archived: Annotated[bool, typer.Option("--archived", help="The archived runs too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the runs in the store, newest first."""
    from strobe.views.run_list import NEWEST, Wanted, listed
    from strobe.views.run_values import AllRuns, Values

    opened = opening.store_at(store)
    values = Values(AllRuns(opened.current()))
    chosen = tuple(name.strip() for name in columns.split(",") if name.strip())
    shown = ("run", *(name for name in chosen if name != "run")) if chosen else _SHOWN
    found = listed(values, Wanted("", condition, sort or NEWEST, shown, "", archived, None))
    if as_json:
        print_json(_plain(values, found, chosen))
    elif not values.rows:
        typer.echo(
            f"{opened.path} is empty; fill it with `strobe ingest FOLDER`, or begin with `strobe train modadd`"
        )
    else:
        _print(found)


def _print(found: Listing) -> None:
    from strobe.views.run_cells import cell, is_numeric

    rows = list(found.rows)
    headings = [column.name.replace("_", " ") if column.of != "config" else column.name for column in found.columns]
    headings = ["age" if heading == "created" else heading for heading in headings]
    right = [name for name, column in zip(headings, found.columns, strict=True) if is_numeric(column, rows)]
    print_table(headings, [[visible(cell(column, row)) for column in found.columns] for row in rows], numeric=right)
    if found.archived:
        typer.echo(f"{found.archived:,} archived runs are left out; --archived lists them", err=True)


def _plain(values: Values, found: Listing, chosen: tuple[str, ...]) -> list[dict[str, Any]]:
    """One object a run: what the table says by default, and the columns that were asked for."""
    from strobe.views.run_columns import resolve

    ids = list(found.found)
    metrics = {name: values.of(resolve(name, ()), ids) for name in ("train_loss", "val_loss", "val_accuracy")}
    onsets, since = values.source.onsets(ids), values.diverged(ids)
    rows = []
    for run, row in zip(ids, found.rows, strict=True):
        said = values.said[run]
        rows.append(
            {name: values.rows[run][name] for name in _STORED}
            | {name: of[run] for name, of in metrics.items()}
            | {"grokking": str(onsets[run].answer), "grokking_onset": onsets[run].step, "diverged_at": since.get(run)}
            | {"tags": list(said.tags), "note": said.note, "archived": said.archived}
            | {name: row["values"][name] for name in chosen if name not in _STORED}
        )
    return rows
