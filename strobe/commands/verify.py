"""`strobe verify`: read every byte of a run's snapshots and say which are sound."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strobe.commands import opening

if TYPE_CHECKING:
    from etl.run.verify import Finding


def _folder(run: str, store: Path | None) -> Path:
    """RUN is the folder of a run, a checkpoint, or the id or unique name of one in the store."""
    if Path(run).exists():
        return Path(run)
    from etl.errors import StrobeError

    folder = opening.store_at(store).run(run).folder
    if folder is None:
        raise StrobeError(f"run {run!r} has no snapshots on this machine; only its tables are in the store")
    return folder


def _with_progress(findings: Iterable[Finding], total: int, quiet: bool) -> list[Finding]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    words = "Reading every byte"
    return list(track(findings, words, total=total, console=console, transient=True, disable=hidden))


def _report(findings: list[Finding]) -> None:
    for finding in findings:
        if finding.status == "bad":
            typer.echo(f"bad      {finding.reason}")
        elif finding.reason:
            typer.echo(f"{finding.status:8} {finding.name}: {finding.reason}")
    sound = [finding for finding in findings if finding.step is not None and finding.status == "ok"]
    bad = sum(finding.status == "bad" for finding in findings)
    size = sum(finding.bytes for finding in sound)
    typer.echo(f"{len(sound):,} snapshots verified ({size / 1e6:,.1f} MB), {bad:,} bad")


def verify(
    run: Annotated[str, typer.Argument(help="Id, unique name, or folder of a run.", metavar="RUN")],
    store: Annotated[Path | None, typer.Option(help="Store to look the run up in.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array of findings.")] = False,
) -> None:
    """Check every snapshot of a run against its CRC; exit 1 when one is bad, and name it."""
    from etl.checkpoints.run import CheckpointRun, open_run
    from etl.checkpoints.verify import verify_checkpoints
    from etl.run.verify import verify_run

    recorded = open_run(_folder(run, store))
    of_it = verify_checkpoints(recorded) if isinstance(recorded, CheckpointRun) else verify_run(recorded.folder)
    findings = _with_progress(of_it, len(recorded.files()), as_json)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    else:
        _report(findings)
    if any(finding.status == "bad" for finding in findings):
        raise typer.Exit(1)
