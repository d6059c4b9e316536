"""Logs of whatever content: every line in its place, the hopeless ones named, and little memory for any of them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.ingest.scalars import scalar_table
from etl.run import bounded_lines
from etl.run.bounded_lines import MOST_LINE, BoundedLines
from etl.run.journal import metrics_reader, read_metrics


@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"\0" * 8, b"bb", b"\r", b"cccc"])), st.integers(1, 9))
def test_lines_are_those_of_python(pieces: list[bytes], chunk: int) -> None:
    """Whatever the size of a chunk; but that a chunk of NULs is one."""
    data = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded_lines, "_CHUNK", chunk)
        patch.setattr(bounded_lines, "_NULS", b"\0" * chunk)
        lines = BoundedLines(io.BytesIO(data))
        found = list(lines)
    whole = [line for line in data.splitlines(keepends=True) if line.endswith(b"\n")] if b"\r" not in data else None
    python = [line for line in io.BytesIO(data) if line.endswith(b"\n")]
    assert whole is None or whole == python
    assert [line.size for line in found] == [len(line) for line in python]
    assert [line.byte for line in found] == [sum(map(len, python[:k])) for k in range(len(python))]
    assert [(line.data or b"").replace(b"\0", b"") for line in found] == [
        line[:-1].replace(b"\0", b"") for line in python
    ]
    assert (lines.end, lines.torn) == (len(b"".join(python)), len(data) - len(b"".join(python)))
    assert lines.crc == zlib.crc32(b"".join(python))


def test_a_line_that_is_too_long_is_passed_over_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_lines, "MOST_LINE", 100)
    monkeypatch.setattr(bounded_lines, "_CHUNK", 16)
    row = json.dumps({"step": 1, "time": 1.0, "loss": 2.0}).encode() + b"\n"
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(row + b"x" * 500 + b"\n" + row.replace(b"1,", b"2,") + b"y" * 300)
    lines = read_metrics(path)
    assert [each["step"] for each in lines.rows] == [1, 2]
    assert [(bad.line, bad.byte) for bad in lines.bad] == [(2, len(row))]
    assert lines.bad[0].reason.endswith(": 501")
    assert (lines.end, lines.torn) == (2 * len(row) + 501, 300)


def _long(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(200):
            file.write(b"1," * (1 << 19))
        file.write(b"\n")


def _nuls(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(4 << 30)


def _nuls_and_an_end(path: Path) -> None:
    _nuls(path)
    with path.open("ab") as file:
        file.write(b"\n")


def _many(path: Path) -> None:
    with path.open("w") as file:
        file.writelines(f'{{"step":{step},"time":{step / 7},"loss":{step / 3}}}\n' for step in range(1_000_000))


def _many_bad(path: Path) -> None:
    path.write_bytes(b"{}\n" * 1_000_000)


def _values(path: Path) -> None:
    path.write_bytes(b'{"step":1,"time":1.0,"a":[' + b"[]," * (5 << 20) + b"[]]}\n")


_READ = """
import resource, sys
from etl.ingest.scalars import scalar_table
from etl.run.journal import metrics_reader
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
scalar_table([{"step": 1, "loss": 1.0}])
before = peak()
reader = metrics_reader(sys.argv[1])
table = scalar_table(reader)
print(peak() - before, table.num_rows, reader.lines.dropped, reader.lines.torn)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "rows", "dropped", "torn"),
    [
        (_long, 0, 1, 0),
        (_nuls, 0, 0, 4 << 30),
        (_nuls_and_an_end, 0, 1, 0),
        (_many, 1_000_000, 0, 0),
        (_many_bad, 0, 1_000_000, 0),
        (_values, 0, 1, 0),
    ],
)
def test_memory(tmp_path: Path, make: Callable[[Path], None], rows: int, dropped: int, torn: int) -> None:
    """In a process of its own: it grows by less than 150 MB."""
    path = tmp_path / "metrics.jsonl"
    make(path)
    done = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True)
    grown, *found = map(int, done.stdout.split())
    path.unlink()
    assert found == [rows, dropped, torn]
    assert grown < 150, f"{grown} MB"


def test_many_values_in_one_line_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step":1,"time":1.0,"a":[' + b"[]," * 400_000 + b"[]]}\n")
    (bad,) = read_metrics(path).bad
    assert bad.reason == "more than 500,000 values"


def test_the_first_bad_lines_are_named_and_all_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"?\n" * 1_500)
    reader = metrics_reader(path)
    assert scalar_table(reader).num_rows == 0
    assert (len(reader.lines.bad), reader.lines.dropped) == (1_000, 1_500)
    assert MOST_LINE == 16 << 20
