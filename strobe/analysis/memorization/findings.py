"""Every test that a memorization study reports, in one list, corrected together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strobe.analysis.memorization.correlation import area_under_curve, correlation, early_and_late
from strobe.analysis.memorization.outcome import Outcome
from strobe.analysis.memorization.reproduction import onsets
from strobe.analysis.memorization.separation import LEVEL, best_layer, difference, separations
from strobe.analysis.memorization.trajectory import Shape, one_sample, trajectory_shape
from strobe.analysis.multiple_tests import holm

Floats = npt.NDArray[Any]

FOUND, NOT_FOUND, CANNOT_TELL = "found", "not found", "cannot tell"
SD: Final = "standard deviations"


@dataclass(frozen=True)
class Measures:
    """What a study measured, E epochs, L layers, P passages. NaN is not measured."""

    epochs: Sequence[int]
    trained: npt.NDArray[np.bool_]
    """(P,): which passages were trained on."""
    accuracy: Floats
    """(E, P)."""
    chance: Floats
    """(E, P): the accuracy of each continuation beside what other passages of its group go on with."""
    memorized: npt.NDArray[np.bool_]
    """(E, P)."""
    compression: Floats
    """(E, L, P), nats."""


@dataclass(frozen=True)
class Finding:
    """One test: `effect`, in `unit`, between `low` and `high` (95%). `p_corrected` is Holm's, over the `tests` of the
    whole study; `verdict` found, not found or cannot tell, at LEVEL, or for what is no test the shape of a curve."""

    analysis: str
    subject: str
    unit: str
    outcome: Outcome
    p_corrected: float = math.nan
    tests: int = 0
    verdict: str = CANNOT_TELL


def findings(measures: Measures, seed: int = 0) -> list[Finding]:
    """All tests of a study, and the shapes of its curves, which are rules and not tests."""
    made = [*_reproduction(measures), *_separation(measures, seed), *_trajectories(measures, seed)]
    return _corrected([*made, *_before(measures)])


def _corrected(made: Sequence[Finding]) -> list[Finding]:
    p = holm(np.array([each.outcome.p for each in made]))
    tests = int((~np.isnan(p)).sum())
    return [
        replace(each, p_corrected=float(own), tests=tests, verdict=_verdict(each, float(own)))
        for each, own in zip(made, p, strict=True)
    ]


def _verdict(finding: Finding, corrected: float) -> str:
    if math.isnan(corrected):
        return finding.verdict
    return FOUND if corrected <= LEVEL else NOT_FOUND


def _reproduction(measures: Measures) -> Iterator[Finding]:
    last, own = measures.epochs[-1], measures.trained
    accuracy, chance = measures.accuracy[-1], measures.chance[-1]
    apart = difference(accuracy[own], accuracy[~own])
    yield Finding("reproduction", f"trained against novel, epoch {last}", SD, apart)
    for group, of in (("trained", own), ("novel", ~own)):
        above = one_sample(accuracy[of] - chance[of])
        yield Finding("reproduction", f"{group} against chance, epoch {last}", "accuracy", above)


def _separation(measures: Measures, seed: int) -> Iterator[Finding]:
    trained, novel = (measures.compression[:, :, of] for of in (measures.trained, ~measures.trained))
    for epoch, row in zip(measures.epochs, separations(trained, novel), strict=True):
        for layer, outcome in enumerate(row):
            yield Finding("separation", f"layer {layer}, epoch {epoch}", SD, outcome)
    if measures.compression.shape[1]:
        best = best_layer(trained[-1], novel[-1], seed)
        name = "no layer" if best.layer is None else f"layer {best.layer}"
        yield Finding("best layer", f"{name}, epoch {measures.epochs[-1]}", f"{SD}, held out", best.outcome)


def shapes(measures: Measures, seed: int = 0) -> list[Shape]:
    """Of each layer, the way of the trained passages' compression over the epochs."""
    own = measures.compression[:, :, measures.trained]
    return [trajectory_shape(np.array(measures.epochs), layer.T, seed) for layer in own.transpose(1, 0, 2)]


def _trajectories(measures: Measures, seed: int) -> Iterator[Finding]:
    for layer, shape in enumerate(shapes(measures, seed)):
        turn = Outcome(shape.r2_quadratic, shape.vertex, shape.vertex_low, shape.vertex_high, math.nan, shape.reason)
        yield Finding("change", f"layer {layer}", "nats", shape.change)
        yield Finding("bend", f"layer {layer}", "nats an epoch squared", shape.bend)
        yield Finding("shape", f"layer {layer}", "vertex, epochs", turn, verdict=shape.kind)


def _before(measures: Measures) -> Iterator[Finding]:
    """What the first epoch says of the later ones, among trained passages."""
    own = measures.trained
    first, last = measures.compression[0][:, own], measures.compression[-1][:, own]
    begun, _ = onsets(measures.epochs, measures.memorized[:, own].T)
    onset = np.array([math.nan if at is None else at for at in begun])
    known = measures.memorized[-1][own]
    when, until = f"epoch {measures.epochs[0]}", f"epoch {measures.epochs[-1]}"
    for layer, scores in enumerate(first):
        yield Finding("onset", f"layer {layer}, {when}", "rank correlation", correlation(scores, onset))
    for layer, scores in enumerate(first):
        area = area_under_curve(scores, known)
        yield Finding("prediction", f"layer {layer}, {when}, of {until}", "area under the curve", area)
    if len(measures.epochs) < 2:
        return
    for early, row in enumerate(early_and_late(first.T, last.T)):
        for late, outcome in enumerate(row):
            subject = f"layer {early}, {when}, with layer {late}, {until}"
            yield Finding("early and late", subject, "rank correlation", outcome)
