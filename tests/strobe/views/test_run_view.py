"""Which snapshot stands for a step that has none."""

from __future__ import annotations

from typing import Any, cast

import pytest

from strobe.views.run_view import RunView, index_at_or_before

STEPS = (100, 200, 400)


@pytest.mark.parametrize(
    ("step", "index"), [(0, 0), (99, 0), (100, 0), (199, 0), (200, 1), (399, 1), (400, 2), (9**9, 2)]
)
def test_a_step_without_a_snapshot_shows_the_one_before(step: int, index: int) -> None:
    assert index_at_or_before(STEPS, step) == index
    assert view(STEPS).at_or_before(step) == STEPS[index]


def test_a_run_that_is_shifted_is_looked_at_ahead_of_the_cursor() -> None:
    ahead = view(STEPS).shifted(150)
    assert [ahead.at_or_before(step) for step in (0, 49, 50, 250)] == [100, 100, 200, 400]


def test_without_snapshots_the_step_is_its_own() -> None:
    assert view(()).at_or_before(7) == 7
    assert view(()).shifted(5).at_or_before(7) == 12


def view(steps: tuple[int, ...]) -> RunView:
    return RunView(cast("Any", None), "run", steps)
