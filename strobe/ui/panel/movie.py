"""The movie of what a page shows, as a file that is made when it is asked for."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from strobe.ui.panel import panel
from strobe.views.run_view import RunView

if TYPE_CHECKING:
    from strobe.plot.movies import MovieRequest

_MIME = {"gif": "image/gif", "html": "text/html"}
_FPS = 8


def offer(view: RunView, subject: str, tensor: str | None = None, layer: int = 0, *, remark: str = "") -> None:
    """A popover with a GIF and a self-contained page; MP4 is the command line's. `subject`, `tensor` and `layer` as
    in MovieRequest; `remark` says how the movie differs from what the page shows."""
    from strobe.plot.movies import MovieRequest

    request = MovieRequest(subject, tensor, layer)
    with st.popover("Movie", type="tertiary", icon=":material/movie:", key=f"movie_{subject}"):
        if remark:
            panel.caption(remark)
        with st.container(horizontal=True, gap="small"):
            for kind, mime in _MIME.items():
                st.download_button(
                    kind.upper(), partial(_made, view, request, kind), f"{view.run}-{subject}.{kind}",
                    mime, key=f"movie_{subject}_{kind}", on_click="ignore", type="tertiary",
                    icon=":material/download:",
                )  # fmt: skip
        chosen = f" --tensor {tensor} --layer {layer}" if tensor else ""
        st.code(f"strobe export mp4 {subject} {view.run}{chosen}", language="bash", wrap_lines=True)


def _made(view: RunView, request: MovieRequest, kind: str) -> bytes:
    from strobe.charts.movie import drawn, write_gif, write_html
    from strobe.plot.movies import Movie

    movie = Movie(view, request)
    with tempfile.TemporaryDirectory() as scratch:
        path, frames = Path(scratch) / f"movie.{kind}", drawn(movie.steps, movie.draw, Path(scratch) / "frames")
        if kind == "gif":
            write_gif(path, frames, _FPS)
        else:
            write_html(path, frames, _FPS, movie.title)
        return path.read_bytes()
