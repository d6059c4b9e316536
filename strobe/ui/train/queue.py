"""The jobs of the queue: what runs, what waits, what failed and why; each can be ended or run again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from etl.run.names import run_id
from strobe.jobs.job import Job
from strobe.jobs.progress import Progress, progress
from strobe.jobs.queue import Queue
from strobe.ui.shell import acting, registry
from strobe.ui.shell.parts import part
from strobe.ui.shell.words import inert, markup
from strobe.ui.train import curve
from strobe.views.words import age, count, visible

EVERY_S = 2.0
_ENDED = 8
"""Ended jobs that are listed before more are asked for."""
_MOST = 100
_LINES = 8
_WORDS = {
    "queued": ("Waits", "gray"), "running": ("Running", "blue"), "finished": ("Finished", "green"),
    "failed": ("Failed", "red"), "cancelled": ("Cancelled", "orange"), "interrupted": ("Interrupted", "orange"),
}  # fmt: skip


@part("jobs")
def draw() -> None:
    """All of it, made again by itself while anything is at work."""
    queue = acting.queue()
    jobs = queue.jobs()[::-1]
    active = [job for job in jobs if job.state in ("queued", "running")]
    ended = [job for job in jobs if job.state not in ("queued", "running")]
    if not jobs:
        st.caption("No jobs yet. What is started below goes on when this page is closed, and when the app ends.")
    _unhealthy(queue, active)
    if active:
        _live(queue, [job.id for job in active])
    if ended:
        failed = sum(job.state == "failed" for job in ended)
        label = f"Ended: {len(ended):,}" + (f", {failed:,} of them failed" if failed else "")
        with st.expander(label, expanded=not active or ended[0].state == "failed", key="jobs_ended"):
            more = st.session_state.get("jobs_more", False)
            for job in ended[: _MOST if more else _ENDED]:
                _ended(queue, job)
            if len(ended) > _ENDED and not more:
                st.button("Show more", key="jobs_show_more", on_click=lambda: st.session_state.update(jobs_more=True))
            elif len(ended) > _MOST:
                st.caption(f"The {_MOST} newest of {len(ended):,}; `strobe jobs list` has all.")


def _unhealthy(queue: Queue, active: list[Job]) -> None:
    """What of the queue needs somebody."""
    if damaged := queue.damaged():
        more = f", and {len(damaged) - 1:,} more" if len(damaged) > 1 else ""
        st.warning(inert(f"A job file cannot be read: {damaged[0]}{more}. Remove it from {queue.folder}.", 400))
    if any(job.state == "queued" for job in active) and not queue.at_work():
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.warning("Jobs wait, and no runner is at work, as after a reboot.")
            if st.button("Go on", key="jobs_go_on", type="primary"):
                _act(acting.start_runner)


def _act(act: Callable[[], object]) -> None:
    if acting.done(lambda: (act(),)) is not None:
        st.rerun()


@st.fragment(run_every=EVERY_S, key="jobs_live")
def _live(queue: Queue, numbers: list[int]) -> None:
    """The jobs at work, as they are now; where one of them has ended, or another was queued, all is made again."""
    jobs = [job for job in queue.jobs() if job.state in ("queued", "running")]
    if [job.id for job in jobs[::-1]] != numbers:
        st.rerun()
    waiting = 0
    for job in jobs:
        waiting += job.state == "queued"
        _active(job, waiting)


def _active(job: Job, place: int) -> None:
    with st.container(border=True, gap="small", key=f"job_{job.id}"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            _heading(job)
            st.space("stretch")
            if job.folder and job.state == "running":
                _link(job, "Curves")
            label = "Being cancelled" if job.cancel else "Cancel"
            if st.button(label, key=f"job_cancel_{job.id}", disabled=job.cancel):
                _act(lambda: acting.cancel(job.id))
        if job.state == "queued":
            st.caption(f"Number {place} of those that wait.")
            return
        found = progress(_folder(job), job.started or 0.0) if job.folder and job.at == 0 else None
        _bar(job, found)
        if job.folder:
            curve.draw(job)


def _bar(job: Job, found: Progress | None) -> None:
    if found is None:
        words = {"train": "starts", "study": "starts", "ingest": "is read into the store", "analyze": "is analyzed"}
        said = words.get(job.steps[job.at][0], "runs")
        st.caption(f"{said.capitalize()}: part {job.at + 1} of {len(job.steps)}.")
        return
    if found.steps:
        left = f", about {_duration(found.seconds_left)} left" if found.seconds_left is not None else ""
        share = min(1.0, max(0.0, found.step / found.steps))
        st.progress(share, f"step {count(found.step)} of {count(found.steps)}{left}")
    else:
        st.caption(f"step {count(found.step)}")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else age(seconds)


def _ended(queue: Queue, job: Job) -> None:
    with st.container(gap="small", key=f"job_{job.id}"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            _heading(job)
            st.space("stretch")
            if job.folder and job.state != "failed":
                _link(job, "Open")
            if st.button("Run again", key=f"job_again_{job.id}", type="tertiary"):
                _act(lambda: acting.rerun(job.id))
        if job.reason:
            st.caption(inert(f"{job.reason[0].upper()}{job.reason[1:]}.", 300))
        if job.state == "failed":
            st.code("\n".join(visible(line, 400) for line in queue.log_tail(job.id, _LINES)), None, wrap_lines=True)


def _heading(job: Job) -> None:
    word, colour = _WORDS[job.state]
    st.badge("Being cancelled" if job.cancel and job.state == "running" else word, color=colour)  # type: ignore[arg-type]
    what = _folder(job).name if job.folder else visible(" ".join(job.steps[0][:2]), 80)
    when = job.ended or job.started or job.queued
    ago = age(time.time() - when)
    markup(
        '<p class="st-say">Job {n} · <b>{what}</b> <span class="st-muted">{kind}, {ago}</span></p>',
        n=job.id, what=what, kind=" ".join(job.steps[0][:2]), ago=ago if ago == "just now" else f"{ago} ago",
    )  # fmt: skip


def _folder(job: Job) -> Path:
    return Path(job.folder or "")


def _link(job: Job, label: str) -> None:
    """To the run as the store knows it; none where the page runs without the router, as in a test of its file."""
    with contextlib.suppress(StreamlitPageNotFoundError):
        st.page_link(
            registry.specs()["curves"].file, label=label, icon=":material/show_chart:",
            query_params={"run": run_id(_folder(job).name)},
        )  # fmt: skip
