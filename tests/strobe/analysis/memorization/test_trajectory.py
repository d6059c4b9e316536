"""Known shapes, and what is none."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.analysis.memorization.trajectory import acceleration, trajectory_shape, velocity

EPOCHS = np.array([1, 3, 5, 10, 20, 30, 50, 100], float)


def test_a_parabola_is_a_u_with_its_vertex() -> None:
    shape = trajectory_shape(EPOCHS, 0.001 * (EPOCHS - 40) ** 2 - 7)
    assert (shape.kind, shape.reason) == ("U", "")
    assert shape.vertex == pytest.approx(40)
    assert (shape.vertex_low, shape.vertex_high) == pytest.approx((40, 40), abs=1e-6)
    assert shape.r2_quadratic == pytest.approx(1)
    assert shape.bend.effect == pytest.approx(0.001)


def test_upside_down_it_is_an_inverted_u() -> None:
    shape = trajectory_shape(EPOCHS, 7 - 0.001 * (EPOCHS - 40) ** 2)
    assert (shape.kind, round(shape.vertex)) == ("inverted U", 40)


@pytest.mark.parametrize("curve", [(EPOCHS - 100) ** 2, np.exp(-EPOCHS / 15), -np.log(EPOCHS)])
def test_a_minimum_at_the_last_epoch_is_no_u(curve: np.ndarray) -> None:
    assert trajectory_shape(EPOCHS, curve).kind != "U"


def test_a_vertex_without_a_rise_after_it_is_no_u() -> None:
    """The quadratic turns at 78, where the curve lies flat."""
    curve = np.where(EPOCHS < 30, 3.0 - EPOCHS / 10, 0.0)
    shape = trajectory_shape(EPOCHS, curve)
    assert 1 < shape.vertex < 100
    assert shape.kind != "U"


def test_a_curve_that_is_least_at_its_first_epoch_is_no_u() -> None:
    """All else of a U is there: a bend that is told, a vertex inside, a rise behind it."""
    rows = 0.008 * (EPOCHS - 43) ** 2 + np.random.default_rng(1).normal(0, 0.05, (20, len(EPOCHS)))
    assert trajectory_shape(EPOCHS, rows).kind == "U"
    rows[:, 0] -= 17
    shape = trajectory_shape(EPOCHS, rows)
    assert shape.bend.low > 0
    assert 1 < shape.vertex < 100
    assert shape.kind == "cannot tell"


def test_a_line_is_linear_and_a_saturating_curve_monotone() -> None:
    assert trajectory_shape(EPOCHS, 3 - 0.02 * EPOCHS).kind == "linear"
    noisy = np.log(EPOCHS) + np.random.default_rng(0).normal(0, 0.2, (30, 8))
    assert trajectory_shape(EPOCHS, noisy).kind == "monotone"


def test_noise_and_standing_still_cannot_be_told() -> None:
    noise = np.random.default_rng(3).normal(0, 1, (20, 8))
    assert trajectory_shape(EPOCHS, noise).kind == "cannot tell"
    still = trajectory_shape(EPOCHS, np.full(8, 2.0))
    assert (still.kind, still.reason) == ("cannot tell", "the values do not change")
    assert "too few: 2 epochs" in trajectory_shape(EPOCHS[:2], np.arange(2.0)).reason


def test_a_planted_u_of_passages_is_found_with_its_vertex() -> None:
    generator = np.random.default_rng(1)
    rows = 0.001 * (EPOCHS - 40) ** 2 + generator.normal(0, 1, (40, 1)) + generator.normal(0, 0.3, (40, 8))
    shape = trajectory_shape(EPOCHS, rows)
    assert shape.kind == "U"
    assert shape.vertex_low <= 40 <= shape.vertex_high < 60


def test_three_epochs_have_no_bend() -> None:
    rows = np.array([1.0, 2.0, 9.0]) + np.random.default_rng(0).normal(0, 0.1, (20, 3))
    shape = trajectory_shape(EPOCHS[:3], rows)
    assert shape.kind == "monotone"
    assert "3 epochs of at least 5" in shape.bend.reason


def test_epochs_must_ascend() -> None:
    with pytest.raises(ValueError, match="do not all ascend"):
        trajectory_shape(np.array([1.0, 1.0, 2.0]), np.zeros(3))


def test_velocities_of_uneven_epochs_stand_in_the_middle_of_their_intervals() -> None:
    epochs = np.array([1.0, 3.0, 10.0, 30.0])
    at, speed = velocity(epochs, epochs**2)
    assert at.tolist() == [2.0, 6.5, 20.0]
    assert speed.tolist() == [4.0, 13.0, 40.0]
    between, change = acceleration(epochs, np.stack([epochs**2, 3 * epochs]))
    assert between.tolist() == [4.25, 13.25]
    assert change.tolist() == [[2.0, 2.0], [0.0, 0.0]]
