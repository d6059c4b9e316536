"""Logs of one JSON object a line: many at once say what they say one by one, and what is left out is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.ingest.find import find
from etl.ingest.reading import json_lines
from etl.ingest.reading.values import is_odd, measure
from etl.ingest.sources.table_jsonl import TableJsonl

_VALUES = st.one_of(
    st.floats(), st.integers(-9, 2**60), st.none(), st.booleans(), st.just(10**400),
    st.lists(st.integers(0, 3), max_size=2),
    st.sampled_from(["NaN", "-Infinity", "1,200.5", "97.5%", "12 ms", "x", "0:03:29", "2024-01-01T00:00:00"]),
    st.dictionaries(st.sampled_from(["a", "_type"]), st.floats(), max_size=2),
)  # fmt: skip
_ROWS = st.fixed_dictionaries(
    {"step": st.one_of(st.integers(0, 50), st.integers(0, 50), _VALUES), "loss": _VALUES},
    optional={"time": st.one_of(st.floats(0, 1e18), _VALUES), "epoch": _VALUES, "tokens": _VALUES, "acc": _VALUES},
)
_LINES = st.sampled_from(
    ['{"step": 1}{"step": 2}', '{"step": 1}, {"step": 2}', "[1]", "{", '{"step": 1, "loss": 1e999}', "", "null", "{}",
     ' {"step": 3, "loss": 2} ', '{"step": 1, "loss": [{"a": 1}', '{"b": 1}]}', '{"step": 4, "step": 5, "loss": 1}']
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_lines_that_are_read_at_once_are_those_that_are_read_one_by_one(tmp_path: Path, data: st.DataObject) -> None:
    row = data.draw(_ROWS)
    same = [json.dumps({**row, "step": step, "loss": step / 2}) for step in range(data.draw(st.integers(0, 20)))]
    lines = same + [json.dumps(each) for each in data.draw(st.lists(_ROWS, max_size=4))]
    for line in data.draw(st.lists(_LINES, max_size=2)):
        lines.insert(data.draw(st.integers(0, len(lines))), line)
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{line}\n" for line in ['{"step": 0, "loss": 1.5, "time": 1700000000}', *lines]))
    at_once = TableJsonl(path).scalars({})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "parsed_objects", lambda _lines: None)
        one_by_one = TableJsonl(path).scalars({})
    assert repr(at_once.rows.to_pylist()) == repr(one_by_one.rows.to_pylist())
    assert (at_once.lost, at_once.resume_from) == (one_by_one.lost, one_by_one.resume_from)


@pytest.mark.parametrize(
    ("value", "number", "odd"),
    [("97.5%", 97.5, False), ("1,200 %", 1200.0, False), ("%", None, False), ("12 ms", None, True),
     ([1, 2], None, True), ("0:03:29", None, False), ("1.2GB", None, True), ("resnet50", None, False),
     ([], None, False), (None, None, False)],
)  # fmt: skip
def test_a_value_is_a_number_or_looks_like_one(value: object, number: float | None, odd: bool) -> None:
    assert (measure(value), is_odd(value)) == (number, odd)


def test_a_field_that_is_no_number_somewhere_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"step": step, "acc": f"{step / 2}%", "memory": "1.2 GB", "note": "x", "bins": [1, 2]} for step in range(30)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (recording,) = find(path)
    log = recording.scalars({})
    assert log.rows["value"].to_pylist() == [step / 2 for step in range(30)], "percent are as they are written"
    assert [(loss.line, loss.reason) for loss in log.lost] == [
        (1, "memory is '1.2 GB', and left out wherever it is no number"),
        (1, "bins is [1, 2], and left out wherever it is no number"),
    ]
    with path.open("a") as file:
        file.write(json.dumps(rows[-1] | {"step": 30}) + "\n")
    assert recording.scalars(log.resume_from).lost == []
