"""The nearest rows of an embedding, by vectors whose angles are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from strobe.views.embedding import Rows
from strobe.views.nearest import neighbours


@dataclass
class Known:
    """An embedding of four tokens at two steps."""

    steps: dict[int, np.ndarray]
    rows = Rows(range(4), 4, ("a", "b", "c", "d"))

    def at(self, step: int) -> np.ndarray:
        return self.steps[step]


def at_angles(*degrees: float) -> np.ndarray:
    turns = np.deg2rad(np.array(degrees))
    lengths = np.arange(1, len(degrees) + 1)[:, None]
    return (lengths * np.stack([np.cos(turns), np.sin(turns)], 1)).astype(np.float32)


def test_neighbours_stand_by_their_angle_at_both_steps() -> None:
    shown = Known({0: at_angles(0, 90, 30, 180), 10: at_angles(0, 10, 60, 180)})
    found = neighbours(shown, 0, 10, 0)  # type: ignore[arg-type]
    places = [(one.label, one.place, one.other_place) for one in found.nearest]
    assert places == [("b", 1, 2), ("c", 2, 1), ("d", 3, 3)]
    assert [one.cosine for one in found.nearest] == pytest.approx([np.cos(np.deg2rad(v)) for v in (10, 60, 180)])
    assert found.nearest[0].other_cosine == pytest.approx(0, abs=1e-6)
    assert list(found.left) == []


def test_those_that_are_near_no_more_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.views.nearest.MOST", 1)
    shown = Known({0: at_angles(0, 90, 30, 180), 10: at_angles(0, 10, 60, 180)})
    found = neighbours(shown, 0, 10, 0)  # type: ignore[arg-type]
    assert [one.label for one in found.nearest] == ["b"]
    assert [(one.label, one.place, one.other_place) for one in found.left] == [("c", 2, 1)]


def test_a_row_without_a_direction_has_no_place() -> None:
    values = at_angles(0, 10, 60, 180)
    values[1], values[3] = 0, np.nan
    found = neighbours(Known({0: values, 1: values}), 0, 1, 0)  # type: ignore[arg-type]
    assert [one.label for one in found.nearest] == ["c"]
    assert list(neighbours(Known({0: values, 1: values}), 1, 1, 0).nearest) == []  # type: ignore[arg-type]
