"""A movie as a file, made in a process of its own: what it takes of memory ends with it, and it can be stopped.

python -m strobe.ui.panel.movie_child KIND RUN SUBJECT TENSOR LAYER OUT

of the store of the environment; TENSOR is empty for the usual one. How far it is goes to standard output, a line
"done total" a frame, after one of "without ..." where something is left out. It ends with the server that holds the
other end of its standard input.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from etl.parents import end_with_input

MOST_FRAMES: Final = 300
"""Of a movie made by the app; a writer of GIFs keeps them all in memory."""
_FPS: Final = 8


def main(kind: str, run: str, subject: str, tensor: str, layer: str, out: str) -> None:
    """Draws and writes the movie, and leaves it as `out`."""
    from strobe.charts.movie import drawn, write_gif, write_html
    from strobe.plot.movies import Movie, MovieRequest
    from strobe.settings import open_store
    from strobe.views.budget import evenly
    from strobe.views.run_view import CatalogueTables, RunView

    store = open_store()
    view = RunView(CatalogueTables(store.current(), str(store.path)), run)
    request = MovieRequest(subject, tensor or None, int(layer))
    movie = Movie(view, request, evenly(_steps(store.run(run).folder), MOST_FRAMES))
    if movie.without:
        print(movie.without, flush=True)
    with tempfile.TemporaryDirectory(dir=Path(out).parent) as scratch:
        part, done = Path(scratch) / "part", iter(range(1, len(movie.steps) + 1))
        frames = drawn(
            movie.steps, movie.draw, Path(scratch) / "frames", lambda: print(next(done), len(movie.steps), flush=True)
        )
        if kind == "gif":
            write_gif(part, frames, _FPS, movie.title)
        else:
            write_html(part, frames, _FPS, movie.title)
        part.rename(out)


def _steps(folder: Path | None) -> list[int]:
    from etl.checkpoints.run import open_run

    return [] if folder is None else list(open_run(folder).current())


if __name__ == "__main__":
    end_with_input()
    os.nice(10)
    main(*sys.argv[1:])
