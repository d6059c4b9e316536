"""`strobe study`: whole experiments, from training to a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etl.errors import StrobeError
from etl.replacing import replacing, write_all
from strobe.commands import opening
from strobe.commands import train_flags as flag
from strobe.commands.output import print_json, visible
from strobe.commands.runs import JsonOption, RunArgument, StoreOption
from strobe.commands.target import writing
from strobe.commands.train import need_torch

if TYPE_CHECKING:
    from etl.store.catalogue import Store
    from strobe.studies.memorization.experiment import Study
    from strobe.views.memorization import Study as MemorizationStudy

app = typer.Typer(help="Run a whole experiment: train, measure, test, report.", no_args_is_help=True)


@app.command()
def memorization(
    mode: flag.Mode = "quick",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; default $STROBE_RUNS/memorization-<mode>.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the study in --out, or begin it where none was begun.")
    ] = False,
    epochs: Annotated[str | None, flag.option("epochs", "study")] = None,
    passages: Annotated[int | None, flag.option("passages", "study")] = None,
    tokens: Annotated[int | None, flag.option("tokens", "study")] = None,
    seed: Annotated[int | None, flag.option("seed", "study")] = None,
    training: Annotated[str | None, flag.option("training", "study")] = None,
    model: Annotated[Path | None, flag.option("model", "study")] = None,
    layers: flag.Layers = None,
    heads: flag.Heads = None,
    width: flag.Width = None,
    lr: flag.Rate = None,
    batch_size: Annotated[int | None, flag.option("batch_size", "study")] = None,
    threshold: Annotated[float | None, flag.option("threshold", "study")] = None,
    device: flag.Device = None,
    threads: Annotated[int | None, flag.option("threads", "study")] = None,
    store: StoreOption = None,
) -> None:
    """Train on passages, measure what is reproduced and how layers compress it, and report what the data supports."""
    need_torch()
    from strobe.studies.memorization.experiment import begin
    from strobe.studies.memorization.plan import epochs_of, plan_of

    plan = plan_of(
        mode, epochs=epochs_of(epochs), passages=passages, longest=tokens, seed=seed, training=training,
        model=str(model) if model is not None else None, layers=layers, heads=heads, width=width, learning_rate=lr,
        batch_size=batch_size, threshold=threshold, device=device, threads=threads,
    )  # fmt: skip
    _carry_out(begin(_folder(out, mode), plan, resume=resume), store)


def _folder(out: Path | None, mode: str) -> Path:
    from strobe.settings import runs_path

    return out if out is not None else runs_path() / f"memorization-{mode}"


def _carry_out(study: Study, store: Path | None) -> None:
    from strobe.commands.progress import TrainingProgress
    from strobe.settings import store_path
    from strobe.studies.memorization.api import into_store

    plan = study.plan
    typer.echo(
        f"{plan.passages} passages, {study.passages.trained} of them to learn, epochs "
        f"{', '.join(map(str, plan.epochs))}, {study.total:,} updates, on {study.device} to {study.folder}"
    )
    with TrainingProgress(0, study.total, study.folder) as progress:
        end = study.run(progress.report)
    if end != "finished":
        typer.echo(f"{end}; continue with the same command and --resume")
        raise typer.Exit(130)
    run = into_store(study.folder, store if store is not None else store_path())
    typer.echo(f"{run}: measured at epochs {', '.join(map(str, plan.epochs))}")
    _write(store, run, study.folder / "report")
    typer.echo("look at it: strobe app")


@app.command()
def report(
    run: RunArgument,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the files; default ./<run>-report.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what a study found: report.md, summary.csv, and its six figures as PNG and PDF."""
    opened = opening.store_at(store)
    found = opening.find_run(opened, run)
    if as_json:
        print_json(list(_study(opened, found.id).findings))
        return
    _write(store, found.id, out if out is not None else Path(f"{found.id}-report"))


def _study(opened: Store, run: str) -> MemorizationStudy:
    from strobe.plot.request import Request
    from strobe.views.memorization import study

    shown = study(Request(opened, [run]).view())
    if shown is None:
        raise StrobeError(f"{run} is no memorization study; `strobe study memorization` makes one")
    return shown


def _write(store: Path | None, run: str, out: Path) -> None:
    from strobe.charts.export import csv, image
    from strobe.plot.figures import make
    from strobe.plot.memorization import FIGURES
    from strobe.plot.request import Request
    from strobe.views import memorization_report
    from strobe.views.memorization import summary

    opened = opening.store_at(store)
    shown = _study(opened, run)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        _put(out / "report.md", memorization_report.markdown(shown).encode())
        _put(out / "summary.csv", csv(summary(shown)))
        for name in FIGURES:
            try:
                figure = make(name, Request(opened, [run])).figure
            except StrobeError as error:
                typer.echo(f"strobe: not drawn: {name}: {visible(str(error))}", err=True)
                continue
            for kind in ("png", "pdf"):
                _put(out / f"{name}.{kind}", image(figure, kind))
    typer.echo(memorization_report.lead(shown))
    typer.echo(f"{out}: report.md, summary.csv and figures")


def _put(path: Path, data: bytes) -> None:
    with replacing(path) as descriptor:
        write_all(descriptor, data)
