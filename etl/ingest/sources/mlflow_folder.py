"""A run in MLflow's folder `mlruns/`: a file a metric, of lines `1700000000000 0.5 3` (milliseconds, value, step).

https://github.com/mlflow/mlflow/blob/master/mlflow/store/tracking/file_store.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from etl.ingest.lines import LineLog
from etl.ingest.reading.blocks import starts_with
from etl.ingest.reading.long_rows import LongRows
from etl.ingest.reading.named import NamedRecording
from etl.ingest.reading.values import moment, number, whole_step
from etl.ingest.source import About, Loss, Recording, Scalars, State
from etl.local_files import NotAFileError, name_text, open_regular, read_start
from etl.run.attempts import Attempt

_SAID = re.compile(rb"^(\w+):[ \t]*'?(.*?)'?[ \t\r]*$", re.MULTILINE)
_ENDS = {"3": "finished", "4": "failed", "5": "interrupted"}
"""MLflow's status of a run that has ended, as a number -> ours."""
_MOST_PARAM = 8_000
MOST_LOST = 1_000


class MlflowFolder(NamedRecording):
    """`meta.yaml`, and below `metrics/` a file each."""

    source = "mlflow_folder"

    @cached_property
    def _meta(self) -> Mapping[str, str]:
        return _said(self.path)

    def _files(self) -> Iterator[tuple[str, Path]]:
        """Metrics and their files; a name with "/" lies in a folder."""
        root = self.path / "metrics"
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(files):
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink():
                    yield name_text(path.relative_to(root).as_posix()), path

    def resumes(self, state: State) -> bool:
        known = state.get("files", {})
        there = [(path, known[name]) for name, path in self._files() if known.get(name, {}).get("end")]
        return bool(there) and all(_goes_on(path, before) for path, before in there)

    def scalars(self, since: State) -> Scalars:
        rows, lost, torn = LongRows(), list[Loss](), 0
        files = dict(since.get("files", {}))
        for metric, path in self._files():
            log = LineLog(path, files.get(metric, {}))
            for line in log:
                try:
                    rows.add(metric, *_row(line.text))
                except ValueError as error:
                    lost.append(Loss(path.name, str(error), line.number, line.byte))
            files[metric], torn = log.state, torn + log.torn
            lost += log.long
        more = len(lost) - MOST_LOST
        told = [*lost[:MOST_LOST], *([Loss(self.path.name, f"{more:,} more lines")] if more > 0 else [])]
        return Scalars(rows.table(), {"files": files}, told, torn)

    @property
    def name(self) -> str:
        return self._meta.get("run_name") or self.path.name

    def attempts(self) -> Sequence[Attempt]:
        return (Attempt(0, 0, end=_ENDS.get(_said(self.path).get("status", ""))),)

    def about(self) -> About:
        params = self.path / "params"
        config = {}
        for path in sorted(params.rglob("*")) if params.is_dir() else ():
            if path.is_file() and not path.is_symlink():
                text = read_start(path, _MOST_PARAM).decode(errors="replace")
                config[path.relative_to(params).as_posix()] = text
        return About(self.name, created_at=moment(self._meta.get("start_time")), config=config)


def _row(text: str) -> tuple[int, float, float | None]:
    """(step, value, time) of a line. Raises ValueError."""
    fields = text.split()
    if len(fields) not in (2, 3) or (value := number(fields[1])) is None:
        raise ValueError(f"{text[:40]!r} is not time, value and step")
    return whole_step(fields[2] if len(fields) == 3 else 0), value, moment(fields[0])


def _said(folder: Path) -> dict[str, str]:
    """The texts of `meta.yaml`; none where it says no run."""
    try:
        data = read_start(folder / "meta.yaml", 65_536)
    except NotAFileError:
        return {}
    said = {key.decode(): text.decode(errors="replace") for key, text in _SAID.findall(data)}
    return said if "run_id" in said or "run_uuid" in said else {}


def _goes_on(path: Path, state: State) -> bool:
    with os.fdopen(open_regular(path), "rb") as file:
        return starts_with(file, state)


class MlflowFolders:
    def find(self, path: Path) -> Sequence[Recording]:
        is_one = path.is_dir() and (path / "metrics").is_dir() and _said(path)
        return [MlflowFolder(path)] if is_one else []


SOURCE = MlflowFolders()
