"""Text logs whose usual lines are read at once: that they say what reading them by a regular expression says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.ingest.find import sources
from etl.ingest.reading.patterns import PatternLog
from etl.ingest.source import Recording, Scalars
from tests.support.foreign_logs import FOREIGN, LineLogExample
from tests.support.impostors import STEPS

KINDS = ["build_nanogpt", "build_nanogpt_stdout", "llmc_log", "llmc_stdout", "modded_nanogpt", "nanogpt"]
_NUMBERS = st.sampled_from(
    [b"nan", b"-nan", b"inf", b"1e999", b"1,234.5", b"+4", b"-0", b".5", b"5.", b"1e-3", b"", b"-", b"1_0", b"0x1",
     b"00000000000000000007", b"12345678901234567890", b" 2", b"2 ", b"1.2.3", b"infinity", b"Infinity", b"1e", b"z)"]
)  # fmt: skip
_LINES = st.sampled_from(
    [b"\n", b"prose\n", b"\x01\x02\n", b"caf\xe9\n", b"\0\n", b"val loss 3.5\n", b"\rstep 3", b"\r\n"]
)


def example(kind: str) -> LineLogExample:
    log = FOREIGN[kind]
    assert isinstance(log, LineLogExample)
    return log


def recording(kind: str, path: Path) -> PatternLog:
    (found,) = sources()[kind].find(path)
    assert isinstance(found, PatternLog)
    return found


def one_by_one(log: PatternLog) -> PatternLog:
    """The same log, all of its lines read by the regular expression."""
    log.shape = dataclasses.replace(log.shape, usual=None)  # type: ignore[misc]
    return log


def read(log: Recording, since: object = None) -> Scalars:
    return log.scalars(since or {})  # type: ignore[arg-type]


def said(log: Scalars) -> tuple[object, ...]:
    return repr(log.rows.to_pylist()), list(log.lost), log.resume_from, log.torn


@st.composite
def texts(draw: st.DrawFn, kind: str) -> bytes:
    """Lines of a log, numbers in some of them other ones, other lines between them, some of them twice."""
    lines = [example(kind).lines(step) for step in range(STEPS)]
    for place in draw(st.lists(st.integers(0, STEPS - 1), max_size=4)):
        line = lines[place]
        digits = [at for at, byte in enumerate(line) if chr(byte).isdigit()]
        start = draw(st.sampled_from([0, *digits, len(line) - 1]))
        lines[place] = line[:start] + draw(_NUMBERS) + line[start + draw(st.integers(0, 3)) :]
    for place in draw(st.lists(st.integers(0, STEPS), max_size=4)):
        lines.insert(place, draw(st.one_of(_LINES, st.sampled_from(lines))))
    ends = draw(st.sampled_from([b"\n", b"\r\n", b" \n"]))
    return b"".join(lines).replace(b"\n", ends)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_lines_that_are_read_at_once_are_those_that_are_read_one_by_one(
    kind: str, tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "a.log"
    text = example(kind).begin + b"".join(map(example(kind).lines, range(STEPS)))
    path.write_bytes(text)
    at_once, slowly = recording(kind, path), one_by_one(recording(kind, path))
    text = example(kind).begin + data.draw(texts(kind))
    cut = data.draw(st.integers(0, len(text)))
    path.write_bytes(text[:cut])
    first = read(at_once), read(slowly)
    assert said(first[0]) == said(first[1])
    path.write_bytes(text)
    assert said(read(at_once, first[0].resume_from)) == said(read(slowly, first[1].resume_from))


@pytest.mark.parametrize("kind", KINDS)
def test_the_usual_lines_of_a_log_are_read_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    lines = [example(kind).lines(step) for step in range(STEPS)]
    path.write_bytes(example(kind).begin + b"".join(lines))
    usual = recording(kind, path).shape.usual
    assert usual is not None
    found = usual.read(path.read_bytes())
    assert found is not None
    trained = STEPS * 3 // 4 if kind == "modded_nanogpt" else STEPS
    assert int(found.are.sum()) == len(found.step) == trained
