"""The movie of what a page shows, as a file that is made when it is asked for."""

from __future__ import annotations

import shlex
from functools import partial
from typing import Final

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from strobe.ui.panel import panel
from strobe.ui.panel.movie_child import MOST_FRAMES
from strobe.ui.panel.movie_jobs import KEPT_S, Job, maker
from strobe.ui.shell.words import markup
from strobe.views.run_view import RunView

KINDS: Final = ("gif", "html")
ROUTE: Final = "movies"
"""Where the server gives files away, by the key of their job."""
_POLL_S: Final = 1.0


def offer(view: RunView, subject: str, tensor: str | None = None, layer: int = 0, *, remark: str = "") -> None:
    """A popover with a GIF and a self-contained page; MP4 is the command line's. `subject`, `tensor` and `layer` as
    in MovieRequest; `remark` says how the movie differs from what the page shows."""
    with st.popover("Movie", type="tertiary", icon=":material/movie:", key=f"movie_{subject}"):
        if remark:
            panel.caption(remark)
        if len(view.steps) > MOST_FRAMES:
            panel.caption(f"{MOST_FRAMES} of {len(view.steps):,} snapshots, evenly spaced; the command draws all.")
        with st.container(horizontal=True, gap="small"):
            for kind in KINDS:
                if st.button(
                    kind.upper(), key=f"movie_{subject}_{kind}", type="tertiary", icon=":material/movie_creation:"
                ):
                    _ask(view.run, subject, tensor, layer, kind)
        job = maker().of(_visitor()[0])
        if job is not None and job.what[1:] == _what("", view.run, subject, tensor, layer)[1:]:
            _show(job, subject)
        chosen = f" --tensor {shlex.quote(tensor)} --layer {layer}" if tensor else ""
        st.code(f"strobe export mp4 {subject} {view.run}{chosen}", language="bash", wrap_lines=True)


def _what(kind: str, run: str, subject: str, tensor: str | None, layer: int) -> tuple[str, ...]:
    return kind, run, subject, tensor or "", str(layer)


def _visitor() -> tuple[str, partial[bool] | None]:
    """This session, and whether it is there; None without a server."""
    context = get_script_run_ctx()
    session = context.session_id if context is not None else ""
    return session, partial(runtime.get_instance().is_active_session, session) if runtime.exists() else None


def _ask(run: str, subject: str, tensor: str | None, layer: int, kind: str) -> None:
    session, here = _visitor()
    job = Job(session, _what(kind, run, subject, tensor, layer), f"{run}-{subject}.{kind}", here or (lambda: True))
    if not maker().ask(job):
        panel.caption("Others wait for their movies: try again in a minute, or use the command.")


def _show(job: Job, subject: str) -> None:
    if job.state in ("waiting", "making"):
        _follow(job, subject)
    elif job.state == "failed":
        panel.caption("The movie could not be made; the command says why.")
    else:
        size = job.path.stat().st_size if job.path.is_file() else 0
        markup(
            '<p class="st-say"><a href="{place}" download>{name}</a> ({size} MB), here for {minutes} minutes</p>',
            place=f"{ROUTE}/{job.key}/{job.name}", name=job.name,
            size=f"{size / 1e6:.1f}", minutes=f"{KEPT_S / 60:g}",
        )  # fmt: skip
        if job.without:
            panel.caption(f"{job.without[0].upper()}{job.without[1:]}.")


@st.fragment(run_every=_POLL_S)
def _follow(job: Job, subject: str) -> None:
    if job.state not in ("waiting", "making"):
        st.rerun()
    if job.state == "waiting":
        st.progress(0.0, f"Waiting: {maker().before(job)} before it")
    else:
        share = job.done / job.total if job.total else 0.0
        st.progress(share, f"{job.done:,} of {job.total:,} frames" if job.total else "Making …")
    if st.button("Cancel", key=f"movie_{subject}_cancel", type="tertiary"):
        maker().drop(job)
        st.rerun()
