"""What a panel, a movie and a printed sheet of the embedded run cost the server: `python bench/panels.py`.

Panels are timed from the snapshots on disk to the bytes that travel to the browser, with nothing cached by the app.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bars import said

import strobe
from strobe.charts import movie
from strobe.charts.export import image
from strobe.charts.movie_frames import Words, embedding_frame, matrix_frame
from strobe.plot.figures import make
from strobe.plot.request import Request
from strobe.ui.shell.cache import shared
from strobe.ui.weights import kept
from strobe.views import attention_frames
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import CatalogueTables, RunView

RUN = "grok-p97"
FRAMES = 50


def best_ms(work: Callable[[], Any], repeats: int = 5) -> float:
    """The least milliseconds of several calls after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times)


def panels() -> bool:
    """The frames of all snapshots, past the app's cache."""
    catalogue = strobe.open().current()
    matrix = WeightMatrix("fcw", 0, (512, 128))
    view = RunView(CatalogueTables(catalogue, "bench"), RUN, tuple(catalogue.run(RUN).steps()))

    def weights(steps: Sequence[int]) -> None:
        shared().clear()
        kept.matrix_frames(view, matrix, steps)

    def heads() -> None:
        attention_frames.frames(view, view.steps, False)

    good = said("attention, every snapshot", best_ms(heads), 100, "ms")
    good = said("a weight matrix, the asked snapshot", best_ms(lambda: weights(view.steps[-1:])), 100, "ms") and good
    return said("a weight matrix, every snapshot", best_ms(lambda: weights(view.steps)), 100, "ms") and good


def movies(folder: Path) -> bool:
    """From the frames' data to the file, no frame kept from before: an embedding, and the matrix that fills a frame
    with noise."""
    random = np.random.default_rng(0)
    points, weights = random.normal(size=(FRAMES, 98, 2)), random.normal(size=(FRAMES, 171, 128))
    labels, words = [*map(str, range(97)), "="], Words("step", "about")
    subjects: dict[str, Callable[[int], Any]] = {
        "embedding": lambda k: embedding_frame(points[k], 4.0, labels, words, 480),
        "weights": lambda k: matrix_frame(weights[k], 2.5, words, 640, (512, 128)),
    }
    writers: dict[str, tuple[Callable[..., int], float]] = {
        "gif": (movie.write_gif, 800), "mp4": (movie.write_mp4, 1000), "html": (movie.write_html, 1000),
    }  # fmt: skip

    def made(subject: str, kind: str) -> int:
        kept = folder / f"{time.perf_counter_ns()}"
        return writers[kind][0](folder / f"a.{kind}", movie.drawn(range(FRAMES), subjects[subject], kept), 8, "x")

    good = True
    for subject, (kind, (_, bar)) in itertools.product(subjects, writers.items()):
        cost = best_ms(partial(made, subject, kind), 3)
        good = said(f"{kind.upper()} of {FRAMES} frames, {subject}", cost, bar, "ms") and good
    return good


def sheets() -> bool:
    """Six panels on one sheet."""
    request = Request(strobe.open(), [RUN])
    figure = make("report", request).figure
    results = [
        said(f"six panels as {kind.upper()}", best_ms(lambda kind=kind: image(figure, kind), 3), 300, "ms")
        for kind in ("png", "pdf")
    ]  # type: ignore[misc]
    return all(results)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        results = [panels(), movies(Path(folder)), sheets()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
