"""What a panel, a movie and a printed sheet of the embedded run cost the server: `python bench/panels.py`.

Panels are timed from the snapshots on disk to the bytes that travel to the browser, with nothing cached by the app.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import strobe
from strobe.charts import movie
from strobe.charts.export import image
from strobe.charts.figures import make
from strobe.charts.request import Request
from strobe.ui import frames, weight_frames
from strobe.ui.weight_frames import Matrix

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


def said(what: str, value: float, bar: float) -> bool:
    print(f"{what:44} {value:8.0f} ms   bar <= {bar:g}   {'ok' if value <= bar else 'MISSED'}")
    return value <= bar


def panels() -> bool:
    """The frames of all snapshots, past Streamlit's cache."""
    catalogue = strobe.open().current()
    page: Any = SimpleNamespace(
        run=RUN, steps=catalogue.run(RUN).steps(), step=0,
        reader=SimpleNamespace(key="bench", version="1", run=catalogue.run),
    )  # fmt: skip
    attention = frames._attention.__wrapped__
    weights = weight_frames._frames.__wrapped__
    good = said("attention, every snapshot", best_ms(lambda: attention("", "", RUN, 0, frames.MEAN, page)), 100)
    matrix = Matrix("fcw", 0, (512, 128))
    return said("a weight matrix, every snapshot", best_ms(lambda: weights("", "", RUN, matrix, page)), 100) and good


def movies(folder: Path) -> bool:
    """From the frames' data to the file."""
    random = np.random.default_rng(0)
    points = random.normal(size=(FRAMES, 98, 2))
    labels = [str(k) for k in range(98)]

    def drawn(name: str) -> list[Any]:
        kept = folder / f"{name}-{time.perf_counter_ns()}"
        return movie.drawn(
            range(FRAMES), lambda k: movie.embedding_frame(points[k], 4.0, labels, f"step {k}"), kept
        )  # fmt: skip

    good = said(
        f"GIF of {FRAMES} frames", best_ms(lambda: movie.write_gif(folder / "a.gif", drawn("gif"), 8), 3), 800
    )
    return (
        said(f"MP4 of {FRAMES} frames", best_ms(lambda: movie.write_mp4(folder / "a.mp4", drawn("mp4"), 8), 3), 1000)
        and good
    )


def sheets() -> bool:
    """Six panels on one sheet."""
    request = Request(strobe.open(), [RUN])
    figure = make("report", request).figure
    results = [
        said(f"six panels as {kind.upper()}", best_ms(lambda kind=kind: image(figure, kind), 3), 300)
        for kind in ("png", "pdf")
    ]  # type: ignore[misc]
    return all(results)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        results = [panels(), movies(Path(folder)), sheets()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
