"""The line logs: whole lines or none, numbers that JSON lacks, and attempts."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import StrobeError
from etl.run.attempts import read_attempts
from etl.run.journal import Journal, parsed_number, read_lines, read_metrics


def write(path: Path, *rows: dict[str, object]) -> bytes:
    journal = Journal(path)
    for row in rows:
        journal.append(row)
    journal.close()
    return path.read_bytes()


def test_a_line_as_written(tmp_path: Path) -> None:
    data = write(tmp_path / "m.jsonl", {"step": 1, "time": 2.5, "loss": math.nan, "up": math.inf, "down": -math.inf})
    assert data == b'{"step":1,"time":2.5,"loss":"NaN","up":"Infinity","down":"-Infinity"}\n'


@given(st.floats(width=64))
def test_every_float_survives(value: float) -> None:
    text = json.dumps("NaN" if math.isnan(value) else value) if math.isfinite(value) or math.isnan(value) else None
    if text is None:
        text = '"Infinity"' if value > 0 else '"-Infinity"'
    back = parsed_number(json.loads(text))
    assert back == value or (back is not None and math.isnan(back) and math.isnan(value))


@pytest.mark.parametrize("value", [True, None, "nan", "1.5", [1], {}, 10**400])
def test_what_is_no_number(value: object) -> None:
    assert parsed_number(value) is None


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """A log cut anywhere gives its whole lines, no bad one, and the place to read on."""
    path = tmp_path / "m.jsonl"
    data = write(path, *[{"step": step, "time": 1.0, "note": "é\n"} for step in range(3)])
    ends = [index + 1 for index, byte in enumerate(data) if byte == 10]
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        lines = read_lines(path)
        whole = [end for end in ends if end <= cut]
        assert len(lines.rows) == len(whole)
        assert lines.end == (whole[-1] if whole else 0)
        assert not lines.bad


def test_reading_on_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, {"step": 0, "time": 1.0})
    first = read_metrics(path)
    write(path, {"step": 1, "time": 2.0})
    assert read_metrics(path, first.end).rows == [{"step": 1, "time": 2.0}]


def test_the_next_writer_ends_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"step":0,"time":1}\n{"step":1,"ti')
    write(path, {"step": 1, "time": 2.0})
    lines = read_metrics(path)
    assert [row["step"] for row in lines.rows] == [0, 1]
    assert len(lines.bad) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json", "not JSON"),
        (b"[1,2]", "a JSON list"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\0" * 11_363, "NUL bytes"),
        (b'{"time":1}', "step is None"),
        (b'{"step":1.0,"time":1}', "step is 1.0"),
        (b'{"step":true,"time":1}', "step is True"),
        (b'{"step":-1,"time":1}', "step is -1"),
        (b'{"step":1,"time":"NaN"}', "time is 'NaN'"),
        (b'{"step":1,"time":1,"attempt":"x"}', "attempt is 'x'"),
        (b'{"step":1,"time":1,"x":' + b"9" * 5000 + b"}", "the number 9999"),
        (b'{"step":1,"time":1,"x":"\xff"}', "not JSON"),
        (b'{"step":1,"time":1,"loss":1e400}', "the number 1e400 is out of range"),
        (b'{"step":1,"time":1,"x":{"deep":[-2.5E+309]}}', "the number -2.5E+309 is out of range"),
        (b'{"step":1,"time":1,"n":1' + b"0" * 400 + b"}", "the number 1000"),
    ],
)
def test_bad_lines_are_counted_with_a_reason(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"step":0,"time":1}\n' + line + b'\n\n{"step":2,"time":1}\n')
    lines = read_metrics(path)
    assert [row["step"] for row in lines.rows] == [0, 2]
    assert [text.startswith(reason) for text in (each.reason for each in lines.bad)] == [True]


def test_a_head_of_nul_bytes_does_not_hide_the_line_after_it(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"\0" * 11_363 + b'{"step":7,"time":1}\n')
    assert read_metrics(path).rows[0]["step"] == 7


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.jsonl")
    with pytest.raises(StrobeError, match="not a regular file"):
        read_lines(tmp_path / "m.jsonl")


def test_attempts(tmp_path: Path) -> None:
    write(
        tmp_path / "attempts.jsonl",
        {"attempt": 0, "step": 0, "time": 1.0, "training": {}},
        {"attempt": 0, "end": "interrupted", "reason": "SIGTERM", "step": 620, "time": 2.0},
        {"attempt": 1, "step": 500, "time": 3.0, "training": {"learning_rate": 1e-4}},
        {"attempt": 2, "step": 400, "time": 4.0, "training": {}},
        {"attempt": 2, "end": "finished", "step": 1000, "time": 5.0},
    )
    first, second, third = read_attempts(tmp_path)
    assert (first.end, first.reason, first.end_step, first.cut_step) == ("interrupted", "SIGTERM", 620, 400)
    assert (second.step, second.cut_step, second.training) == (500, 400, {"learning_rate": 1e-4})
    assert (third.end, third.end_step, third.end_time, third.cut_step) == ("finished", 1000, 5.0, None)


def test_no_attempts_file(tmp_path: Path) -> None:
    assert read_attempts(tmp_path) == []


def test_a_removed_log_takes_no_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log")
    journal.append({"step": 0})
    (tmp_path / "log").unlink()
    with pytest.raises(FileNotFoundError, match="the log was removed"):
        journal.append({"step": 1})
    journal.close()
