"""What is read off a series at the cursor, against a plain look at its rows: random logs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.store.current import CUTS, current_rows
from etl.store.schema import SCALARS
from strobe.views import curve_sql
from strobe.views.curves import Curve, Points, Smoothing
from strobe.views.lost import Lost, lost
from strobe.views.readings import (
    Cursor,
    Placed,
    Readings,
    State,
    nothing,
    of_rows,
    reading_at,
    readings,
    smoothed,
    smoothed_at,
    stacked,
)
from strobe.views.run_view import Answer

DUCK = duckdb.connect()
LOSS = Curve("a", "loss", "")


@dataclass
class Logged:
    """One run: the first step of each attempt, and the rows (attempt, step, value, tokens) that each wrote."""

    starts: list[int]
    rows: list[tuple[int, int, float, int]]
    status: str = "finished"

    def current(self) -> dict[int, tuple[float, int]]:
        """step -> (value, tokens) of the rows that no later attempt replaced."""
        kept = {}
        for attempt, step, value, tokens in self.rows:
            if all(step < later for later in self.starts[attempt + 1 :]):
                kept[step] = value, tokens
        return kept


@dataclass
class Memory:
    """The tables of some runs with one metric each, without a store."""

    runs: dict[str, Logged]
    snapshots: Sequence[int]
    key: tuple[str, str] = ("", "")

    def once(self, sql: str) -> pa.Table:
        return self.ask(sql).table

    def ask(self, sql: str) -> Answer:
        for name, table in self._tables().items():
            DUCK.register(name, table)
        DUCK.execute(f"CREATE OR REPLACE VIEW scalars AS {current_rows('scalars_all', SCALARS.names)}")
        return Answer(sql, DUCK.sql(sql).to_arrow_table())

    def run(self, run: str) -> Any:
        raise AssertionError(run)

    def _tables(self) -> dict[str, pa.Table]:
        scalars = [
            {"run": run, "attempt": attempt, "name": "loss", "step": step, "value": value, "tokens": tokens}
            for run, logged in self.runs.items()
            for attempt, step, value, tokens in logged.rows
        ]
        cuts = [
            {"run": run, "attempt": attempt, "cut_step": min(logged.starts[attempt + 1 :])}
            for run, logged in self.runs.items()
            for attempt in range(len(logged.starts) - 1)
        ]
        cut_schema = pa.schema([("run", pa.string()), ("attempt", pa.int32()), ("cut_step", pa.int64())])
        return {
            "scalars_all": pa.Table.from_pylist(scalars, SCALARS),
            CUTS: pa.Table.from_pylist(cuts, cut_schema),
            "runs": pa.Table.from_pylist([{"run": run, "status": each.status} for run, each in self.runs.items()]),
            "snapshots": pa.Table.from_pylist([{"run": "a", "step": step, "file": "f"} for step in self.snapshots]),
        }


def looked_up(rows: dict[float, tuple[int, float]], place: float, status: str) -> tuple[float, float, State]:
    """(step, value, state) of place -> (step, value), the slow way."""
    before = [key for key in rows if key <= place]
    if not before:
        return math.nan, math.nan, State.NOT_YET
    last = sorted(rows)[-2:]
    over = status != "running" and place > last[-1] + (last[-1] - last[0])
    step, value = rows[max(before)]
    return step, value, State.ENDED if over else State.RECORDED


def agree(read: Readings, expected: Sequence[tuple[float, float, State]]) -> None:
    steps, values, states = zip(*expected, strict=True)
    np.testing.assert_array_equal(read.step[0], np.array(steps, float))
    np.testing.assert_array_equal(read.value[0], np.array(values, float))
    assert read.state[0].tolist() == list(states)


def read_everywhere(tables: Memory, cursor: Cursor, placed: Placed) -> Readings:
    """`readings`, which has to be what `reading_at` gives for each step alone."""
    read = readings(tables, cursor, placed)
    for k, step in enumerate(cursor.steps):
        one = replace(cursor, steps=(step,), xs=tuple(cursor.xs[k : k + 1]))
        alone = reading_at(tables, one, placed)
        for name in ("step", "value", "state"):
            np.testing.assert_array_equal(
                getattr(alone, name)[0, 0], getattr(read, name)[0, k], err_msg=f"{step} {name}"
            )
    return read


VALUES = st.floats(width=64) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])


@st.composite
def logs(draw: Any) -> Logged:
    """Attempts that resume anywhere, each with its own gaps; tokens rise with the step, a few steps at a time."""
    starts = [0, *draw(st.lists(st.integers(0, 60), max_size=2))]
    rows = [
        (attempt, step, draw(VALUES), step // 3)
        for attempt, start in enumerate(starts)
        for step in sorted(draw(st.sets(st.integers(start, start + 60), max_size=12)))
    ]
    return Logged(starts, rows, draw(st.sampled_from(["finished", "running", "failed", "unknown"])))


ORIGINS = st.integers(-50, 50)
SNAPSHOTS = st.sets(st.integers(0, 150), min_size=1, max_size=8).map(sorted)


@settings(max_examples=25)
@given(
    first=logs(), second=logs(), snapshots=SNAPSHOTS, origins=st.tuples(st.integers(-50, 50), st.integers(-50, 50))
)
def test_every_reading_is_the_last_row_there_or_before(
    first: Logged, second: Logged, snapshots: list[int], origins: tuple[int, int]
) -> None:
    tables = Memory({"a": first, "b": second}, snapshots)
    series = [Placed(Curve(run, "loss", ""), float(at)) for run, at in zip("ab", origins, strict=True)]
    for number, logged in enumerate((first, second)):
        read = read_everywhere(tables, Cursor("a", snapshots, "step", float(origins[0])), series[number])
        assert read.at == tuple(snapshots)
        shift = origins[0] - origins[number]
        rows = {float(step + shift): (step, value) for step, (value, _) in logged.current().items()}
        agree(read, [looked_up(rows, step, logged.status) for step in snapshots])


@settings(max_examples=15)
@given(first=logs(), second=logs(), snapshots=SNAPSHOTS)
def test_on_another_axis_the_cursor_s_own_run_is_read_by_step_and_others_where_the_cursor_stands(
    first: Logged, second: Logged, snapshots: list[int]
) -> None:
    tables = Memory({"a": first, "b": second}, snapshots)
    xs = [step / 3 for step in snapshots]
    series = [Placed(Curve(run, "loss", ""), 2.0) for run in "ab"]
    cursor = Cursor("a", snapshots, "tokens", 2.0, [x - 2.0 for x in xs])
    own = {float(step): (step, value) for step, (value, _) in first.current().items()}
    agree(read_everywhere(tables, cursor, series[0]), [looked_up(own, step, first.status) for step in snapshots])
    other = {}
    for step, (value, tokens) in sorted(second.current().items()):
        other[float(tokens)] = step, value
    nowhere = (math.nan, math.nan, State.NO_PLACE)
    expected = [looked_up(other, x, second.status) if other else nowhere for x in xs]
    agree(read_everywhere(tables, cursor, series[1]), expected)


def test_words_of_each_state() -> None:
    rows = [(0, step, float(step), step) for step in (10, 20, 30)]
    read = readings(Memory({"a": Logged([0], rows)}, STEPS := (0, 10, 25, 40, 41)), Cursor("a", STEPS), Placed(LOSS))
    assert [State(state).name for state in read.state[0]] == ["NOT_YET", "RECORDED", "RECORDED", "RECORDED", "ENDED"]
    assert read.step[0][1:].tolist() == [10, 20, 30, 30]
    live = readings(Memory({"a": Logged([0], rows, "running")}, STEPS), Cursor("a", STEPS), Placed(LOSS))
    assert live.state[0].tolist()[-1] == State.RECORDED, "what still runs has not ended"


def test_one_row_ends_at_once_and_no_row_is_not_yet() -> None:
    tables = Memory({"a": Logged([0], [(0, 5, 1.0, 0)]), "b": Logged([0], [])}, (5, 6))
    both = [Placed(LOSS), Placed(Curve("b", "loss", ""))]
    read = stacked([read_everywhere(tables, Cursor("a", (5, 6)), each) for each in both])
    assert read.state.tolist() == [[State.RECORDED, State.ENDED], [State.NOT_YET, State.NOT_YET]]


def test_a_run_without_a_row_on_the_axis_is_not_on_it() -> None:
    tables = Memory({"a": Logged([0], [(0, 5, 1.0, 0)]), "b": Logged([0], [(0, 5, 1.0, 0)])}, (5,))
    cursor, other = Cursor("a", (5,), "epoch", 0.0, (0.0,)), Placed(Curve("b", "loss", ""))
    assert read_everywhere(tables, cursor, other).state.tolist() == [[State.NO_PLACE]]
    assert read_everywhere(tables, cursor, Placed(LOSS)).state.tolist() == [[State.RECORDED]], (
        "its own run is read by step"
    )


def test_the_query_that_is_shown_gives_the_number() -> None:
    rows = [(0, step, float(step), step) for step in range(0, 100, 7)]
    tables = Memory({"a": Logged([0], rows)}, (30, 40))
    read = readings(tables, Cursor("a", (30, 40)), Placed(LOSS))
    for k, step in enumerate((30, 40)):
        (row,) = tables.ask(curve_sql.reading("a", "loss", step)).table.to_pylist()
        assert (row["step"], row["value"]) == (read.step[0, k], read.value[0, k])


@settings(max_examples=25)
@given(
    values=st.lists(st.floats(-1e3, 1e3) | st.just(math.nan), min_size=1, max_size=30),
    name=st.sampled_from(["ema-0.5", "ema-0.99", "mean-3", "mean-11"]),
    at=SNAPSHOTS,
)
def test_what_is_smoothed_is_the_whole_series_and_belongs_to_the_same_row(
    values: list[float], name: str, at: list[int]
) -> None:
    rows = [(0, 5 * k, value, k) for k, value in enumerate(values)]
    recorded = readings(Memory({"a": Logged([0], rows)}, at), Cursor("a", at), Placed(LOSS))
    finite = [(step, value) for _, step, value, _ in rows if math.isfinite(value)]
    steps, ys = (np.array([row[k] for row in finite], float) for k in (0, 1))
    whole = Smoothing(name).of(ys)
    read = smoothed(recorded, Points(steps, steps, whole))
    by_step = dict(zip(steps, whole, strict=True))
    assert read.value[0].tolist() == pytest.approx(
        [by_step.get(step, math.nan) for step in recorded.step[0]], nan_ok=True
    )
    np.testing.assert_array_equal(read.step[0], recorded.step[0])


def test_smoothed_points_in_the_order_of_another_axis_are_found_by_their_step() -> None:
    points = Points(np.array([30.0, 10.0, 20.0]), np.array([1.0, 2.0, 3.0]), np.array([0.3, 0.1, 0.2]))
    found = smoothed_at(points, np.array([10.0, 15.0, 30.0, math.nan]))
    assert found.tolist() == pytest.approx([0.1, math.nan, 0.3, math.nan], nan_ok=True)
    assert np.isnan(smoothed_at(Points(*np.zeros((3, 0))), np.array([1.0]))).all()


def test_rows_at_hand_tell_null_from_nan_and_from_nothing_yet() -> None:
    table = pa.table({
        "series": ["x", "x", "x", "y"], "step": [20, 10, 30, 10],
        "value": pa.array([math.nan, 1.0, None, 7.0]),
    })  # fmt: skip
    read = of_rows(table, ["x", "y", "z"], (5, 10, 25, 30))
    S = State
    assert read.state.tolist() == [
        [S.NOT_YET, S.RECORDED, S.RECORDED, S.NOT_MEASURED], [S.NOT_YET, *[S.RECORDED] * 3], [S.NOT_YET] * 4,
    ]  # fmt: skip
    assert read.step[0].tolist() == pytest.approx([math.nan, 10, 20, 30], nan_ok=True)
    assert read.value[0].tolist() == pytest.approx([math.nan, 1, math.nan, math.nan], nan_ok=True)
    assert read.value[1].tolist()[1:] == [7.0, 7.0, 7.0]
    assert of_rows(table, ["x"], ()).value.shape == (1, 0)


def test_readings_are_put_together_line_by_line() -> None:
    table = pa.table({"series": ["x", "y"], "step": [0, 0], "value": [1.0, 2.0]})
    read = of_rows(table, ["x", "y"], (0,))
    both = stacked([read.rows([1]), read.rows([0])])
    assert both.value.tolist() == [[2.0], [1.0]]
    assert {name: array.dtype.str for name, array in both.arrays().items()} == {
        "read_step": "<f8", "read_value": "<f8", "read_state": "|u1",
    }  # fmt: skip
    assert stacked([]).at == nothing().at == ()


def test_stretches_that_are_not_finite_are_found_with_their_first_step() -> None:
    values = [1.0, math.nan, math.inf, 2.0, -math.inf, 3.0, 4.0, math.nan]
    rows = [(0, 10 * k, value, k) for k, value in enumerate(values)]
    found = lost(Memory({"a": Logged([0], rows)}, (0,)), LOSS, origin=5.0)
    assert found == (
        Lost(5.0, 15.0, 10, nan=1, up=1, down=0), Lost(35.0, 35.0, 40, nan=0, up=0, down=1),
        Lost(65.0, 65.0, 70, nan=1, up=0, down=0),
    )  # fmt: skip
    assert lost(Memory({"a": Logged([0], rows[:1])}, (0,)), LOSS) == ()
