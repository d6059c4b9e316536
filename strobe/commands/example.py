"""`strobe example`: remake the embedded run, or hide it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from strobe.commands.runs import StoreOption

_NAME, _STUDY = "grok-p97", "memorization-example"


def example(
    run: Annotated[
        Path | None, typer.Option("--from", help="A recorded run to embed; default: train --preset grok now.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder of the example; default examples/.")] = None,
    hide: Annotated[bool, typer.Option("--hide", help="Attach the example beside the store no longer.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Attach it again.")] = False,
    store: StoreOption = None,
) -> None:
    """Train the embedded examples for real (some minutes on a CPU), ingest them, and thin them into examples/."""
    from etl.errors import StrobeError
    from strobe.settings import store_path

    if hide or show:
        from etl.store.manage import hide_example

        if hide and show:
            raise StrobeError("give --hide or --show, not both")
        hide_example(store or store_path(), hidden=hide)
        typer.echo(f"the example is {'hidden' if hide else 'shown'} beside {store or store_path()}")
        return
    target = out if out is not None else Path(__file__).resolve().parents[2] / "examples"
    if run is not None:
        _embed(run, target)
        return
    with tempfile.TemporaryDirectory() as scratch:
        for name, train in ((_NAME, _train), (_STUDY, _study)):
            train(Path(scratch) / name)
            _embed(Path(scratch) / name, target)


def _train(folder: Path) -> None:
    from strobe.commands.train import modadd

    modadd(preset="grok", out=folder)


def _study(folder: Path) -> None:
    from strobe.studies.memorization.experiment import begin
    from strobe.studies.memorization.plan import plan_of

    begin(folder, plan_of("example", threads=1), resume=False).run(lambda *_: None)


def _embed(run: Path, target: Path) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from strobe.example import SNAPSHOTS, embed

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Thinning snapshots", total=SNAPSHOTS)
        size = embed(run, target, on_step=lambda _: bar.advance(task))
    typer.echo(f"{target}: {size / 1e6:.1f} MB")
