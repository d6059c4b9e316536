"""`strobe export`: movies of a run's inside, and a snapshot's parameters for other tools."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.errors import StrobeError
from strobe.commands.output import visible
from strobe.commands.runs import RunArgument, StoreOption, find_run

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from etl.run import Run
    from etl.snapshot import Snapshot
    from etl.store import Store, StoredRun

app = typer.Typer(help="Movies of a run's inside, and parameters for other tools.", no_args_is_help=True)

SUBJECTS = ("attention", "embedding", "weights")
SubjectArgument = Annotated[str, typer.Argument(metavar="SUBJECT", help="attention, embedding or weights.")]
TensorOption = Annotated[str | None, typer.Option(help="Which matrix or embedding; default fcw, wte.")]
LayerOption = Annotated[int, typer.Option(min=0, help="Layer of the matrix.")]
StepsOption = Annotated[str | None, typer.Option(help='Snapshots, as "0-1400/100,8000"; default all.')]
FpsOption = Annotated[float, typer.Option(min=0.5, max=60, help="Frames a second.")]
MetricOption = Annotated[str, typer.Option(help="Metric whose value is drawn on each frame.")]
SizeOption = Annotated[int, typer.Option(min=160, max=2000, help="Width in pixels.")]
OutOption = Annotated[Path | None, typer.Option(help="File to write; default RUN-SUBJECT.KIND.")]
ForceOption = Annotated[bool, typer.Option(help="Replace the file if it is there.")]


@app.command()
def gif(
    subject: SubjectArgument, run: RunArgument, tensor: TensorOption = None, layer: LayerOption = 0,
    steps: StepsOption = None, fps: FpsOption = 8, metric: MetricOption = "val_loss", size: SizeOption = 480,
    out: OutOption = None, force: ForceOption = False, store: StoreOption = None,
) -> None:  # fmt: skip
    """A GIF that plays on its own."""
    from strobe.charts.movie import write_gif

    movie = _Movie(subject, run, tensor, layer, steps, metric, size, store)
    _write(movie, _target(movie, out, "gif", force), lambda path, frames: write_gif(path, frames, fps))


@app.command()
def mp4(
    subject: SubjectArgument, run: RunArgument, tensor: TensorOption = None, layer: LayerOption = 0,
    steps: StepsOption = None, fps: FpsOption = 12, metric: MetricOption = "val_loss", size: SizeOption = 640,
    out: OutOption = None, force: ForceOption = False, store: StoreOption = None,
) -> None:  # fmt: skip
    """An MP4 (H.264); needs `pip install 'strobe[movie]'`."""
    from strobe.charts.movie import write_mp4

    try:
        import imageio_ffmpeg  # noqa: F401 (told before anything is drawn)
    except ModuleNotFoundError:
        raise StrobeError("MP4 needs imageio-ffmpeg: pip install 'strobe[movie]'; gif and html do without") from None
    movie = _Movie(subject, run, tensor, layer, steps, metric, size, store)
    _write(movie, _target(movie, out, "mp4", force), lambda path, frames: write_mp4(path, frames, fps))


@app.command("html")
def html_page(
    subject: SubjectArgument, run: RunArgument, tensor: TensorOption = None, layer: LayerOption = 0,
    steps: StepsOption = None, fps: FpsOption = 8, metric: MetricOption = "val_loss", size: SizeOption = 560,
    out: OutOption = None, force: ForceOption = False, store: StoreOption = None,
) -> None:  # fmt: skip
    """One self-contained page with play and scrub."""
    from strobe.charts.movie import write_html

    movie = _Movie(subject, run, tensor, layer, steps, metric, size, store)
    title = f"{movie.stored.id}: {movie.what}"
    _write(movie, _target(movie, out, "html", force), lambda path, frames: write_html(path, frames, fps, title))


@app.command()
def safetensors(
    run: RunArgument,
    step: Annotated[int, typer.Option(min=0, help="Step of the snapshot.")],
    out: OutOption = None,
    force: ForceOption = False,
    store: StoreOption = None,
) -> None:
    """The parameters of one snapshot as a .safetensors file."""
    from strobe.charts.tensors_file import write_safetensors
    from strobe.settings import open_store

    stored = find_run(open_store(store), run)
    snapshot = stored.at(step)
    names = [name for name in snapshot.names if name.startswith("params/")]
    if not names:
        raise StrobeError(f"run {visible(stored.id)} recorded no parameters (section params)")
    path = _free(out or Path(f"{stored.id}-step-{step}.safetensors"), force)
    tensors = {name.partition("/")[2]: snapshot.values(name) for name in names}
    write_safetensors(path, tensors, {"run": stored.id, "step": str(step), "writer": "strobe"})
    typer.echo(f"{path}: {len(tensors)} tensors of step {step:,}")


def _free(path: Path, force: bool) -> Path:
    if path.exists() and not force:
        raise StrobeError(f"{path} is there already; give another --out, or --force to replace it")
    return path


def _target(movie: _Movie, out: Path | None, kind: str, force: bool) -> Path:
    return _free(out or Path(f"{movie.stored.id}-{movie.subject}.{kind}"), force)


def _write(movie: _Movie, path: Path, write: Callable[[Path, list[Image]], None]) -> None:
    """Draw what is missing, write beside the target, rename: an interrupted movie goes on where it was."""
    from rich.console import Console
    from rich.progress import track

    from strobe.charts.movie import drawn

    kept = path.parent / f".{path.name}.{movie.fingerprint}.frames"
    console = Console(stderr=True)
    bar = iter(track(movie.steps, "frames", console=console, transient=True, disable=not console.is_terminal))
    next(bar, None)
    frames = drawn(movie.steps, movie.draw, kept, lambda: next(bar, None))
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    write(temporary, frames)
    temporary.replace(path)
    shutil.rmtree(kept)
    typer.echo(f"{path}: {len(frames)} frames, {path.stat().st_size / 1e6:.1f} MB")


class _Movie:
    """What is to be drawn: fixed axes and one scale over all steps, from a first pass over the snapshots."""

    def __init__(
        self, subject: str, run: str, tensor: str | None, layer: int, steps: str | None, metric: str, size: int,
        store: Path | None,
    ) -> None:  # fmt: skip
        from strobe.settings import open_store

        if subject not in SUBJECTS:
            raise StrobeError(f"there is no movie of {visible(subject)!r}; there are {', '.join(SUBJECTS)}")
        opened = open_store(store)
        self.stored, self.subject, self.layer, self.size = find_run(opened, run), subject, layer, size
        self.run = _snapshots(self.stored)
        self.paths = self.run.current()
        self.steps = _chosen(list(self.paths), steps)
        default = {"attention": "attention/att", "embedding": "params/wte", "weights": "params/fcw"}[subject]
        self.tensor = f"params/{tensor}" if tensor and subject != "attention" else default
        self.metric, self.values = metric, _metric(opened, self.stored.id, metric)
        self.what = f"{self.tensor.partition('/')[2]}" + (f", layer {layer}" if subject == "weights" else "")
        self._check()
        self._prepare()

    @property
    def fingerprint(self) -> str:
        """Of everything that a frame depends on: kept frames of another movie are not taken for this one's."""
        what = [self.stored.id, self.subject, self.tensor, self.layer, self.size, self.metric, self.steps, self.reach]
        crcs = [self._at(step).payload_crc for step in self.steps]
        return hashlib.sha256(json.dumps([*what, crcs]).encode()).hexdigest()[:12]

    def _check(self) -> None:
        names = {tensor["name"] for tensor in self.run.manifest.raw["snapshot"]["tensors"]}
        if self.tensor not in names:
            there = ", ".join(sorted(name.partition("/")[2] for name in names if name.startswith("params/"))[:12])
            raise StrobeError(f"the snapshots have no {self.tensor}; there are {there or 'no parameters'}")
        shape = self._at(self.steps[0]).spec(self.tensor)["shape"]
        fitting = {"attention": (5,), "embedding": (2,), "weights": (2, 3)}[self.subject]
        if len(shape) not in fitting:
            raise StrobeError(f"{self.tensor} has shape {shape}: it cannot be drawn as {self.subject}")
        if self.subject == "weights" and len(shape) == 3 and self.layer >= shape[0]:
            raise StrobeError(f"{self.tensor} has {shape[0]} layers; --layer counts from 0")

    def _at(self, step: int) -> Snapshot:
        return self.run.open(self.paths[step])

    def _prepare(self) -> None:
        """Axes and scale that stay the same for the whole movie."""
        import numpy as np

        from strobe.analysis.projection import principal_axes, project

        self.axes: np.ndarray[Any, Any] | None = None
        self.reach = 1.0
        if self.subject == "embedding":
            self.axes = principal_axes(self._values(self.steps[-1]))
            seen = [np.abs(project(self._values(step), self.axes)).max(initial=0) for step in self.steps]
            self.reach = float(max(seen)) * 1.05 or 1.0
        elif self.subject == "weights":
            finite = [np.abs(values[np.isfinite(values)]) for values in map(self._values, self.steps)]
            self.reach = float(max(np.quantile(part, 0.999) if part.size else 0 for part in finite)) or 1.0

    def _values(self, step: int) -> np.ndarray[Any, Any]:
        import numpy as np

        from strobe.charts.binning import binned

        whole = np.asarray(self._at(step).values(self.tensor), np.float32)
        if self.subject == "attention":
            return np.asarray(whole.mean(axis=1))
        if self.subject == "weights":
            return binned(whole[self.layer] if whole.ndim == 3 else whole)[0]
        return whole[:2048]

    def draw(self, step: int) -> Image:
        """The picture of one step."""
        from strobe.analysis.projection import project
        from strobe.charts import movie

        value = self.values.get(step)
        words = f"{self.stored.id}   step {step:,}" + (f"   {self.metric} {value:.3g}" if value is not None else "")
        values = self._values(step)
        if self.subject == "attention":
            return movie.attention_frame(values, words, self.size)
        if self.axes is None:
            return movie.matrix_frame(values, self.reach, words, self.size)
        labels = [str(k) for k in range(len(values))]
        return movie.embedding_frame(project(values, self.axes), self.reach, labels, words, self.size)


def _snapshots(stored: StoredRun) -> Run:
    from etl.run import Run

    if stored.folder is None:
        raise StrobeError(f"run {visible(stored.id)} has no snapshots on this machine; its tables are here")
    return Run(stored.folder)


def _chosen(there: list[int], steps: str | None) -> list[int]:
    from strobe.train.schedule import parse_schedule

    wanted = there if steps is None else [step for step in parse_schedule(steps) if step in set(there)]
    if not wanted:
        around = f"from {there[0]:,} to {there[-1]:,}" if there else "none at all"
        raise StrobeError(f"no snapshot to draw at those steps; the run has {len(there):,}: {around}")
    return wanted


def _metric(store: Store, run: str, metric: str) -> dict[int, float]:
    rows = store.sql("SELECT step, value FROM scalars WHERE run = $1 AND name = $2", [run, metric])
    return dict(zip(rows["step"].to_pylist(), rows["value"].to_pylist(), strict=True))
