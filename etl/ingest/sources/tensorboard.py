"""TensorBoard's event files: scalars, tensors of one number, and least, greatest and mean of histograms.

As in TensorBoard, each folder that event files lie in is a run, and they are read one after another. The training was
begun again where a file that is begun after the others, or the start of a session, goes back behind a step that a tag
has had. Within one file a tag may count as it likes; of two values of a step the later counts. Histograms of
TensorFlow 2, pictures, texts and the graph are left out.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etl.ingest.reading.columns import coded_table
from etl.ingest.reading.event_file import EventRows, fingerprint, is_continued, is_event_file, rows_of
from etl.ingest.reading.event_records import EventRecords
from etl.ingest.reading.named import NamedRecording
from etl.ingest.reading.naming import log_name
from etl.ingest.reading.restarts import Restarts
from etl.ingest.reading.values import EARLIEST, LATEST
from etl.ingest.source import SCALAR_ROWS, Loss, Recording, Scalars, State
from etl.local_files import NotAFileError, name_text, open_regular
from etl.run.attempts import Attempt, with_cuts

_VALIDATION = ("validation", "val", "valid", "eval", "test", "dev")
_SPLITS = ("train", "training", *_VALIDATION)


class EventFiles(NamedRecording):
    """The event files of one folder, or one file of it."""

    source = "tensorboard"

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        super().__init__(path)
        self._files = files
        self._restarts = Restarts({})

    def holds(self, file: Path) -> bool:
        return file in self._files

    def resumes(self, state: State) -> bool:
        """Where every file that is still there goes on as it was, and one is."""
        known = state.get("files", {})
        there = [file for file in self._files if _key(file) in known]
        return bool(there) and all(_continued(file, known[_key(file)]) for file in there)

    def scalars(self, since: State) -> Scalars:
        known = since.get("files", {})
        self._restarts = Restarts(since)
        gathered, files, lost, torn = _Gathered(), dict(known), list[Loss](), 0
        for path in self._files:
            with os.fdopen(open_regular(path), "rb") as file:
                events = EventRecords(file, path.name, int(known.get(_key(path), {}).get("end", 0)))
                if not events.end:
                    self._restarts.begin(_begun(path))
                for records in events:
                    gathered.add(rows_of(records), self._restarts)
                files[_key(path)] = {"end": events.end, "crc": fingerprint(file, events.end)}
                lost, torn = lost + events.lost, torn + events.torn
        return Scalars(gathered.table(), {"files": files, **self._restarts.state}, lost, torn)

    def attempts(self) -> Sequence[Attempt]:
        return with_cuts([Attempt(number, step) for number, step in enumerate(self._restarts.starts or [0])])

    @property
    def name(self) -> str:
        folder = self.path if self.path.is_dir() else self.path.parent
        if folder.name.lower() in _SPLITS:
            return f"{log_name(folder.absolute().parent)}-{folder.name}"
        return log_name(self.path)

    def metric_names(self) -> Mapping[str, str]:
        """Keras calls one metric alike in its folders of training and validation."""
        folder = self.path if self.path.is_dir() else self.path.parent
        split = "val" if folder.name.lower() in _VALIDATION else "train"
        words = {"epoch_loss": "loss", "epoch_accuracy": "accuracy", "loss": "loss", "accuracy": "accuracy"}
        names = {word: f"{split}_{measure}" for word, measure in words.items()}
        return {**names, "epoch_learning_rate": "learning_rate"}


class _Gathered:
    """Rows of stretches, under names that are numbered as they come."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        # Arrays that grow where they lie: what is gathered in parts is scattered among what was freed between them.
        self._columns: tuple[array[Any], ...] = (array("i"), array("i"), array("q"), array("d"), array("d"))

    def add(self, rows: EventRows, restarts: Restarts) -> None:
        known = self._names
        codes = [-1 if name is None else known.setdefault(name, len(known)) for name in rows.name]
        code = np.array(codes, np.int32)
        attempt = restarts.attempts_of(code, rows.step, rows.time, list(known))
        told = code >= 0
        parts: tuple[npt.NDArray[Any], ...] = (code, attempt.astype(np.int32), rows.step, rows.value, rows.time)
        for column, part in zip(self._columns, parts, strict=True):
            column.frombytes(part[told].tobytes())

    def table(self) -> pa.Table:
        if not self._columns[0]:
            return SCALAR_ROWS.empty_table()
        code, attempt, step, value, time = (np.frombuffer(each, each.typecode) for each in self._columns)
        time[~((time > EARLIEST) & (time <= LATEST))] = np.nan
        return coded_table(list(self._names), code, attempt, step, value, time=time)


class EventFolders:
    def find(self, path: Path) -> Sequence[Recording]:
        if not path.is_dir():
            return [EventFiles(path, [path])] if is_event_file(path) else []
        found = [child for child in path.iterdir() if not child.is_dir() and is_event_file(child)]
        return [EventFiles(path, sorted(found, key=lambda file: (_begun(file), file.name)))] if found else []


def _key(path: Path) -> str:
    """What tells a file from the others of its folder in a state: its name, or that in bytes where it is no UTF-8."""
    name = os.fsencode(path.name)
    return path.name if name_text(path.name).encode() == name else name.hex()


def _begun(path: Path) -> float:
    """The time of the first event, which stands behind its tag of one byte."""
    with os.fdopen(open_regular(path), "rb") as file:
        start = file.read(21)
    return float(np.frombuffer(start[13:21], "<f8")[0]) if len(start) == 21 and start[12] == 0x09 else 0.0


def _continued(path: Path, state: Mapping[str, Any]) -> bool:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return is_continued(file, state)
    except NotAFileError:
        return False


SOURCE = EventFolders()
