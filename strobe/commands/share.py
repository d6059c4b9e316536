"""`strobe share`: a folder with the app and some runs, that serves as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.errors import StrobeError
from strobe.commands.opening import find_run, refuse_damaged, store_at
from strobe.commands.output import print_json
from strobe.commands.runs import StoreOption
from strobe.commands.target import free, writing

if TYPE_CHECKING:
    from etl.store.catalogue import Store
    from etl.store.stored_run import StoredRun

_UNITS = {"": 1, "b": 1, "kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000}


def size_in_bytes(text: str) -> int:
    """ "25MB" as bytes. Raises StrobeError."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([a-z]{0,2})", text.strip().lower())
    if found is None or found[2] not in _UNITS:
        raise StrobeError(f"--max-size {text!r:.40} is no size; give a number and KB, MB or GB, as 25MB")
    return int(float(found[1]) * _UNITS[found[2]])


def share(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids, unique names, or folders.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder to make, or a share to make again.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Make one file instead, a report that opens offline.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --html if it is there.")] = False,
    max_size: Annotated[str, typer.Option("--max-size", help="What the whole folder may take.")] = "25MB",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be kept, and write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what share.json says.")] = False,
    store: StoreOption = None,
) -> None:
    """Make a folder that Streamlit Community Cloud serves as it is: the app, and these runs, thinned to fit.

    With --html one static file instead.
    """
    from rich.console import Console
    from rich.progress import Progress

    from strobe.share.bundle import share as make

    if (out is None) == (html is None):
        raise StrobeError("give either --out, for a folder with the app, or --html, for one file")
    limit, opened = size_in_bytes(max_size), store_at(store)
    found = list({run.id: run for run in (find_run(opened, name) for name in runs)}.values())
    for run in found:
        refuse_damaged(opened, run.id, sorted(run.pointer.tables))
    if html is not None:
        _write_html(opened, found, html, force)
        return
    assert out is not None
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Thinning", total=None)
        said = make(
            opened, found, out, limit, dry_run=dry_run, on_total=lambda total: bar.update(task, total=total),
            on_step=lambda: bar.advance(task),
        )  # fmt: skip
    if as_json:
        print_json({key: value for key, value in said.items() if key != "files"})
        return
    for run in said["runs"]:
        if run["outdated"]:
            typer.echo(
                f"strobe: run {run['run']} is shared without up-to-date rows of {', '.join(run['outdated'])}; "
                f"`strobe analyze {run['run']}` fills them", err=True,
            )  # fmt: skip
    for line in _lines(said):
        typer.echo(line)
    typer.echo(
        f"{'would take' if dry_run else str(out) + ':'} {said['size'] / 1e6:.1f} MB, content {said['content'][:16]}"
    )


def _write_html(store: Store, runs: Sequence[StoredRun], path: Path, force: bool) -> None:
    from etl.replacing import replacing_path
    from strobe.commands.share_html import html

    free(path, force)
    text = html(store, runs)
    with writing(path), replacing_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def _lines(said: dict[str, Any]) -> list[str]:
    lines = [f"the app: {said['app_bytes'] / 1e6:.1f} MB"]
    for run in said["runs"]:
        kept = run["snapshots"]
        lines.append(f"{run['run']}: {run['bytes'] / 1e6:.1f} MB")
        lines.append(f"  {len(kept['kept']):,} of {kept['of']:,} snapshots" + _reasons(run))
        for name, table in run["tables"].items():
            if table["rows"] < table["of_rows"]:
                lines.append(f"  {name}: {table['rows']:,} of {table['of_rows']:,} rows")
    return lines


def _reasons(run: dict[str, Any]) -> str:
    kept = run["snapshots"]
    parts = [f"{count} tensors as {kind}" for kind, count in kept.get("stored", {}).items()]
    parts += [f"without {', '.join(run['dropped'])}"] if run["dropped"] else []
    parts += [kept["reason"]] if "reason" in kept else []
    return "".join(f"; {part}" for part in parts)
