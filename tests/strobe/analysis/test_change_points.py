"""Change-points: planted ones are found, and noise seldom raises one."""

import numpy as np
import pytest

from strobe.analysis.change_points import change_points


def noise(rng, n, correlation=0.0, heavy=False):
    """AR(1) noise after a burn-in, Gaussian or Student t with three degrees of freedom."""
    x = rng.standard_t(3, n + 100) if heavy else rng.standard_normal(n + 100)
    for i in range(1, len(x)):
        x[i] += correlation * x[i - 1]
    return x[100:]


@pytest.mark.parametrize(("correlation", "heavy"), [(0.0, False), (0.0, True), (0.5, False), (0.8, False)])
@pytest.mark.parametrize("n", [60, 200])
def test_fewer_than_one_in_twenty_noise_series_raises_an_alarm(n, correlation, heavy):
    rng = np.random.default_rng(n)
    alarms = sum(bool(change_points(np.arange(n), noise(rng, n, correlation, heavy))) for _ in range(1000))
    assert alarms < 50


@pytest.mark.parametrize(("n", "shift"), [(60, 5), (200, 4)])
def test_a_planted_change_is_found_within_two_samples(n, shift):
    rng = np.random.default_rng(n + 1)
    off, covered, others = [], 0, 0
    for _ in range(100):
        at = int(rng.integers(n // 5, n - n // 5))
        x = noise(rng, n)
        x[at:] += shift
        found = change_points(10 * np.arange(n), x)
        main = max(found, key=lambda each: abs(each.effect), default=None)
        off.append(abs(main.step / 10 - at) if main else n)
        if main is None:
            continue
        covered += main.step_low <= 10 * at <= main.step_high
        others += len(found) > 1
        assert main.effect == pytest.approx(shift, abs=1.5)
    assert np.mean(np.array(off) <= 2) >= 0.98
    assert covered >= 90
    assert others <= 5


def test_a_noiseless_step_and_two_of_them():
    x = np.repeat([0.0, 1.0, 0.25], [20, 30, 15])
    first, second = change_points(np.arange(65), x)
    assert (first.step, first.step_low, first.step_high, first.effect) == (20, 20, 20, 1)
    assert (second.step, second.effect) == (50, -0.75)
    assert first.standardised == np.inf
    assert second.standardised == -np.inf
    assert first.p < 0.01


@pytest.mark.parametrize(("seed", "correlation"), [(9, 0.0), (6, 0.3), (10, 0.6)])
def test_what_a_change_point_says_follows_its_definition(seed, correlation):
    """Sums of squares about two means for every place of the break, by loops."""
    n = 60
    x = noise(np.random.default_rng(seed), n, correlation)
    x[25:] -= 1.5 / (1 - correlation)
    (found,) = change_points(3 * np.arange(n) + 100, x)
    at = (int(found.step) - 100) // 3
    rss = {k: ((x[:k] - x[:k].mean()) ** 2).sum() + ((x[k:] - x[k:].mean()) ** 2).sum() for k in range(1, n)}
    assert min(rss, key=rss.get) == at
    residual = np.concatenate([x[:at] - x[:at].mean(), x[at:] - x[at:].mean()])
    lagged = (residual[1:] * residual[:-1]).sum() / rss[at]
    mended = np.clip(lagged + (2 + 4 * max(lagged, 0)) / n, 0, 0.98)
    variance = rss[at] / (n - 2)
    close = [k for k in rss if rss[k] - rss[at] <= 7.352 * variance * (1 + mended) / (1 - mended)]
    assert (found.step_low, found.step_high) == (100 + 3 * close[0], 100 + 3 * close[-1])
    assert len(close) > 2
    assert found.effect == pytest.approx(x[at:].mean() - x[:at].mean())
    assert found.standardised == pytest.approx(found.effect / np.sqrt(variance))


def test_a_change_near_the_end_lies_where_two_means_fit_best():
    alone = 0
    for seed in range(20):
        x = noise(np.random.default_rng(seed), 60)
        x[54:] += 3
        found = change_points(np.arange(60), x)
        if len(found) == 1:
            rss = [x[:k].var() * k + x[k:].var() * (60 - k) for k in range(4, 57)]
            assert found[0].step == 4 + int(np.argmin(rss))
            alone += 1
    assert alone > 10


def test_effects_reach_to_the_neighbouring_change_points():
    x = noise(np.random.default_rng(1), 120)
    x[30:] += 8
    x[70:] += 8
    first, second = change_points(np.arange(120), x)
    a, b = int(first.step), int(second.step)
    for found, before, after in ((first, x[:a], x[a:b]), (second, x[a:b], x[b:])):
        assert found.effect == pytest.approx(after.mean() - before.mean())
        rss = before.var() * len(before) + after.var() * len(after)
        assert found.standardised == pytest.approx(found.effect / np.sqrt(rss / (len(before) + len(after) - 2)))


def test_four_samples_on_either_side_are_the_fewest():
    step = np.repeat([0.0, 1.0], [4, 4])
    (found,) = change_points(np.arange(8), step)
    assert (found.step, found.p) == (4, 1 / 1001)
    assert change_points(np.arange(7), step[1:]) == []
    for before in (4, 36):
        (found,) = change_points(np.arange(40), np.repeat([0.0, 1.0], [before, 40 - before]))
        assert found.step == before
    assert all(found.step >= 4 for found in change_points(np.arange(40), np.repeat([0.0, 1.0], [3, 37])))


def test_scale_does_not_matter():
    x = noise(np.random.default_rng(0), 80)
    x[50:] += 5
    plain = change_points(np.arange(80), x)
    assert [each.step for each in plain] == [50]
    for scale in (1e-200, 1e150):
        (scaled,) = change_points(np.arange(80), x * scale)
        assert scaled.step == 50
        assert scaled.effect == pytest.approx(plain[0].effect * scale)
        assert scaled.standardised == pytest.approx(plain[0].standardised)


def test_series_without_a_change():
    steps = np.arange(40)
    assert change_points(steps, np.full(40, 0.1)) == []
    assert change_points(steps, np.repeat([1, np.nextafter(1, 2)], 20)) == []
    assert change_points(steps, 0.1 * steps) == []
    assert change_points(steps[:5], np.array([0, 0, 1, 1, 1.0])) == []
    assert change_points([], []) == []
    assert change_points(np.arange(2000), np.zeros(2000)) == []


def test_gaps_are_left_out():
    x = np.repeat([0.0, 1.0], [20, 20])
    x[[3, 19, 20]] = [np.nan, np.inf, np.nan]
    (found,) = change_points(np.arange(40), x)
    assert found.step == 21


def test_what_is_no_series_is_refused():
    with pytest.raises(ValueError, match="one length"):
        change_points(np.arange(3), np.zeros(4))
    with pytest.raises(ValueError, match="ascend"):
        change_points(np.zeros(10), np.zeros(10))
    with pytest.raises(ValueError, match="thin the series"):
        change_points(np.arange(3000), np.zeros(3000))
