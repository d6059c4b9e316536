"""Lines read many at once give what lines read one by one give: values, bad lines with their places and reasons."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.ingest.scalars import scalar_table
from etl.run import plain_lines
from etl.run.journal import Lines, metrics_reader
from etl.run.plain_lines import Block, blocks

KEYS = ("loss", "a:b", 'q"', "é", "", "step", "time", "attempt", "tokens", "epoch", "{", "},{", "\n")
NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False).map(json.dumps)
    | st.integers(-(2**70), 2**70).map(str)
    | st.sampled_from(["0", "-0", "-0.0", "1e400", "-1e400", "1E+308", "1e-400", "9" * 400, "01", "1.", "NaN", "1 2"])
)
VALUES = NUMBERS | st.sampled_from(
    [
        '"NaN"',
        '"Infinity"',
        '"-Infinity"',
        '"nan"',
        "true",
        "null",
        "[1]",
        "[]",
        "{}",
        '{"x":1e999}',
        '"\\ud800"',
        '"',
    ],
)
PAIRS = st.tuples(st.sampled_from(KEYS).map(json.dumps), VALUES).map(":".join)
SOUND = st.tuples(st.integers(0, 3), NUMBERS, NUMBERS).map(
    lambda of: f'{{"a":{of[1]},"b": {of[2]},"step":{of[0]},"time":1.5}}'
)
ODD = st.tuples(
    st.integers(-1, 2**53 + 1), st.lists(PAIRS, max_size=3), st.sampled_from(["", ',"step":1', "}", " {"])
).map(lambda of: f'{{"step":{of[0]},"time":1,{",".join(of[1])}{of[2]}}}')
PIECES = st.sampled_from(
    ['{"a":[{}', "{}]}", '{"a}', '{b":1}', '{"c":1},{"d":2}', "{},5,{}", '{"x":1', "", "\r", "\0", "[1]"]
)
LINES = st.lists(SOUND | SOUND | ODD | PIECES, max_size=12)


def written(folder: Path, lines: Sequence[str]) -> Path:
    path = folder / "metrics.jsonl"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    return path


def comparable(rows: list[dict[str, Any]]) -> list[list[tuple[str, str]]]:
    """NaN equals itself, -0.0 differs from 0.0."""
    return [[(name, repr(value)) for name, value in row.items()] for row in rows]


def tables(path: Path) -> tuple[list[Any], list[Any], Lines, Lines]:
    one_by_one, at_once = metrics_reader(path), metrics_reader(path)
    slow, quick = scalar_table(one_by_one), scalar_table(blocks(at_once))
    return comparable(slow.to_pylist()), comparable(quick.to_pylist()), one_by_one.lines, at_once.lines


@given(LINES, st.sampled_from([40, 200, plain_lines.STRETCH]))
@example(['{"step":1,"time":1,"a}', '{b":1}', '{"step":1,"time":1,"c":1},{"step":2,"time":1,"c":2}', ""], 1 << 18)
@example(['{"step":1,"time":1,"a":1e400}', '{"step":1,"time":1,"a":true}', ""], 1 << 18)
@example(['{"step":1,"time":1,"a":1}', f'{{"step":1,"time":1,"a":{"9" * 400}}}', ""], 1 << 18)
@example(['{"step":1,"time":1,"a":-0}', '{"step":1,"time":1,"a":-0.0}', ""], 1 << 18)
@example(['{"step":1,"time":1,"attempt":2147483648,"a":1}', '{"step":true,"time":1,"a":1}', ""], 1 << 18)
@example(['{"step":1,"time":1,"a":[{}', "{}]}", '{"step":1,"time":1},{"step":2,"time":1}', ""], 1 << 18)
@example(['{"step":1,"time":1,"a":1e400,"a":1}', ""], 1 << 18)
@example(['{"step":9007199254740993,"time":1,"a":1}', ""], 1 << 18)
@example(['{"step":1,"time":"NaN","a":1}', '{"step":1,"time":"Infinity","a":"NaN"}', ""], 1 << 18)
def test_many_at_once_are_as_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], stretch: int
) -> None:
    path = written(tmp_path_factory.mktemp("log"), lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_lines, "STRETCH", stretch)
        slow, quick, told, told_at_once = tables(path)
    assert quick == slow
    assert told_at_once == told


def test_lines_with_the_same_keys_are_one_block(tmp_path: Path) -> None:
    lines = [f'{{"loss":{step / 3},"up":"Infinity","step":{step},"time":1.0}}' for step in range(50)]
    (block,) = blocks(metrics_reader(written(tmp_path, [*lines, ""])))
    assert isinstance(block, Block)
    assert block.keys == ("loss", "up", "step", "time")
    assert list(block.column("step")) == list(range(50))
    assert block.numbers[0::4].tolist() == [step / 3 for step in range(50)]
    assert set(block.numbers[1::4]) == {math.inf}


def test_a_bad_line_is_told_by_its_place_among_plain_ones(tmp_path: Path) -> None:
    sound = '{"step":1,"time":1.0,"loss":2}'
    reader = metrics_reader(written(tmp_path, [sound, sound, "?", sound, '{"step":-1,"time":1}', ""]))
    assert sum(1 for _ in blocks(reader)) == 3
    assert [(bad.line, bad.byte) for bad in reader.lines.bad] == [(3, 62), (5, 95)]


def test_plain_lines_are_not_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        json.dumps({"step": step, "time": 1.0, **{f"m{k}": k / 7 for k in range(step % 3)}}) for step in range(90)
    ]
    reader = metrics_reader(written(tmp_path, [*lines, ""]))
    monkeypatch.setattr(reader, "row", None)
    assert scalar_table(blocks(reader)).num_rows == 90
