"""`strobe show`, `rm` and `rename`: one run of a store."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strobe.commands import opening
from strobe.commands.output import print_json, print_table, terminal_number, visible

if TYPE_CHECKING:
    from etl.store.catalogue import Catalogue, Store
    from etl.store.stored_run import StoredRun
    from strobe.analysis.onset_answer import Onset

StoreOption = Annotated[
    Path | None, typer.Option("--store", help="The store; default $STROBE_STORE, else ./store.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_WIDE = 30
"""Characters of a name that others are put in line with."""
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id, unique name, or folder of a run.")]


def _verdict(onset: Onset) -> dict[str, Any]:
    """The answer to whether a run grokked, as columns."""
    return {"grokking": str(onset.answer), "grokking_onset": onset.step}


def show(run: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Everything about one run: its configuration, attempts, snapshots and metrics, and whether the two agree."""

    from strobe.views.run_facts import told

    opened = opening.store_at(store)
    found = opening.find_run(opened, run)
    facts = _facts(opened, found)
    if as_json:
        print_json(facts)
        return
    known = told(_said(found.row, facts["metrics"]), facts["diverged_at"], facts["annotations"], facts["losses"])
    wide = max(16, *(len(name) for name, _ in known if len(name) <= _WIDE))
    for name, words in known:
        typer.echo(f"{visible(name):{wide}} {visible(words)}")
    if again := [f"{each['first_step']:,}" for each in facts["attempts"][1:]]:
        typer.echo(f"{'begun again':16} at step {', '.join(again)}: from there on the later attempt counts")
    steps = facts["snapshot_steps"]
    where = f" from step {steps[0]:,} to {steps[-1]:,}" if steps else ""
    made = f". {facts['origin']}" if facts["origin"] else ""
    typer.echo(f"{'snapshots':16} {len(steps):,} on this machine{where}{made}")
    for bad in facts["snapshots_damaged"]:
        typer.echo(f"{'damaged':16} step {bad['step']:,}: {visible(bad['reason'])}")
    if facts["loss_check"]["sentence"]:
        typer.echo(f"{'loss check':16} {visible(facts['loss_check']['sentence'].removeprefix('Loss check: '))}")
    typer.echo(f"{'health':16} {visible(facts['health']['sentence'].removeprefix('Health: '))}")
    if facts["cost"]:
        typer.echo(f"{'mfu':16} {visible(facts['cost'].removeprefix('MFU: '))}")
    for words in ("sentence", "rules"):
        if facts["milestones"][words]:
            typer.echo(f"\n{visible(facts['milestones'][words])}")
    typer.echo("")
    columns = ["metric", "unit", "n", "last", "min", "at step", "max", "at step", "non-finite"]
    print_table(columns, [_metric_cells(row) for row in facts["metrics"]], numeric=columns[2:])
    _say_changes(opened, found)


def _said(stored: dict[str, Any], metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """The run's row for people: how many tokens are optimal only where it learns from tokens."""
    row = dict(stored)
    counted = any(metric["name"] == "tokens_seen" for metric in metrics)
    if not (counted or row["tokens_per_step"] or row["vocab_size"]):
        row["optimal_tokens"] = None
    return row


def _say_changes(store: Store, run: StoredRun) -> None:
    """The changes of the run's series, where they have been looked for."""
    from strobe.views.run_view import CatalogueTables, RunView
    from strobe.views.transitions import RULE, cells, transitions

    found = transitions(RunView(CatalogueTables(store.current()), run.id))
    if not found.answer.table.num_rows:
        typer.echo(f"\nchanges: not looked for yet; `strobe analyze {run.id} --only transitions` does")
        return
    typer.echo(f"\n{found.sentence()}\n{RULE}")
    if found.changes:
        columns = ["series", "change", "95% interval", "effect", "in sd", "p"]
        print_table(columns, [cells(row) for row in found.changes], numeric=columns[3:])


def _metric_cells(row: dict[str, Any]) -> list[str]:
    keys = ("n", "last_value", "min", "min_step", "max", "max_step", "nonfinite")
    return [row["name"], row["unit"] or "", *[terminal_number(row[key]) for key in keys]]


def _facts(store: Store, run: StoredRun) -> dict[str, Any]:
    from strobe.views.cost import cost
    from strobe.views.health import health
    from strobe.views.loss_check import finding
    from strobe.views.recording import losses, origin
    from strobe.views.run_values import AllRuns, Values
    from strobe.views.run_view import CatalogueTables, RunView

    row = dict(run.row)
    for key in ("config", "reduced"):
        row[key] = json.loads(row[key]) if row[key] else None
    catalogue = store.current()
    tables = CatalogueTables(catalogue, str(store.path))
    checked, learns = finding(tables, run.id), health(tables, run.id)
    attempts = catalogue.query("SELECT * EXCLUDE run FROM attempts WHERE run = $1 ORDER BY attempt", [run.id])
    metrics = catalogue.query("SELECT * EXCLUDE run FROM metrics WHERE run = $1 ORDER BY name", [run.id])
    transitions = catalogue.query(
        "SELECT * EXCLUDE run FROM transitions WHERE run = $1 ORDER BY step, series", [run.id]
    )
    said = catalogue.annotations()[run.id]
    return {
        "run": row,
        "annotations": {"tags": list(said.tags), "note": said.note, "archived": said.archived},
        "diverged_at": Values(AllRuns(catalogue)).diverged([run.id]).get(run.id),
        "attempts": attempts.to_pylist(),
        "metrics": metrics.to_pylist(),
        "transitions": transitions.to_pylist(),
        "snapshot_steps": run.steps(),
        "snapshots_damaged": [{"step": step, "reason": why} for step, why in run.damaged().items()],
        "losses": losses(RunView(CatalogueTables(catalogue), run.id)),
        "origin": origin(RunView(CatalogueTables(catalogue), run.id)),
        "cost": cost(RunView(tables, run.id)).sentence(),
        "loss_check": {
            "sentence": checked.sentence() or _refusal(run),
            "compared": checked.compared,
            "disagreements": [vars(each) for each in checked.disagreements],
        },
        "health": {"sentence": learns.sentence(), "alerts": [vars(alert) for alert in learns.alerts]},
        "milestones": _milestones(catalogue, run.id),
    }


def _refusal(run: StoredRun) -> str:
    """Why the losses of a run that adds modulo p cannot be checked; empty where nothing speaks against it."""
    from strobe.derive.filling.staleness import why_never

    why = why_never(run, "loss_check") if run.row["task"] == "modular_addition" else ""
    return f"Loss check: cannot be done: {why}." if why else ""


def _milestones(catalogue: Catalogue, run: str) -> dict[str, Any]:
    from strobe.views.milestones import milestones
    from strobe.views.run_view import CatalogueTables

    found = milestones(CatalogueTables(catalogue), run)
    assert found.onset is not None
    return {
        "sentence": found.sentence(), "rules": found.rules(), **_verdict(found.onset),
        "training_set_known": found.onset.fitted, "relapses": list(found.onset.relapses),
        "test_loss_peak": found.peak and found.peak.step,
    }  # fmt: skip


def rm(
    run: RunArgument,
    store: StoreOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a run's tables from the store, damaged ones too. The folder that it was recorded to stays."""
    from etl.store.manage import hide_example, remove_run
    from strobe.settings import example_path, store_path

    files, name, folder = opening.find_remains(opening.store_at(store), run)
    example = example_path()
    if example is not None and files.local == example:
        hide_example(store or store_path())
        typer.echo(f"{name} is the example: it is hidden from this store; `strobe example --show` brings it back")
        return
    if not yes:
        _say_what_goes(opening.store_at(store), name)
        typer.confirm(f"Remove the tables of {name} from {store or store_path()}?", abort=True)
    count = remove_run(files, name)
    kept = f"; its snapshots stay in {folder}" if folder is not None else ""
    opening.forget()
    typer.echo(f"removed {name} ({count} files){kept}")


def _say_what_goes(store: Store, run: str) -> None:
    from etl.errors import StrobeError
    from strobe.views.annotating import what_goes

    # Of a damaged run it is not known.
    with contextlib.suppress(StrobeError):
        found = store.run(run)
        typer.echo(what_goes([found.pointer], [found.folder]))


def writable(run: StoredRun) -> None:
    """Raises StrobeError for the example, which is not to be changed."""
    from etl.errors import StrobeError
    from strobe.settings import example_path

    if run.files.local is not None and run.files.local == example_path():
        raise StrobeError(f"{run.id} is the example, which is read-only")


def rename(
    run: RunArgument,
    name: Annotated[str, typer.Argument(help="The name to show. The id stays, so that links keep working.")],
    store: StoreOption = None,
) -> None:
    """Give a run another name."""
    from etl.store.manage import rename_run

    found = opening.find_run(opening.store_at(store), run)
    writable(found)
    rename_run(found.files, found.id, name)
    typer.echo(f"{found.id} is now named {name}")
