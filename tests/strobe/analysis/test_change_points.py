"""Change points: what was planted is found, and drifts and noise with memory are not taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.analysis.change_points import LEAST_SAMPLES, change_points
from tests.support.series import GRADUAL_SD, WITHOUT_CHANGE, is_found, planted_rise, planted_step

SMOOTH = [name for name in WITHOUT_CHANGE if name.endswith("without noise")]


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def logistic(n: int, middle: float, width: float) -> np.ndarray:
    """From 0 to 1, `width` samples from 10% to 90%."""
    return 1 / (1 + np.exp(-(np.arange(n) - middle) * 2 * np.log(9) / width))


@pytest.mark.parametrize("kind", [name for name in WITHOUT_CHANGE if name not in SMOOTH])
def test_noise_and_drifts_are_no_changes(kind: str) -> None:
    """Five series a kind: the share of 1,000 is measured by the slow test below and by `bench/changes.py`."""
    found = [change_points(np.arange(120), WITHOUT_CHANGE[kind](random(i), 120)).changes for i in range(5)]
    assert sum(map(bool, found)) <= 1


@pytest.mark.parametrize("kind", SMOOTH)
def test_a_curve_without_noise_has_no_change(kind: str) -> None:
    for seed in range(3):
        assert change_points(np.arange(90), WITHOUT_CHANGE[kind](random(seed), 90)).changes == ()


@pytest.mark.parametrize("seed", [1, 34])
def test_a_fall_at_two_rates_is_no_change_in_noise_with_memory(seed: int) -> None:
    """On the grid of drifts such noise explains it best; off it white noise does, and must be among those left."""
    n, random_of = 400, np.random.default_rng([sum(b"fall at two rates"), 400, seed])
    found = change_points(np.arange(n), WITHOUT_CHANGE["fall at two rates"](random_of, n))
    assert found.changes == ()
    assert found.model == "two exponentials drift, white noise"


def test_a_planted_step() -> None:
    n, found, covered = 120, [], []
    for seed in range(8):
        planted = planted_step(random(seed), n)
        result = change_points(10 * np.arange(n), planted.values)
        assert len(result.changes) == 1
        (change,) = result.changes
        found.append(abs(change.step / 10 - planted.at) <= 2)
        assert change.kind == "step"
        assert change.step_low <= change.step <= change.step_high
        covered.append(change.step_low <= 10 * planted.at <= change.step_high)
        assert change.effect == pytest.approx(3, abs=1)
        assert change.effect_sd == pytest.approx(3, abs=1)
        assert change.p < 0.04
        assert (change.start, change.end) == (change.step - 10, change.step)
    assert sum(found) >= 7
    assert sum(covered) >= 7


def test_a_planted_rise_is_one_gradual_change() -> None:
    n, middle, width = 120, 52.0, 30.0
    values = 4 - GRADUAL_SD * logistic(n, middle, width) + random(3).standard_normal(n)
    result = change_points(5 * np.arange(n), values)
    (change,) = result.changes
    assert change.kind == "gradual"
    assert change.step_low <= 5 * middle <= change.step_high
    assert change.step_high - change.step_low < 5 * 6
    assert change.step == pytest.approx(5 * middle, abs=5)
    assert (change.start, change.end) == pytest.approx((5 * (middle - width / 2), 5 * (middle + width / 2)), abs=20)
    assert change.effect == pytest.approx(-GRADUAL_SD, rel=0.1)
    assert change.effect_sd == pytest.approx(-GRADUAL_SD, rel=0.3)


@pytest.mark.parametrize(("slope", "seen"), [(3, False), (-1, True), (0, True)])
def test_a_gradual_change_that_drift_undoes_is_none(slope: float, seen: bool) -> None:
    """A series that rises all along, if slower for a while, has no fall."""
    n = 120
    x = slope * np.linspace(0, 1, n) - logistic(n, 60, 48) + 0.01 * random(1).standard_normal(n)
    assert [change.kind for change in change_points(np.arange(n), x).changes] == ["gradual"] * seen


def test_steps_without_noise() -> None:
    x = np.repeat([0.0, 1.0, 0.25], [20, 30, 15])
    first, second = change_points(np.arange(65), x).changes
    assert (first.kind, first.step, first.step_low, first.step_high) == ("step", 20, 19, 20)
    assert (second.step, second.step_low, second.step_high) == (50, 49, 50)
    assert (first.effect, second.effect) == pytest.approx((1, -0.75))
    assert (first.effect_sd, second.effect_sd) == (np.inf, -np.inf)


def test_a_rise_without_noise_is_one_change_whatever_its_form() -> None:
    place = np.arange(120)
    for curve in (
        logistic(120, 50, 24),
        logistic(120, 70, 6),
        np.tanh((place - 60) / 12) - 5,
        1e-9 * logistic(120, 50, 24),
    ):
        (change,) = change_points(place, curve).changes
        assert change.kind == "gradual"
        assert change.effect == pytest.approx(np.ptp(curve), rel=0.05)


@pytest.mark.parametrize(
    "curve", [np.sin(3 * np.linspace(0, 1, 120)), np.linspace(0, 1, 120) ** 2], ids=["sine", "square"]
)
def test_a_curve_that_is_no_model_is_still_a_drift(curve: np.ndarray) -> None:
    for noise in (0, 0.01):
        assert change_points(np.arange(120), curve + noise * random(1).standard_normal(120)).changes == ()


def test_a_step_on_a_drift_and_in_shrinking_noise() -> None:
    share = np.linspace(0, 1, 120)
    noise = random(5).standard_normal(120)
    for curve, scale in ((np.exp(-share / 0.1), 0.01), (np.zeros(120), 0.1 * np.exp(-3 * share))):
        (change,) = change_points(np.arange(120), curve + 0.3 * (np.arange(120) >= 72) + scale * noise).changes
        assert (change.kind, change.step) == ("step", 72)
        assert change.effect == pytest.approx(0.3, rel=0.1)


def test_two_steps_each_beside_the_other() -> None:
    x = random(1).standard_normal(120)
    x[30:] += 8
    x[70:] += 8
    first, second = change_points(np.arange(120), x).changes
    assert (first.step, second.step) == (30, 70)
    assert (first.effect, second.effect) == pytest.approx((8, 8), abs=1)


def test_scale_does_not_matter() -> None:
    x = random(0).standard_normal(80)
    x[50:] += 6
    (plain,) = change_points(np.arange(80), x).changes
    for scale in (1e-200, 1e150, -1.0):
        (scaled,) = change_points(np.arange(80), x * scale).changes
        assert (scaled.step, scaled.step_low, scaled.step_high) == (plain.step, plain.step_low, plain.step_high)
        assert scaled.effect == pytest.approx(plain.effect * scale)
        assert scaled.effect_sd == pytest.approx(np.copysign(plain.effect_sd, plain.effect_sd * scale))
        assert scaled.p == pytest.approx(plain.p)


def test_what_cannot_be_told_says_why() -> None:
    few = change_points(np.arange(LEAST_SAMPLES - 1), np.arange(LEAST_SAMPLES - 1.0))
    assert few.reason == "19 finite samples, and fewer than 20 cannot tell a change from drift"
    assert few.changes == ()
    assert np.isnan(few.p)
    gaps = np.arange(30.0)
    gaps[:11] = np.nan
    assert change_points(np.arange(30), gaps).reason.startswith("19 finite samples")
    assert change_points(np.arange(40), np.full(40, 0.1)).reason == "the series is constant"
    assert change_points(np.arange(40), np.repeat([1, np.nextafter(1, 2)], 20)).reason == "the series is constant"
    assert change_points([], []).reason
    told = change_points(np.arange(40), random(2).standard_normal(40))
    assert (told.reason, told.samples) == ("", 40)
    assert told.model


def test_gaps_are_left_out_and_uneven_spacing_is_told() -> None:
    x = np.repeat([0.0, 1.0], [20, 20])
    x[[3, 19, 20]] = [np.nan, np.inf, np.nan]
    result = change_points(np.arange(40), x)
    (change,) = result.changes
    assert change.step == 21
    assert (result.samples, result.uneven) == (37, True)
    assert not change_points(7 * np.arange(40), np.arange(40.0)).uneven


def test_what_is_no_series_is_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        change_points(np.arange(3), np.zeros(4))
    with pytest.raises(ValueError, match="ascend"):
        change_points(np.zeros(10), np.zeros(10))
    with pytest.raises(ValueError, match="thin the series"):
        change_points(np.arange(3000), np.zeros(3000))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("n", [120, 400])
@pytest.mark.parametrize("kind", WITHOUT_CHANGE)
def test_at_most_one_in_twenty_raises_an_alarm(kind: str, n: int) -> None:
    found = [change_points(np.arange(n), WITHOUT_CHANGE[kind](random(i), n)).changes for i in range(1000)]
    assert sum(map(bool, found)) <= 50


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("n", [120, 400])
@pytest.mark.parametrize(("kind", "make", "held"), [("step", planted_step, 0.92), ("gradual", planted_rise, 0.9)])
def test_what_is_planted_is_found(kind: str, make, held: float, n: int) -> None:
    hits, covered = 0, 0
    for seed in range(1000):
        planted = make(random(seed), n)
        change = is_found(kind, planted, change_points(np.arange(n), planted.values).changes)
        hits += change is not None
        covered += change is not None and change.step_low <= planted.at <= change.step_high
    # Of a step the interval holds the place of what is found, of a rise that of all.
    assert hits >= (950 if kind == "step" else 900)
    assert covered >= held * (hits if kind == "step" else 1000)
