"""The loss of a running job, drawn from its log as far as it goes."""

from __future__ import annotations

import math
from pathlib import Path

import streamlit as st

from etl.run.journal import METRICS
from strobe.charts.theme import TEST, TRAIN
from strobe.jobs.curve import Curve
from strobe.jobs.job import Job
from strobe.ui.train.plan import image
from strobe.views.words import count, number

_WIDE, _HIGH = 600, 80
_KEPT = "_job_curve"
_HELD_OUT = {"modadd": "test", "memorization": "novel"}
"""What data that is not trained on is called, by the word of the command."""


def draw(job: Job) -> None:
    """Nothing where nothing is logged yet."""
    curve = _curve(job)
    curve.look()
    if not curve.last:
        return
    held_out = _HELD_OUT.get(job.steps[0][1] if len(job.steps[0]) > 1 else "", "validation")
    words = {"train_loss": "train loss", "val_loss": f"{held_out} loss"}
    said = ", ".join(
        f"{words[name]} {number(value)} at step {count(step)}" for name, (step, value) in curve.last.items()
    )
    drawn = image(_lines(curve), _WIDE, _HIGH, said)
    st.html(f'<div class="st-schedule">{drawn}<span>{said}; log scale, from the run\'s log</span></div>')


def _curve(job: Job) -> Curve:
    """One is kept a session: that of the job that runs."""
    key = (job.id, job.started, job.folder)
    kept = st.session_state.get(_KEPT)
    if kept is None or kept[0] != key:
        kept = (key, Curve(Path(job.folder or "") / METRICS))
        st.session_state[_KEPT] = kept
    found: Curve = kept[1]
    return found


def _lines(curve: Curve) -> str:
    drawn = {name: [(x, math.log10(y)) for x, y in points if y > 0] for name, points in curve.points.items()}
    every = [point for points in drawn.values() for point in points]
    if len(every) < 2:
        return ""
    (low_x, high_x), (low, high) = ((min(v), max(v)) for v in zip(*every, strict=True))
    across, up = max(1, high_x - low_x), max(1e-9, high - low)
    colours = {"train_loss": TRAIN, "val_loss": TEST}
    return "".join(
        f'<polyline fill="none" stroke="{colours[name]}" stroke-width="1.5" '
        'vector-effect="non-scaling-stroke" points="'
        + " ".join(f"{_WIDE * (x - low_x) / across:.1f},{2 + (_HIGH - 4) * (high - y) / up:.1f}" for x, y in points)
        + '"/>'
        for name, points in drawn.items()
    )
