"""A curve that grows: what is kept and what is read anew come to what the whole log says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views.curves import Curve, Points, long_points
from strobe.views.growing import Grown, grown
from strobe.views.run_view import CatalogueTables
from tests.support.make_run import make_run

CURVE = Curve("live", "train_loss", "train")


class Log:
    """A run whose log is written by lines, and its curve as it was looked at last."""

    def __init__(self, root: Path) -> None:
        self.run, self.store = (
            make_run(root / "live", steps=(0,), layers=1, end=None, metrics_every=10**9),
            root / "s",
        )
        self.seen: Grown | None = None
        (self.run / "metrics.jsonl").write_text("")

    def add(self, *steps: int, value: float = 1.0, attempt: int = 0, tokens: bool = True) -> None:
        with (self.run / "metrics.jsonl").open("a") as file:
            for step in steps:
                more = {"tokens": 3 * step} if tokens else {}
                row = {"step": step, "time": 1e9 + step, "attempt": attempt, "train_loss": value + step, **more}
                file.write(json.dumps(row) + "\n")

    def look(self, axis: str = "step") -> tuple[Grown, Points]:
        """The curve as it has grown, and as it is read whole."""
        ingest([self.run], self.store)
        tables = CatalogueTables(Store(self.store).current().of("live"), "s")
        self.seen = grown(tables, CURVE, axis, self.seen)
        return self.seen, long_points(tables, CURVE, axis)


def same(seen: Grown, whole: Points) -> None:
    for name in ("step", "x", "y"):
        np.testing.assert_array_equal(getattr(seen.points, name), getattr(whole, name))


@pytest.mark.parametrize("axis", ["step", "tokens", "time"])
def test_what_was_logged_since_is_read_and_nothing_else(tmp_path: Path, axis: str) -> None:
    log = Log(tmp_path)
    log.add(*range(100))
    seen, whole = log.look(axis)
    same(seen, whole)
    assert seen.read == 100
    log.add(*range(100, 107))
    seen, whole = log.look(axis)
    same(seen, whole)
    assert seen.read == 7
    assert len(seen.points.x) == 107
    again, _ = log.look(axis)
    assert again is seen


def test_a_step_that_was_logged_again_or_late_is_not_overlooked(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add(0, 1, 2, 5)
    log.look()
    log.add(2, value=50.0)
    log.add(6)
    seen, whole = log.look()
    same(seen, whole)
    assert 52.0 in seen.points.y
    log.add(3, 4)
    seen, whole = log.look()
    same(seen, whole)
    assert seen.points.step.tolist() == [0, 1, 2, 3, 4, 5, 6]
    log.add(7)
    log.add(6, value=float("nan"))
    same(*log.look())


def test_a_later_attempt_takes_the_place_of_what_it_repeats(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add(*range(20))
    log.look()
    with (log.run / "attempts.jsonl").open("a") as file:
        file.write(json.dumps({"attempt": 1, "step": 10, "time": 1e9 + 50}) + "\n")
    log.add(*range(10, 13), value=90.0, attempt=1)
    seen, whole = log.look()
    same(seen, whole)
    assert seen.points.step.tolist() == list(range(13))
    # All is read until the new attempt is where the old one was.
    log.add(*range(13, 21), value=90.0, attempt=1)
    same(*log.look())
    log.add(21, value=90.0, attempt=1)
    seen, whole = log.look()
    same(seen, whole)
    assert seen.read == 1


def test_rows_without_a_place_do_not_hide_what_is_new(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add(0, 1)
    log.add(2, 3, tokens=False)
    same(*log.look("tokens"))
    log.add(4)
    same(*log.look("tokens"))


def test_a_kept_curve_that_ignored_replaced_rows_would_be_seen(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add(0, 1, 2)
    seen, _ = log.look()
    log.add(1, value=7.0)
    log.seen = Grown("old", seen.points, rows=4, replaced=1, attempt=0, read=3)
    with pytest.raises(AssertionError):
        same(*log.look())
