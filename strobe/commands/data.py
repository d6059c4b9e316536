"""`strobe ingest`, `compact` and `doctor`: filling a store and keeping it well."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strobe.commands import opening
from strobe.commands.analyze import fill_again
from strobe.commands.output import print_json, visible
from strobe.commands.runs import JsonOption, StoreOption

if TYPE_CHECKING:
    from etl.ingest.load import IngestReport
    from etl.ingest.mapping import Given

_SHOWN = 20


def ingest(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Runs, logs, and folders that hold some; with --rebuild ids too."),
    ],
    store: StoreOption = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Snapshots to read at once.")] = 2,
    watch: Annotated[bool, typer.Option(help="Follow live runs until each has ended, or Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks with --watch.")] = 2.0,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make all tables again: of a run in the store, or of its folder.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be read, and read nothing.")] = False,
    step: Annotated[str | None, typer.Option(help="Of tables: the column or key that is the step.")] = None,
    time_field: Annotated[str | None, typer.Option("--time", help="Of tables: the one that is the time.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Of tables: COLUMN=NAME calls a metric by another name; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the store's tables up to date with runs and logs. Safe to repeat, to kill, and to run twice at once."""
    from etl.errors import StrobeError
    from strobe.commands.logs import given_mapping, say_found
    from strobe.settings import store_path

    if rebuild and watch:
        raise StrobeError("give --rebuild or --watch, not both")
    given = given_mapping(step, time_field, metric or [])
    if dry_run:
        say_found(paths, given, as_json)
        return
    target = store if store is not None else store_path()
    reports = _ingest_once(paths, target, jobs, rebuild, given)
    _say(reports, as_json)
    _say_lost_before(reports)
    _warn(target, reports)
    bad = [fill_again(target, report.run) for report in reports if rebuild]
    try:
        while watch and any(report.status in ("running", "unknown") for report in reports):
            time.sleep(every)
            reports = _ingest_once(paths, target, jobs, rebuild, given)
            _say([report for report in reports if report.changed], as_json)
            _warn(target, [report for report in reports if _may_be_news(report)])
    except KeyboardInterrupt:
        typer.echo("stopped watching; what was read stays", err=True)
    if not all(report.sound for report in reports) or any(bad):
        raise typer.Exit(1)


def _ingest_once(
    paths: list[Path], store: Path, jobs: int, rebuild: bool, given: Given | None = None
) -> list[IngestReport]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from etl.ingest.load import ingest as ingest_runs
    from etl.ingest.rebuild import rebuild as rebuild_run
    from etl.store.files import Files
    from strobe.commands.logs import say_passed_over

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, object] = {}

        def show(run: str, done: int, total: int) -> None:
            if run not in tasks:
                tasks[run] = bar.add_task(f"{run} snapshots", total=total)
            bar.update(tasks[run], completed=done)  # type: ignore[arg-type]

        if not rebuild:
            return ingest_runs(paths, store, jobs=jobs, progress=show, given=given, surveyed=say_passed_over)
        each = [rebuild_run(str(path), Files(store), jobs=jobs, progress=show) for path in paths]
        return [report for reports in each for report in reports]


def _say(reports: list[IngestReport], as_json: bool) -> None:
    if as_json:
        print_json([_plain(report) for report in reports])
        return
    for report in reports:
        news = f"{report.snapshots:,} snapshots, {report.metrics:,} metric values"
        same = {"damaged": "not brought up to date", "unread": "cannot be read"}.get(report.status, "nothing new")
        typer.echo(f"{report.run}: {news} added, {report.status}" if report.changed else f"{report.run}: {same}")
        if report.mapping and report.changed:
            typer.echo(f"  read with {visible(report.mapping)}", err=True)
        if report.restarts and report.changed:
            steps = ", ".join(f"{step:,}" for step in report.restarts[:_SHOWN])
            typer.echo(f"  begun again at step {steps}: from there on the later attempt counts", err=True)
        for loss in report.lost[:_SHOWN]:
            typer.echo(f"  left out {visible(loss.where)}: {visible(loss.reason)}", err=True)
        if len(report.lost) > _SHOWN:
            typer.echo(f"  and {len(report.lost) - _SHOWN:,} more", err=True)
        if report.torn:
            typer.echo(f"  {report.torn:,} bytes of a last line without its end wait for the rest of it", err=True)


def _say_lost_before(reports: list[IngestReport]) -> None:
    for report in reports:
        if report.lost_before:
            lines = f"{report.lost_before:,} line{'s' if report.lost_before > 1 else ''}"
            typer.echo(f"  {report.run}: an earlier ingest left out {lines}: the table imports names them", err=True)


def _warn(store: Path, reports: list[IngestReport]) -> None:
    """Says on stderr which tensors of the runs that grew are in trouble: a line a run, where there is any."""
    from etl.store.catalogue import Store
    from strobe.views.health import health
    from strobe.views.run_view import CatalogueTables

    grown = [report.run for report in reports if report.changed and report.status != "damaged"]
    if not grown:
        return
    tables = CatalogueTables(Store(store).current())
    for run in grown:
        state = health(tables, run)
        # A log has no tensors: of it that alone is news.
        if said := state.sentence() if state.troubled else state.first_nonfinite.sentence():
            typer.echo(f"  {run}: {said} `strobe show {run}`", err=True)


def _may_be_news(report: IngestReport) -> bool:
    """Whether what is said of a run's health can be another than at the look before."""
    return bool(report.snapshots or report.nonfinite or report.restarts)


def _plain(report: IngestReport) -> dict[str, Any]:
    counts = {name: getattr(report, name) for name in ("snapshots", "metrics", "changed", "status", "lost_before")}
    bad = [[loss.where, loss.reason] for loss in report.lost]
    return {"run": report.run, "folder": str(report.path), **counts, "bad": bad}


def compact(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Ids; default every run.")] = None,
    store: StoreOption = None,
) -> None:
    """Merge the many small files of runs that were ingested in small steps. No row changes."""
    from etl.store.compact import compact as compact_run
    from etl.store.files import Files
    from etl.store.store_file import check_store
    from strobe.settings import store_path

    target = store if store is not None else store_path()
    check_store(Files(target))
    opened = opening.store_at(target)
    names = [opening.find_run(opened, run).id for run in runs] if runs else Files(target).names("runs")
    saved = {name: compact_run(target, name) for name in names}
    for name, count in saved.items():
        typer.echo(f"{name}: {count:,} fewer files" if count else f"{name}: compact already")
    if not names:
        typer.echo(f"{target} holds no runs")


def doctor(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Check the store (every file's CRC), the packages and the environment; exit 1 when something is wrong."""
    from strobe.doctor import examine

    findings = examine(store)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            mark = {"ok": "ok  ", "note": "note", "bad": "BAD "}[finding.level]
            typer.echo(f"{mark} {finding.what}{'; ' + finding.remedy if finding.remedy else ''}")
    if any(finding.level == "bad" for finding in findings):
        sys.exit(1)
