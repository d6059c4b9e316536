"""How curves are looked at: the x axis, smoothing, colours by a setting, a baseline, and where runs are aligned."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import streamlit as st

from strobe.charts.theme import Look, run_looks
from strobe.ui.panel import choice, panel
from strobe.ui.shell import address, cursor, parts
from strobe.ui.shell.page import Page
from strobe.views.configuration import settings
from strobe.views.curves import NONE, X_AXES, Alignment, Smoothing, available_axes
from strobe.views.words import visible

WEIGHTS: Final = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
POINTS: Final = (3, 5, 11, 21, 51, 101, 501, 1001)
SMOOTHINGS: Final = (NONE, *(f"ema-{w}" for w in WEIGHTS), *(f"mean-{n}" for n in POINTS))
BASELINE: Final = "#98A2B3"
"""The neutral grey that reads on light and on dark: a baseline is what the colours are compared with."""


@dataclass(frozen=True)
class CurveOptions:
    """What a visitor chose; the defaults are what a first visit shows."""

    axis: str = "step"
    smoothing: str = NONE
    every_point: bool = False
    baseline: str | None = None
    align: str = NONE
    """"none", "onset", or "step"."""
    align_step: int = 0
    group: str = NONE
    labels: Mapping[str, str] = field(default_factory=dict)
    """Run -> its value of the setting that colours it, in words."""
    looks: Mapping[str, Look] = field(default_factory=dict)

    def runs(self, page: Page) -> list[str]:
        """The runs that are drawn: the selected ones, and the baseline behind them."""
        others = [run for run in page.runs if run != self.baseline]
        return [*others, self.baseline] if self.baseline else others

    @property
    def smoother(self) -> Smoothing:
        return Smoothing(self.smoothing)

    @property
    def alignment(self) -> Alignment:
        return Alignment(self.align, self.align_step)

    def x_title(self) -> str:
        """The words of the x axis, with its unit and with where it is 0."""
        return X_AXES[self.axis][1] + (" (s)" if self.axis == "time" else "") + self.alignment.words()


def groupings(page: Page, runs: Sequence[str]) -> dict[str, dict[str, str]]:
    """Setting -> run -> value, for the settings in which the runs differ."""
    each = {run: settings(page.rows[run].get("config")) for run in runs}
    names = sorted({name for values in each.values() for name in values})
    table = {name: {run: each[run].get(name, "not set") for run in runs} for name in names}
    return {name: values for name, values in table.items() if len(set(values.values())) > 1}


def controls(page: Page) -> CurveOptions:
    """One row: the run's moments in words, the x axis, and a popover with the rest."""
    axes = available_axes(page.view.tables, page.run)

    @parts.part("moments", grows=True)
    def moments() -> None:
        panel.caption(page.milestones.sentence())

    with panel.head("curves"):
        moments()
        with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center"):
            smoothing = _smoothing()
            axis = choice.segmented("x", "X axis", axes, "step", words=lambda name: X_AXES[name][0])
            with st.popover("View", icon=":material/tune:", key="curves_view"):
                chosen = _popover(page)
    return CurveOptions(axis=axis, smoothing=smoothing, **chosen)


def _popover(page: Page) -> dict[str, Any]:
    _kind_of_mean()
    chosen: dict[str, Any] = {"every_point": _every_point()}
    others = [run for run in page.rows if page.rows[run].get("name")]
    baseline = _select("Baseline", "baseline", [NONE, *others], lambda run: _run_words(page, run))
    chosen["baseline"] = None if baseline == NONE else baseline
    runs = list(dict.fromkeys([*page.runs, *([baseline] if baseline != NONE else [])]))
    found = groupings(page, runs)
    group = _select("Colour by", "group", [NONE, *found], lambda name: "run" if name == NONE else visible(name))
    if group != NONE:
        values = found[group]
        looks = run_looks(list(values.values()))
        short = group.rpartition(".")[2]
        chosen |= {"group": group, "looks": {run: looks[values[run]] for run in runs},
                   "labels": {run: f"{short} {values[run]}" for run in runs}}  # fmt: skip
    align = _select("Align runs at", "align", (NONE, "onset", "step"), _align_words)
    chosen["align"] = align
    if align == "step":
        chosen["align_step"] = _align_step()
    return chosen


def _smoothing() -> str:
    """A slider over how much; in "View" the kind of mean, which a link tells by its smoothing."""
    asked = address.arrived("smooth")
    if asked is not None and asked[0] in SMOOTHINGS and asked[0] != NONE:
        st.session_state["smooth_by"] = asked[0].partition("-")[0]
    kind = st.session_state.get("smooth_by", "ema")
    options = [name for name in SMOOTHINGS if name == NONE or name.startswith(kind)]
    if (before := st.session_state.get("smooth")) in SMOOTHINGS:
        st.session_state["smooth"] = as_much(before, kind)
    return choice.slider("smooth", "Smoothing", options, words=_smoothing_words, width=230)


def as_much(smoothing: str, kind: str) -> str:
    """The smoothing of a `kind` that comes nearest to another: an exponential mean of weight w looks back as far, on
    average, as a mean of (1 + w) / (1 - w) points."""
    if smoothing == NONE or smoothing.startswith(kind):
        return smoothing
    spans = {f"ema-{w}": (1 + w) / (1 - w) for w in WEIGHTS} | {f"mean-{n}": float(n) for n in POINTS}
    alike = [name for name in spans if name.startswith(kind)]
    return min(alike, key=lambda name: abs(math.log(spans[name] / spans[smoothing])))


def _kind_of_mean() -> None:
    st.session_state.setdefault("smooth_by", "ema")
    st.segmented_control(
        "Smooth by", ["ema", "mean"], key="smooth_by", persist_state="session", required=True,
        format_func={"ema": "exponential mean", "mean": "running mean"}.__getitem__,
    )  # fmt: skip


def _every_point() -> bool:
    asked = address.arrived("raw")
    if asked is not None:
        st.session_state["every_point"] = asked[0] == "1"
    st.session_state.setdefault("every_point", False)
    words = "Draw every point, up to 200,000 a curve, rather than the 2,000 that show every spike."
    st.toggle("Every point", key="every_point", persist_state="session", help=words)
    address.write("raw", "1" if st.session_state["every_point"] else None)
    return bool(st.session_state["every_point"])


def _select(label: str, name: str, options: Sequence[str], words: Callable[[str], str]) -> str:
    return choice.select(name, label, list(options), words=words, labelled=True)


def _align_step() -> int:
    asked = address.arrived("align_step")
    if asked is not None and asked[0].isdigit() and len(asked[0]) < 16:
        st.session_state["align_step"] = int(asked[0])
    st.session_state.setdefault("align_step", cursor.step())
    st.number_input("Step", min_value=0, step=1, key="align_step", persist_state="session")
    address.write("align_step", str(st.session_state["align_step"]))
    return int(st.session_state["align_step"])


def _smoothing_words(name: str) -> str:
    words = Smoothing(name).words()
    return words or "not smoothed"


def _run_words(page: Page, run: str) -> str:
    return "none" if run == NONE else visible(page.title_of(run))


def _align_words(name: str) -> str:
    return {NONE: "where they began", "onset": "their grokking onset", "step": "a step"}[name]
