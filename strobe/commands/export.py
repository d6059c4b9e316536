"""`strobe export`: movies of a run's inside, its numbers, and a snapshot's parameters for other tools."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etl.errors import StrobeError
from strobe.commands import opening
from strobe.commands.export_csv import csv
from strobe.commands.output import visible
from strobe.commands.runs import RunArgument, StoreOption
from strobe.commands.target import alone, free, writing

if TYPE_CHECKING:
    from strobe.charts.movie import KeptFrame
    from strobe.plot.movies import Movie, MovieRequest

app = typer.Typer(
    help="Movies of a run's inside, and its numbers and parameters for other tools.", no_args_is_help=True
)
app.command("csv")(csv)

SubjectArgument = Annotated[str, typer.Argument(metavar="SUBJECT", help="attention, embedding or weights.")]
TensorOption = Annotated[str | None, typer.Option(help="Which matrix or embedding; default fcw, wte.")]
LayerOption = Annotated[int, typer.Option(min=0, help="Layer of the matrix.")]
StepsOption = Annotated[str | None, typer.Option(help='Snapshots, as "0-1400/100,8000"; default all.')]
FpsOption = Annotated[float, typer.Option(min=0.5, max=60, help="Frames a second.")]
MetricOption = Annotated[str, typer.Option(help="Metric whose value is drawn on each frame.")]
SizeOption = Annotated[int, typer.Option(min=160, max=2000, help="Width in pixels.")]
OutOption = Annotated[Path | None, typer.Option(help="File to write; default RUN-SUBJECT[-TENSOR].KIND.")]
ForceOption = Annotated[bool, typer.Option(help="Replace the file if it is there.")]


@app.command()
def gif(
    subject: SubjectArgument, run: RunArgument, tensor: TensorOption = None, layer: LayerOption = 0,
    steps: StepsOption = None, fps: FpsOption = 8, metric: MetricOption = "val_loss", size: SizeOption = 480,
    out: OutOption = None, force: ForceOption = False, store: StoreOption = None,
) -> None:  # fmt: skip
    """A GIF that plays on its own."""
    from strobe.charts.movie import write_gif
    from strobe.plot.movies import MovieRequest

    movie = _movie(run, MovieRequest(subject, tensor, layer, metric, size), steps, store)
    _write(movie, _target(movie, out, "gif", force), lambda path, frames: write_gif(path, frames, fps, movie.title))


@app.command()
def mp4(
    subject: SubjectArgument, run: RunArgument, tensor: TensorOption = None, layer: LayerOption = 0,
    steps: StepsOption = None, fps: FpsOption = 12, metric: MetricOption = "val_loss", size: SizeOption = 640,
    out: OutOption = None, force: ForceOption = False, store: StoreOption = None,
) -> None:  # fmt: skip
    """An MP4 (H.264); needs `pip install 'strobe[movie]'`."""
    from strobe.charts.movie import write_mp4
    from strobe.plot.movies import MovieRequest

    try:
        import imageio_ffmpeg  # noqa: F401 (told before anything is drawn)
    except ModuleNotFoundError:
        raise StrobeError("MP4 needs imageio-ffmpeg: pip install 'strobe[movie]'; gif and html do without") from None
    movie = _movie(run, MovieRequest(subject, tensor, layer, metric, size), steps, store)
    _write(movie, _target(movie, out, "mp4", force), lambda path, frames: write_mp4(path, frames, fps, movie.title))


@app.command("html")
def html_page(
    subject: SubjectArgument, run: RunArgument, tensor: TensorOption = None, layer: LayerOption = 0,
    steps: StepsOption = None, fps: FpsOption = 8, metric: MetricOption = "val_loss", size: SizeOption = 560,
    out: OutOption = None, force: ForceOption = False, store: StoreOption = None,
) -> None:  # fmt: skip
    """One self-contained page with play and scrub."""
    from strobe.charts.movie import write_html
    from strobe.plot.movies import MovieRequest

    movie = _movie(run, MovieRequest(subject, tensor, layer, metric, size), steps, store)
    _write(movie, _target(movie, out, "html", force), lambda path, frames: write_html(path, frames, fps, movie.title))


@app.command()
def safetensors(
    run: RunArgument,
    step: Annotated[int, typer.Option(min=0, help="Step of the snapshot.")],
    out: OutOption = None,
    force: ForceOption = False,
    store: StoreOption = None,
) -> None:
    """The parameters of one snapshot as a .safetensors file."""
    from strobe.commands.safetensors_file import write_safetensors

    stored = opening.find_run(opening.store_at(store), run)
    snapshot = stored.at(step)
    names = [name for name in snapshot.names if name.startswith("params/")]
    if not names:
        raise StrobeError(f"run {visible(stored.id)} recorded no parameters (section params)")
    path = free(out or Path(f"{stored.id}-step-{step}.safetensors"), force)
    # Other programs will take these numbers for what they are, and nearly all bytes are read anyway.
    snapshot.verify()
    tensors = {name.partition("/")[2]: snapshot.values(name) for name in names}
    with writing(path):
        write_safetensors(path, tensors, {"run": stored.id, "step": str(step), "writer": "strobe"})
    typer.echo(f"{path}: {len(tensors)} tensors of step {step:,}")


def _movie(run: str, request: MovieRequest, steps: str | None, store: Path | None) -> Movie:
    from etl.run.schedule import parse_schedule
    from strobe.plot.movies import Movie
    from strobe.views.run_view import CatalogueTables, RunView

    opened = opening.store_at(store)
    view = RunView(CatalogueTables(opened.current(), str(opened.path)), opening.find_run(opened, run).id)
    movie = Movie(view, request, None if steps is None else parse_schedule(steps))
    for why in movie.left_out.values():
        typer.echo(f"strobe: left out: {visible(why)}", err=True)
    return movie


def _target(movie: Movie, out: Path | None, kind: str, force: bool) -> Path:
    tensor = f"-{movie.request.tensor}.{movie.request.layer}" if movie.request.tensor else ""
    return free(out or Path(f"{movie.run_id}-{movie.request.subject}{tensor}.{kind}"), force)


def _write(movie: Movie, path: Path, write: Callable[[Path, Iterable[KeptFrame]], int]) -> None:
    """Draw what is missing and write beside the target, then rename: an interrupted movie goes on where it was."""
    from rich.console import Console
    from rich.progress import track

    from etl.replacing import replacing_path
    from strobe.charts.movie import drawn

    kept = path.parent / f".{path.name}.{movie.fingerprint}.frames"
    console = Console(stderr=True)
    bar = iter(track(movie.steps, "frames", console=console, transient=True, disable=not console.is_terminal))
    next(bar, None)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path), writing(path):
        with replacing_path(path, fsync=False, suffix=path.suffix) as temporary:
            count = write(temporary, drawn(movie.steps, movie.draw, kept, lambda: next(bar, None)))
        shutil.rmtree(kept)
    typer.echo(f"{path}: {count} frames, {path.stat().st_size / 1e6:.1f} MB")
