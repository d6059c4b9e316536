"""Phases with planted borders are found, and what is not grokking has none, with the rule that fails."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.analysis.phases import EARNED, EARNED_OF, STEADY, kendall_tau, phases
from tests.support.places import ROOT
from tests.support.random_curves import LOSSES
from tests.support.random_curves import losses as random_losses

STEPS = np.arange(0, 2000, 100)


def losses() -> dict[str, np.ndarray]:
    """Excluded loss least at 500, test loss at half of its peak from 1,000 and at 1% of it from 1,500."""
    test = np.select([STEPS < 1000, STEPS < 1500], [10.0, 4.0], 0.05)
    test[3] = 12.0
    return {
        "train": 4 * np.exp(-STEPS / 100), "test": np.where(test == 4.0, 5.9, test),
        "excluded": 1 + np.abs(STEPS - 500) / 100, "restricted": 4 * np.exp(-STEPS / 600),
    }  # fmt: skip


def test_planted_borders_are_found() -> None:
    found = phases(STEPS, **losses())
    assert found.reason == ""
    assert [tuple(phase) for phase in found.found] == [
        ("memorization", 0, 500), ("circuit formation", 500, 1000), ("cleanup", 1000, 1500),
    ]  # fmt: skip


def test_the_thresholds_move_the_borders() -> None:
    assert [phase.end for phase in phases(STEPS, **losses(), fall=0.2, done=0.001).found] == [500, 1500, 1900]


def test_every_border_is_the_first_step_that_holds_it() -> None:
    """Limits are reached exactly, and the least excluded loss of all lies after the test loss has fallen."""
    test = [8.0, 8.0, 10.0, 6.0, 5.0, 5.0, 0.15, 0.1, 0.1]
    train = [4.0, 2.0, 2.0, 2.0, 2.0, 0.1, 0.0, 0.0, 0.0]
    excluded = [4.0, 2.0, 2.5, 3.0, 3.5, 4.0, 1.0, 0.5, 0.5]
    restricted = [1.0, 4.0, 3.9, 3.8, 3.5, 2.0, 1.0, 1.0, 1.0]
    steps = np.arange(9) * 10
    found = phases(steps, train, test, excluded, restricted)
    assert [phase.end for phase in found.found] == [10, 40, 70]
    train[1] = 2.1
    assert "memorized first" in phases(steps, train, test, excluded, restricted).reason


def test_the_excluded_loss_that_belongs_to_cleanup_is_not_looked_at() -> None:
    made = losses()
    made["excluded"][10] = 0.5
    assert "do not come to carry" in phases(STEPS, **made).reason


def test_a_trend_needs_four_snapshots() -> None:
    train, test = [1.0, 0.1, 0.1, 0.1, 0.1, 0.1], [9.0, 10.0, 9.0, 8.0, 5.0, 0.1]
    excluded, restricted = [2.0, 1.0, 2.0, 3.0, 4.0, 5.0], [4.0, 3.0, 2.0, 1.0, 0.5, 0.1]
    assert [phase.end for phase in phases(range(6), train, test, excluded, restricted).found] == [1, 4, 5]
    test[3] = 5.0
    few = phases(range(6), train, test, excluded, restricted)
    assert few.reason == "circuit formation would have 3 snapshots, and a trend cannot be told below 4"
    columns = (column[:3] for column in (train, test, excluded, restricted))
    assert "3 snapshots have all four" in phases(range(3), *columns).reason


def test_both_trends_must_be_steady() -> None:
    for name in ("excluded", "restricted"):
        made = losses()
        made[name][6:10] = made[name][6:10][::-1]
        reason = phases(STEPS, **made).reason
        assert "do not come to carry" in reason
        assert f"{STEADY} is needed of both" in reason


def test_kendall_tau_is_its_definition() -> None:
    assert (kendall_tau(np.arange(5)), kendall_tau(-np.arange(5)), kendall_tau(np.ones(5))) == (1, -1, 0)
    assert kendall_tau(np.array([1, 3, 2, 4])) == pytest.approx(4 / 6)


def test_steps_where_a_loss_is_not_known_do_not_count() -> None:
    made = losses()
    made["excluded"][5] = np.nan
    assert phases(STEPS, **made).found[0].end in (400, 600)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"test": np.full(20, 3.0)}, "never falls to 50%"),
        ({"train": np.full(20, 4.0)}, "nothing is memorized first"),
        ({"restricted": np.full(20, 4.0)}, "rises with Kendall's tau 1.00 and the restricted one falls with 0.00"),
        ({"excluded": np.full(20, np.nan)}, "0 snapshots"),
    ],
)
def test_what_is_not_grokking_has_no_phases(change: dict[str, np.ndarray], reason: str) -> None:
    found = phases(STEPS, **(losses() | change))
    assert found.found == ()
    assert reason in found.reason


def test_thresholds_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="done below fall"):
        phases(STEPS, **losses(), fall=0.01, done=0.5)
    for fall, done in ((1.0, 0.01), (0.5, 0.0), (0.5, 0.5)):
        with pytest.raises(ValueError, match="done below fall"):
            phases(STEPS, **losses(), fall=fall, done=done)


def earned(kind: str, snapshots: int, count: int) -> float:
    """The share of random curves that get phases."""
    drawn = random_losses(kind, snapshots, count, np.random.default_rng([len(kind), snapshots]))
    return sum(bool(phases(np.arange(snapshots), *curves).found) for curves in drawn) / count


@pytest.mark.parametrize("kind", LOSSES)
def test_random_curves_seldom_earn_phases(kind: str) -> None:
    assert earned(kind, 28, 60) <= 0.1


@pytest.mark.slow
def test_how_often_random_curves_earn_phases_is_what_is_stated() -> None:
    measured = {kind: [earned(kind, snapshots, EARNED_OF) for snapshots in (28, 100)] for kind in LOSSES}
    assert max(map(max, measured.values())) == EARNED
    docs = (ROOT / "docs" / "analyses.md").read_text()
    for kind, (few, many) in measured.items():
        assert f"| {kind} | {few:.1%} | {many:.1%} |" in docs
