"""What `strobe ingest` says of the files that it is given, and what a person says of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from strobe.commands.output import print_json, visible

if TYPE_CHECKING:
    from etl.ingest.find import Found
    from etl.ingest.mapping import Given
    from etl.ingest.source import Recording

_MOST_NAMED = 5


def given_mapping(step: str | None, time: str | None, metrics: Sequence[str]) -> Given | None:
    """What the options say of a table's columns; None where they say nothing. Raises StrobeError for a metric that is
    not COLUMN=NAME."""
    from etl.errors import StrobeError
    from etl.ingest.mapping import Given

    roles = {role: name for role, name in (("step", step), ("time", time)) if name}
    names = {}
    for metric in metrics:
        column, equals, name = metric.partition("=")
        if not (column and equals and name):
            raise StrobeError(f"--metric {metric}: give COLUMN=NAME, as in --metric loss=train_loss")
        names[column] = name
    return Given(roles, names) if roles or names else None


def say_passed_over(found: Found) -> None:
    """A line on stderr about the files that no source knows, where there are any, and one for each that lies where a
    checkpoint would, with its reason."""
    if found.passed_over:
        count = len(found.passed_over)
        files = "file that is" if count == 1 else "files that are"
        typer.echo(
            f"passed over {count:,} {files} no log of a training: {visible(found.kinds_passed_over)}", err=True
        )
        for words in found.tables_passed_over:
            typer.echo(f"  {visible(words)}", err=True)
    reasons = list(found.reasons.items())
    for path, why in reasons[:_MOST_NAMED]:
        typer.echo(f"  {visible(path.name)} {why}", err=True)
    if len(reasons) > _MOST_NAMED:
        typer.echo(f"  and {len(reasons) - _MOST_NAMED:,} more of its kind", err=True)


def say_found(paths: Sequence[Path], given: Given | None, as_json: bool) -> None:
    """What an ingest of the paths would read. Raises StrobeError where that is nothing."""
    from etl.ingest.find import survey

    rows = []
    for path in paths:
        found = survey(path, given)
        say_passed_over(found)
        rows += [_row(recording) for recording in found.recordings]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        mapping = f" ({row['mapping']})" if row["mapping"] else ""
        typer.echo(f"{row['run']}: {row['format']}, {visible(row['path'])}{visible(mapping)}")


def _row(recording: Recording) -> dict[str, str]:
    from etl.errors import StrobeError

    try:
        run = recording.run_id
    except StrobeError as error:
        run = f"cannot be read: {error}"
    return {"run": run, "format": recording.source, "path": str(recording.path), "mapping": recording.said}
