"""Known peaks and rebounds, and how often noise earns one."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.analysis.loss_peak import FACTOR, LEAST, NOISES, RULE, WINDOW, loss_peak
from tests.support.places import ROOT
from tests.support.random_curves import noise

X = np.linspace(0, 1, 120)
STEPS = np.arange(0, 12_000, 100)


def peaked(rise: float = 0.5, fall: float = 3.0, at: float = 0.2) -> np.ndarray:
    """log10 of a loss that rises round `at` from 1 and falls round 0.6."""
    return rise * np.exp(-(((X - at) / 0.08) ** 2)) - fall / (1 + np.exp(-(X - 0.6) / 0.03))


def test_the_peak_and_the_first_step_80_percent_below_it() -> None:
    loss = 10 ** peaked()
    peak = loss_peak(STEPS, loss)
    top = int(loss.argmax())
    assert (peak.step, peak.value) == (STEPS[top], loss[top])
    assert peak.fallen == STEPS[top + int(np.flatnonzero(loss[top:] <= 0.2 * loss[top])[0])]
    assert (peak.reason, peak.rebound) == ("", None)


@pytest.mark.parametrize("seed", range(5))
def test_a_peak_is_a_recorded_value_also_in_noise(seed: int) -> None:
    loss = 10 ** (peaked() + 0.02 * np.random.default_rng(seed).standard_normal(120))
    peak = loss_peak(STEPS, loss)
    assert peak.step is not None
    assert peak.value == loss[peak.step == STEPS]
    assert peak.step == pytest.approx(0.2 * 12_000, abs=500)


@pytest.mark.parametrize(("loss", "why"), [
    (10 ** (-2 * X), "it never rises by more than its noise"),
    (1 / (1 + 50 * X), "it never rises by more than its noise"),
    (10 ** (2 * X), "it never falls by more than its noise"),
    (np.ones(120), "it neither rises nor falls by more than its noise"),
    (10 ** np.where(X < 0.5, -2 * X, 2 * X - 2), "no rise by more than its noise is followed by such a fall"),
])  # fmt: skip
def test_what_goes_one_way_has_no_peak(loss: np.ndarray, why: str) -> None:
    peak = loss_peak(STEPS, loss)
    assert (peak.step, peak.fallen, peak.reason) == (None, None, why)


def test_a_single_spike_is_no_peak_and_moves_none() -> None:
    loss = 10 ** (-2 * X)
    loss[60] = 50
    assert loss_peak(STEPS, loss).step is None
    loss, expected = 10 ** peaked(), loss_peak(STEPS, 10 ** peaked())
    loss[int(expected.step or 0) // 100 + 3] = 50
    assert loss_peak(STEPS, loss).step == expected.step


def test_the_highest_of_two_peaks_counts() -> None:
    log = peaked() + 0.9 * np.exp(-(((X - 0.85) / 0.05) ** 2))
    assert loss_peak(STEPS, 10**log).step == loss_peak(STEPS, 10 ** peaked()).step
    higher = peaked() + 4.2 * np.exp(-(((X - 0.82) / 0.1) ** 2))
    assert loss_peak(STEPS, 10**higher).step == STEPS[int(higher.argmax())]


def test_a_rebound_after_the_minimum_is_named() -> None:
    """It falls to 0.0154, and comes back to 0.0493 without falling again."""
    log = np.interp(X, [0, 0.1, 0.5, 0.8, 1], np.log10([4.7, 15.0, 0.0154, 0.0493, 0.0493]))
    peak = loss_peak(STEPS, 10**log)
    assert peak.rebound is not None
    low = int(log.argmin())
    assert (peak.rebound.low_step, peak.rebound.low) == (STEPS[low], 10 ** log[low])
    assert peak.rebound.low == pytest.approx(0.0154, rel=0.02)
    assert peak.rebound.value == pytest.approx(0.0493, rel=1e-9)
    assert peak.step == pytest.approx(1200, abs=100)
    assert loss_peak(STEPS, 10 ** np.minimum.accumulate(log)).rebound is None
    assert loss_peak(STEPS, 10 ** (2 * X)).rebound is None, "a rise from where it began is none"


def test_what_is_not_positive_and_finite_does_not_count() -> None:
    loss = 10 ** peaked()
    expected = loss_peak(STEPS, loss)
    broken = np.insert(loss, [5, 30, 60, 90], [np.nan, np.inf, 0.0, -1.0])
    steps = np.insert(STEPS, [5, 30, 60, 90], STEPS[[5, 30, 60, 90]] - 50)
    order = np.random.default_rng(0).permutation(len(steps))
    assert loss_peak(steps[order], broken[order]) == expected


def test_none_comes_with_its_reason() -> None:
    assert "not recorded" in loss_peak([], []).reason
    assert "no validation loss is a positive number" in loss_peak([0, 1], [np.nan, -1.0]).reason
    few = loss_peak(np.arange(LEAST - 1), 10 ** peaked()[:: 120 // (LEAST - 1)][: LEAST - 1])
    assert few.reason == f"{LEAST - 1} evaluations, and noise cannot be told below {LEAST}"
    with pytest.raises(ValueError, match="one length"):
        loss_peak([0, 1], [1.0])


def test_a_loss_of_every_step_is_judged_by_medians_of_neighbours() -> None:
    x = np.linspace(0, 1, 50_000)
    log = 0.5 * np.exp(-(((x - 0.2) / 0.08) ** 2)) - 3 / (1 + np.exp(-(x - 0.6) / 0.03))
    loss = 10 ** (log + 0.05 * np.random.default_rng(0).standard_normal(len(x)))
    peak = loss_peak(np.arange(len(x)), loss)
    assert peak.step == pytest.approx(10_000, abs=1_500)
    assert peak.value == loss[peak.step]


def test_the_rule_in_words_has_its_numbers() -> None:
    for number in (f"{FACTOR - 1:.0%}", f"{NOISES:.0f} standard", f"{WINDOW} evaluations"):
        assert number in RULE


TRENDS = {"flat": 0 * X, "falling": -2 * X, "power law": -0.5 * np.log10(1 + 50 * X)}


def alarms(kind: str, trend: str, n: int, count: int) -> tuple[float, float]:
    """Shares of noisy series with a peak, and with a rebound."""
    base = np.interp(np.linspace(0, 1, n), X, TRENDS[trend])
    drawn = base + 0.1 * noise(kind, (count, n), np.random.default_rng([len(kind), len(trend), n]))
    found = [loss_peak(np.arange(n), 10**log) for log in drawn]
    peaks = sum(peak.step is not None for peak in found)
    return peaks / count, sum(peak.rebound is not None for peak in found) / count


@pytest.mark.parametrize(("kind", "n"), [("white", 120), ("AR 0.5", 120), ("AR 0.9", 300)])
def test_noise_has_no_peak(kind: str, n: int) -> None:
    assert max(alarms(kind, "flat", n, 40)) <= 0.1


@pytest.mark.slow
def test_how_often_noise_earns_a_peak_is_what_is_stated() -> None:
    docs = (ROOT / "docs" / "analyses.md").read_text()
    for kind in ("white", "Student t 3", "AR 0.5", "AR 0.9", "AR 0.95", "random walk"):
        worst = [np.max([alarms(kind, trend, n, 300) for trend in TRENDS], axis=0) for n in (50, 120, 400)]
        cells = " | ".join(f"{peak:.1%}, {rebound:.1%}" for peak, rebound in worst)
        assert f"| {kind} | {cells} |" in docs
