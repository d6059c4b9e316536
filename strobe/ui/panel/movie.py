"""The movie of what a page shows, as a file that is made when it is asked for."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from strobe.ui.panel import panel
from strobe.ui.shell.page import Page
from strobe.ui.shell.reader import open_catalogue
from strobe.views.run_view import RunView

if TYPE_CHECKING:
    from strobe.plot.movies import Wanted

_MIME = {"gif": "image/gif", "html": "text/html"}
_FPS = 8


def offer(view: RunView, wanted: Wanted, remark: str = "") -> None:
    """A popover with a GIF and a self-contained page; MP4 is the command line's. `remark` says how the movie differs
    from what the page shows."""
    with st.popover("Movie", type="tertiary", icon=":material/movie:", key=f"movie_{wanted.subject}"):
        if remark:
            panel.caption(remark)
        with st.container(horizontal=True, gap="small"):
            for kind, mime in _MIME.items():
                st.download_button(
                    kind.upper(), partial(_made, view, wanted, kind), f"{view.run}-{wanted.subject}.{kind}",
                    mime, key=f"movie_{wanted.subject}_{kind}", on_click="ignore", type="tertiary",
                    icon=":material/download:",
                )  # fmt: skip
        tensor = f" --tensor {wanted.tensor} --layer {wanted.layer}" if wanted.tensor else ""
        st.code(f"strobe export mp4 {wanted.subject} {view.run}{tensor}", language="bash", wrap_lines=True)


def draw(page: Page, wanted: Wanted, remark: str = "") -> None:
    """`offer` for callers that still have the page."""
    offer(page.view, wanted, remark)


def _made(view: RunView, wanted: Wanted, kind: str) -> bytes:
    from strobe.charts.movie import drawn, write_gif, write_html
    from strobe.plot.movies import Movie

    movie = Movie(open_catalogue(), view.run, wanted)
    with tempfile.TemporaryDirectory() as scratch:
        path, frames = Path(scratch) / f"movie.{kind}", drawn(movie.steps, movie.draw, Path(scratch) / "frames")
        if kind == "gif":
            write_gif(path, frames, _FPS)
        else:
            write_html(path, frames, _FPS, movie.title)
        return path.read_bytes()
