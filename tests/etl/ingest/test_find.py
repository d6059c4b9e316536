"""Which files sources are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from etl.ingest.find import survey
from etl.ingest.source import Recording
from etl.ingest.sources import table_csv
from tests.support.make_run import make_run


def test_nobody_looks_into_what_a_folder_above_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run has thousands of files, and is looked at every two seconds while it grows."""
    make_run(tmp_path / "all" / "run", steps=range(5), layers=1)
    (tmp_path / "all" / "run" / "notes.csv").write_text("step,loss\n1,2\n")
    (tmp_path / "all" / "beside.csv").write_text("step,loss\n1,2\n")
    asked = []

    def find(self: object, path: Path) -> Sequence[Recording]:
        asked.append(path.name)
        return []

    monkeypatch.setattr(type(table_csv.SOURCE), "find", find)
    found = survey(tmp_path / "all")
    assert [recording.path.name for recording in found.recordings] == ["run"]
    assert asked == ["beside.csv"]
    assert [path.name for path in found.passed_over] == ["beside.csv"]
