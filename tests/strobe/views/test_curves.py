"""Which points a curve has: thinned without losing a spike, smoothed, aligned, cut to a window; no page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views import curves
from strobe.views.curve_remarks import together
from strobe.views.curves import Alignment, Curve, CurvePoints, Range, Smoothing, available_axes, place_steps, read
from strobe.views.run_view import CatalogueTables
from tests.support.app_store import grokking, log_only
from tests.support.make_run import make_run

SPIKE, MANY = 3333, 5000
WHOLE = Range()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> CatalogueTables:
    """grok-a groks at step 880; second never does; spiky has 5,000 values 0 or 1 and one of 90, an epoch every 100
    steps and two seconds a step; holes has values that are not finite."""
    root = tmp_path_factory.mktemp("curves")
    store = grokking(root)
    ingest([make_run(root / "runs" / "second", steps=range(0, 601, 100), end="interrupted")], store)
    log_only(root, [
        {"step": k, "time": 1.76e9 + 2 * k, "epoch": k / 100, "val_loss": 90.0 if k == SPIKE else k % 2}
        for k in range(MANY)
    ], "spiky")  # fmt: skip
    log_only(root, [
        {"step": k, "time": 1.76e9, "train_loss": "NaN" if k in (3, 5) else 1.0 + k} for k in range(8)
    ], "holes")  # fmt: skip
    return CatalogueTables(Store(store).current(), str(store))


@pytest.fixture(autouse=True, params=[curves.LONG, 1], ids=["queried", "kept whole"])
def _long(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A curve that is kept whole has the points of one that is queried."""
    monkeypatch.setattr(curves, "LONG", request.param)


def fetched(
    tables: CatalogueTables, run: str, part: Range = WHOLE, smoothing: str = "none", metric: str = "val_loss"
) -> CurvePoints:
    curve = Curve(run, metric, "test")
    row = curves.metric_row(tables, curve)
    assert row is not None
    return read(tables, curve, part, Smoothing(smoothing), "the label", row)


def test_thinning_keeps_both_ends_and_the_spike(tables: CatalogueTables) -> None:
    found = fetched(tables, "spiky")
    assert (found.total, found.smoothed, found.remarks) == (MANY, None, ())
    assert len(found.raw.x) <= 2000
    assert dict(zip(found.raw.step, found.raw.y, strict=True))[SPIKE] == 90
    assert found.raw.x[[0, -1]].tolist() == [0, MANY - 1]
    assert (np.diff(found.raw.x) > 0).all()
    assert tables.ask(found.sql).table["n"][0].as_py() == MANY, "the query that is shown is one that runs"


def test_every_point_where_it_is_asked_for(tables: CatalogueTables) -> None:
    found = fetched(tables, "spiky", Range(every_point=True))
    assert found.raw.step.tolist() == list(range(MANY))
    assert found.raw.y.sum() == MANY // 2 + 89
    assert found.remarks == ()


def test_too_many_to_draw_each_is_said(tables: CatalogueTables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MOST_RAW", MANY - 1)
    found = fetched(tables, "spiky", Range(every_point=True))
    assert len(found.raw.x) <= 2000
    assert found.remarks == ("the label: 5,000 points are too many to draw each; zoom in to 4,999.",)
    monkeypatch.setattr(curves, "MOST_RAW", MANY)
    assert len(fetched(tables, "spiky", Range(every_point=True)).raw.x) == MANY


def test_a_window_has_its_own_points(tables: CatalogueTables) -> None:
    found = fetched(tables, "spiky", Range(window=(3000, 3999)))
    assert (found.total, found.raw.x[0], found.raw.x[-1]) == (1000, 3000, 3999)
    assert len(found.raw.x) == 1000, "few enough for each"
    empty = fetched(tables, "spiky", Range(window=(9000, 9999)))
    assert (empty.total, len(empty.raw.x), empty.remarks) == (0, 0, ("the label: nothing in this range.",))


def test_a_mean_is_over_all_points_and_then_cut_to_the_window(tables: CatalogueTables) -> None:
    """At the window's edge the mean still counts what lies outside, among it the spike."""
    found = fetched(tables, "spiky", Range(window=(SPIKE + 1, MANY)), "mean-51")
    assert found.smoothed is not None
    assert (found.smoothed.x.min(), found.raw.y.max()) == (SPIKE + 1, 1)
    # Of the values from 3309 to 3359 one is the spike; of the other 50 25 are 1, since the spike stands for one.
    assert found.smoothed.y[0] == pytest.approx((90 + 25) / 51)
    assert len(found.smoothed.x) <= 2000


def test_a_mean_counts_rows_that_have_no_place_on_the_axis(tmp_path: Path) -> None:
    rows = [
        {"step": k, "time": 1.76e9 + k, "val_loss": float(k)} | ({} if k == 5 else {"epoch": k}) for k in range(9)
    ]
    store = log_only(tmp_path, rows, "gap")
    tables = CatalogueTables(Store(store).current(), str(store))
    on_epochs, on_steps = (fetched(tables, "gap", Range(axis), "mean-3") for axis in ("epoch", "step"))
    assert on_epochs.smoothed is not None
    assert on_steps.smoothed is not None
    by_step = dict(zip(on_steps.smoothed.step, on_steps.smoothed.y, strict=True))
    assert on_epochs.smoothed.step.tolist() == [0, 1, 2, 3, 4, 6, 7, 8]
    assert on_epochs.smoothed.y.tolist() == [by_step[step] for step in on_epochs.smoothed.step]


def test_a_line_breaks_where_values_are_not_finite(tables: CatalogueTables) -> None:
    """One break a stretch, of the raw line and of the smoothed one, and none that the line ends at."""
    raw = fetched(tables, "holes", metric="train_loss").raw
    assert raw.step.tolist() == list(range(8))
    assert np.flatnonzero(np.isnan(raw.y)).tolist() == [3, 5]
    assert raw.count == 6
    smoothed = fetched(tables, "holes", Range(log=True), "mean-3", "train_loss").smoothed
    assert smoothed is not None
    assert np.isnan(smoothed.y).tolist() == np.isnan(raw.y).tolist()
    assert smoothed.y[4] == pytest.approx((3 + 5 + 7) / 3), "the mean of what is finite, as before"


def test_thinning_breaks_a_line_where_a_stretch_has_no_point() -> None:
    x = np.arange(10_000.0)
    y = np.sin(x)
    y[[5, 6]] = np.nan
    y[4000:4100] = np.nan
    y[9990:] = np.nan
    few = curves.thinned(curves.Points(x, x, y), 1000)
    (at,) = np.flatnonzero(np.isnan(few.y))
    assert few.x[at - 1] < 4000 <= few.x[at] < 4100 <= few.x[at + 1]
    assert few.count <= 1000
    every = curves.thinned(curves.Points(x, x, y), 10_000)
    assert every.x[np.isnan(every.y)].tolist() == [5, 4000], "one break a stretch, and none behind the last point"


def test_rows_without_a_place_on_the_axis_are_counted(tmp_path: Path) -> None:
    """As of a run that was resumed by a program that logs no tokens."""
    rows = [
        {"step": k, "time": 1.76e9 + k, "val_loss": 1.0 + k} | ({"tokens": 64 * k} if k < 5 else {}) for k in range(9)
    ]
    store = log_only(tmp_path, rows, "resumed")
    tables = CatalogueTables(Store(store).current(), str(store))
    found = fetched(tables, "resumed", Range("tokens"))
    assert found.raw.x.tolist() == [0, 64, 128, 192, 256]
    (said,) = found.remarks
    assert said == (
        "the label: 4 of 9 rows, from step 5 to 8, were logged without tokens and are left out on this axis."
    )
    assert fetched(tables, "resumed").remarks == ()
    none = fetched(tables, "resumed", Range("epoch"))
    assert none.remarks == (
        "the label: none of its 9 rows was logged with an epoch, so that it has no place on this axis.",
    )


def test_an_exponential_mean_of_what_is_constant_is_that() -> None:
    assert Smoothing("ema-0.9").of(np.full(5, 3.0)) == pytest.approx([3.0] * 5)
    assert Smoothing("mean-3").of(np.array([0.0, 3.0, 0.0])).tolist() == [1.5, 1.0, 1.5]
    values = np.array([1.0, 2.0])
    assert Smoothing().of(values) is values


@pytest.mark.parametrize(
    ("name", "words"),
    [("none", ""), ("ema-0.9", "exponential mean, weight 0.9"), ("mean-1000", "mean of 1,000 points")],
)
def test_smoothing_in_words(name: str, words: str) -> None:
    assert Smoothing(name).words() == words


def test_a_log_axis_leaves_out_zeros_and_says_so(tables: CatalogueTables) -> None:
    found = fetched(tables, "spiky", Range(log=True), "mean-2")
    assert found.raw.y.min() > 0
    assert found.smoothed is not None
    assert found.smoothed.y.min() > 0
    assert found.total == MANY // 2, "every even step is 0 and the spike is odd"
    assert found.remarks == ("the label: values of zero or less have no place on a log axis and are left out.",)


def test_values_that_are_not_finite_are_counted(tables: CatalogueTables) -> None:
    found = fetched(tables, "holes", metric="train_loss")
    assert found.raw.step[np.isfinite(found.raw.y)].tolist() == [0, 1, 2, 4, 6, 7]
    assert found.remarks == ("the label: 6 of 8 values are finite, the first that is not at step 3.",)


def test_a_metric_that_was_not_recorded_has_no_row(tables: CatalogueTables) -> None:
    assert curves.metric_row(tables, Curve("holes", "val_loss", "test")) is None


@pytest.mark.parametrize(
    ("axis", "first", "last"),
    [("step", 0, 4999), ("epoch", 0, 49.99), ("time", 0, 9998), ("clock", 1.76e9, 1.76e9 + 9998)],
)
def test_every_axis_that_was_logged(tables: CatalogueTables, axis: str, first: float, last: float) -> None:
    found = fetched(tables, "spiky", Range(axis))
    assert found.raw.x[[0, -1]] == pytest.approx([first, last])
    assert axis in available_axes(tables, "spiky")
    assert place_steps(tables, "spiky", axis, [0, MANY - 1]) == pytest.approx([first, last])


def test_an_axis_that_was_not_logged(tables: CatalogueTables) -> None:
    assert available_axes(tables, "spiky") == ["step", "epoch", "time", "clock"]
    assert available_axes(tables, "no such run") == ["step"]
    assert np.isnan(place_steps(tables, "spiky", "tokens", [0, 10])).all()
    assert place_steps(tables, "spiky", "tokens", []).shape == (0,)


def test_between_logged_rows_a_step_stands_linearly(tables: CatalogueTables) -> None:
    (low, middle, high) = place_steps(tables, "grok-a", "time", [400, 440, 480])
    assert low < middle < high


@pytest.mark.parametrize(
    ("alignment", "run", "origin", "words"),
    [
        (Alignment(), "second", 0.0, ""),
        (Alignment("onset"), "grok-a", 880.0, ", from the onset on"),
        (Alignment("onset"), "second", None, ", from the onset on"),
        (Alignment("onset"), "spiky", None, ", from the onset on"),
        (Alignment("step", 1400), "second", 1400.0, ", from step 1,400 on"),
    ],
)
def test_alignment(tables: CatalogueTables, alignment: Alignment, run: str, origin: float | None, words: str) -> None:
    assert alignment.origin(tables, run, "step") == origin
    assert alignment.words() == words


def test_alignment_on_another_axis(tables: CatalogueTables) -> None:
    assert Alignment("step", 100).origin(tables, "spiky", "epoch") == pytest.approx(1.0)
    assert Alignment("step", 100).origin(tables, "spiky", "tokens") is None, "no tokens were logged"
    moved = fetched(tables, "spiky", Range("epoch", origin=1.0, every_point=True))
    assert dict(zip(moved.raw.step, moved.raw.x, strict=True))[100] == pytest.approx(0.0)


def test_what_is_said_of_two_series_is_said_once() -> None:
    said = ["test: none of its 5 rows.", "train: none of its 5 rows.", "test: other.", "test: other.", "plain"]
    assert together(said) == ["test and train: none of its 5 rows.", "test: other.", "plain"]
