"""The geometry of the classes a + b mod p over training: computed when it is asked for, step by step, and kept."""

from __future__ import annotations

from typing import Final

import streamlit as st

from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, panel
from strobe.ui.panel.choice import segmented
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell.cache import filled
from strobe.views import geometry
from strobe.views.geometry import ClassesPlan, Measures
from strobe.views.run_view import Answer, RunView
from strobe.views.words import number

_LENGTHS: Final = {"radius": Series("radius", SERIES[1]), "spread": Series("spread", SERIES[0])}
_RATIOS: Final = {"snr": Series("spread² / radius²", SERIES[2]), "fisher": Series("Fisher, median pair", SERIES[5])}
_CIRCLE: Final = {
    "alignment": Series("in order round a circle", SERIES[2]), "circularity": Series("circularity", SERIES[0]),
    "alignment_bound": Series("in order: noise, 95% below", SERIES[2], dash=True),
    "circularity_bound": Series("circularity: noise, 95% below", SERIES[0], dash=True),
}  # fmt: skip


def draw(view: RunView) -> None:
    """The panel of a run that adds modulo p: off until it is asked for, since every step is a forward pass."""
    plan = geometry.classes_plan(view)
    if plan is None:
        return
    with panel.head("geometry"):
        panel.title("Classes a + b mod p inside the model")
        if not plan.too_many:
            st.toggle("Compute", key="geometry_on", persist_state="session")
    if plan.too_many:
        panel.caption(plan.too_many)
    elif st.session_state.get("geometry_on"):
        _computed(view, plan)
    else:
        panel.caption(
            "Radius, spread and separation of the classes at “=”. Off, since it runs the model on all "
            f"{plan.inputs:,} inputs at {len(plan.steps)} snapshots: about {number(plan.seconds, 1)} s, once."
        )


def _computed(view: RunView, plan: ClassesPlan) -> None:
    sites = geometry.sites(plan)
    if not sites.names:
        panel.caption(sites.reason)
        return
    names = list(sites.names)
    site = names[-1]
    if len(names) > 1:
        site = segmented("site", "Residual stream", names, names[-1], labelled=True)
    answer = geometry.over_training(plan, _measured(view, plan), names.index(site))
    if answer is None:
        panel.caption("No snapshot of this run can be run through the model: it lacks weights, or is damaged.")
    else:
        _lines(view, answer)


def _measured(view: RunView, plan: ClassesPlan) -> dict[int, list[Measures]]:
    """Step -> the measures of every site."""
    kept: dict[int, list[Measures]] = filled("geometry", view)
    missing = [step for step in plan.steps if step not in kept]
    place = st.empty()
    for done, step in enumerate(missing):
        place.progress(done / len(missing), f"Running the model: {done} of {len(missing)} snapshots")
        kept[step] = geometry.classes_at(plan, step)
    place.empty()
    return kept


def _lines(view: RunView, answer: Answer) -> None:
    marks = step_marks(view)
    first, second, third = st.columns(3, gap="medium")
    with first:
        derived.lines(
            view, "geometry_lengths", answer, _LENGTHS, y_title="distance", marks=marks,
            about="Root mean square distances: of inputs to their class's centroid, of centroids to their mean.",
        )  # fmt: skip
    with second:
        derived.lines(
            view, "geometry_ratios", answer, _RATIOS, y_title="ratio", log=True, marks=marks,
            about="Separation: squared distance between two centroids over the sum of the two classes' variances.",
        )  # fmt: skip
    with third:
        derived.lines(
            view, "geometry_circle", answer, _CIRCLE, y_title="share", share=True, marks=marks,
            about=geometry.circle_words(answer),
        )  # fmt: skip
