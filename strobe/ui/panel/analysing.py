"""The one button that has derived tables filled: it queues `strobe analyze`, and says how that goes."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from etl.errors import StrobeError
from strobe.jobs.job import Job, JobError
from strobe.ui.shell import acting
from strobe.ui.shell.words import inert

EVERY_S = 2.0
_BEGUN = "_analysing"


def offer(run: str, tables: Sequence[str], key: str) -> None:
    """The button; while an analysis of the run is queued or at work, how far that is. Where writing is on."""
    under_way = _job_of(run)
    if under_way is not None:
        _watch(under_way.id, key)
        return
    _say_failed(run)
    if st.button("Analyse now", icon=":material/play_arrow:", key=key):
        job = acting.done(lambda: acting.analyse(run, tables))
        if job is not None:
            st.session_state.setdefault(_BEGUN, {})[run] = job.id
            st.rerun()


def _job_of(run: str) -> Job | None:
    """What analyses a run, or will."""
    jobs = acting.queue().jobs()
    return next((job for job in jobs if job.state in ("queued", "running") and _is_analysis(job, run)), None)


def _is_analysis(job: Job, run: str) -> bool:
    return any(step[:2] == ["analyze", run] for step in job.steps)


def _say_failed(run: str) -> None:
    """Of the analysis that this session asked for last."""
    number = st.session_state.get(_BEGUN, {}).get(run)
    if number is None:
        return
    try:
        job = acting.queue().job(number)
    except StrobeError:
        return
    if job.state == "failed":
        last = (acting.queue().log_tail(number, 1) or [job.reason or ""])[0]
        st.caption(inert(f"Job {number} failed: {last} `strobe jobs log {number}` has more.", 400))


def _watch(number: int, key: str) -> None:
    @st.fragment(run_every=EVERY_S, key=f"{key}_job")
    def look() -> None:
        try:
            job = acting.queue().job(number)
        except JobError:
            st.rerun()
        if job.state == "queued":
            st.caption(f"Job {number} waits until another is done.", width="content")
        elif job.state == "running":
            st.caption(f"Job {number} analyses this run …", width="content")
        else:
            st.rerun()

    look()
