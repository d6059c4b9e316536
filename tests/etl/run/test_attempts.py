"""Lines of the log of attempts that tell of none are named, and cost no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.run.attempts import ATTEMPTS, read_attempts, read_log
from etl.run.verify import verify_run
from tests.support.make_run import make_run

START = b'{"attempt":0,"step":0,"time":1.0,"training":{}}\n'
BAD = {
    b"[1]": "a JSON list, not an object",
    b"\xff\xfe": "not JSON",
    b'{"attempt":1,"time":2.0}': "step is None, not a whole number from 0 to 2^53",
    b'{"attempt":1,"step":-3}': "step is -3, not a whole number from 0 to 2^53",
    b'{"attempt":1,"step":9007199254740993}': "step is 9007199254740993, not",
    b'{"attempt":7,"end":"finished","step":9}': "ends attempt 7, which did not start before",
    b'{"attempt":"0","end":"finished","step":9}': "ends attempt '0', which did not start before",
    b'{"attempt":0,"end":"exploded","step":9}': "end is 'exploded', not one of finished, interrupted, failed",
    b'{"attempt":3,"time":2.0,"lost":{"missed":1}}': "counts losses of attempt 3, which is not the last",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_named_and_costs_no_other(line: bytes, tmp_path: Path) -> None:
    end = b'{"attempt":0,"end":"finished","step":9,"time":3.0}\n'
    (tmp_path / ATTEMPTS).write_bytes(START + line + b"\n" + end)
    attempts, lines = read_log(tmp_path)
    assert [(attempt.step, attempt.end, attempt.end_step) for attempt in attempts] == [(0, "finished", 9)]
    assert [bad.line for bad in lines.bad] == [2]
    assert lines.bad[0].reason.startswith(BAD[line])


def test_sound_lines_have_no_fault(tmp_path: Path) -> None:
    lost = b'{"attempt":0,"time":2.0,"lost":{"recorded":1,"missed":2}}\n'
    ends = b'{"attempt":0,"end":"failed","step":4,"lost":{"missed":3}}\n{"end":"finished"}\n'
    (tmp_path / ATTEMPTS).write_bytes(START + lost + ends + b'{"attempt":1,"step":4,"time":5.0}\n{"attempt":1,"torn')
    assert not read_log(tmp_path)[1].bad
    assert [attempt.lost for attempt in read_attempts(tmp_path)] == [{"missed": 3}, {}]


def test_verify_names_a_line_that_no_attempt_can_be_read_from(tmp_path: Path) -> None:
    run = make_run(tmp_path / "alpha", steps=(0,), layers=1)
    log = run / ATTEMPTS
    log.write_bytes(log.read_bytes() + b'{"attempt":7,"end":"finished","step":9}\n')
    finding = next(finding for finding in verify_run(run) if finding.name == ATTEMPTS)
    assert finding.status == "bad"
    assert "1 bad lines, first: line 3, at byte" in finding.reason
    assert "ends attempt 7, which did not start before" in finding.reason
