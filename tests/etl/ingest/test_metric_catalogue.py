"""The catalogue of metrics is what its definition in SQL says, of all rows at once or of some after others."""

from __future__ import annotations

import math

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from etl.ingest.metric_catalogue import metrics_table
from etl.ingest.source import SCALAR_ROWS
from etl.ingest.sources.training_logger import _NAMES
from etl.run.attempts import Attempt, with_cuts
from etl.store.current import CUTS, current_rows
from etl.store.schema import UNITS
from tests.support.duck import cursor

DEFINITION = """
    SELECT name, count(*) AS n, min(step) AS first_step, max(step) AS last_step, arg_max(value, step) AS last_value,
           min(value) FILTER (isfinite(value)) AS min,
           arg_min(step, (value, step)) FILTER (isfinite(value)) AS min_step,
           max(value) FILTER (isfinite(value)) AS max,
           arg_max(step, (value, -step)) FILTER (isfinite(value)) AS max_step,
           count(*) FILTER (NOT isfinite(value)) AS nonfinite,
           min(step) FILTER (NOT isfinite(value)) AS first_nonfinite_step
    FROM ({current}) GROUP BY name ORDER BY name
"""
VALUES = st.sampled_from([0.0, 1.0, -2.5, 1e308, math.nan, math.inf, -math.inf])
KEYS = st.tuples(st.integers(-1, 2), st.sampled_from(["a", "b", "é", ""]), st.integers(0, 9))
ROWS = st.dictionaries(KEYS, VALUES, max_size=25).map(
    # Of one name and step a single current row, whose value is then the last without a doubt.
    lambda rows: {(max(0, step // 4) if attempt >= 0 else -1, n, step): v for (attempt, n, step), v in rows.items()}
)
ATTEMPTS = st.lists(st.integers(0, 9), min_size=1, max_size=4).map(
    lambda steps: with_cuts([Attempt(k, step) for k, step in enumerate(steps)])
)


def table(rows: dict[tuple[int, str, int], float]) -> pa.Table:
    made = [{"attempt": a, "name": name, "step": step, "value": value} for (a, name, step), value in rows.items()]
    return pa.Table.from_pylist(made, SCALAR_ROWS)


def by_definition(rows: pa.Table, attempts: list[Attempt]) -> str:
    cuts = pa.table(
        {"attempt": [a.attempt for a in attempts], "cut_step": [a.cut_step for a in attempts]},
        schema=pa.schema([("attempt", pa.int32()), ("cut_step", pa.int64())]),
    )
    with cursor() as connection:
        connection.register("scalars", rows)
        connection.register(CUTS, cuts)
        sql = DEFINITION.format(current=current_rows("scalars", SCALAR_ROWS.names))
        return repr(connection.sql(sql).to_arrow_table().to_pylist())


def told(catalogue: pa.Table) -> str:
    return repr(catalogue.drop_columns(["source_name", "unit"]).to_pylist())


@given(ROWS, ATTEMPTS)
@example({}, [Attempt(0, 0)])
def test_it_is_what_the_definition_says(rows: dict[tuple[int, str, int], float], attempts: list[Attempt]) -> None:
    assert told(metrics_table(table(rows), attempts, {})) == by_definition(table(rows), attempts)


@given(ROWS, ATTEMPTS, st.integers(0, 25))
def test_what_comes_later_is_added(
    rows: dict[tuple[int, str, int], float], attempts: list[Attempt], cut: int
) -> None:
    one, other = dict(list(rows.items())[:cut]), dict(list(rows.items())[cut:])
    merged = metrics_table(table(other), attempts, {}, metrics_table(table(one), attempts, {}))
    assert told(merged) == told(metrics_table(table(rows), attempts, {}))


def test_a_row_without_a_value_is_none() -> None:
    rows = table({(0, "a", 1): 2.0})
    nothing = pa.Table.from_pylist([{"attempt": 0, "name": name, "step": 5} for name in "ab"], SCALAR_ROWS)
    catalogue = metrics_table(pa.concat_tables([rows, nothing]), [Attempt(0, 0)], {})
    assert catalogue.select(["name", "n", "last_step"]).to_pylist() == [{"name": "a", "n": 1, "last_step": 1}]


def test_memory_is_in_bytes_wherever_its_name_is_given() -> None:
    named = [name for name in _NAMES.values() if name.endswith("_bytes")]
    assert {UNITS.get(name) for name in named} == {"bytes"}
