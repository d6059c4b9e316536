"""W&B's own file of a run, run-*.wandb, as it is written offline and online alike.

A log of blocks that holds messages `Record` of wandb/proto/wandb_internal.proto. History, config and exit are read;
statistics of the system have no step and are left out, as media are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from etl.ingest.reading.block_log import BlockLog
from etl.ingest.reading.event_file import fingerprint, is_continued
from etl.ingest.reading.json_records import flat
from etl.ingest.reading.long_rows import LongRows
from etl.ingest.reading.message import double, message_fields, signed
from etl.ingest.reading.named import NamedRecording
from etl.ingest.reading.naming import log_name
from etl.ingest.reading.values import measure, moment, whole_step
from etl.ingest.source import About, Loss, Recording, Scalars, State
from etl.local_files import NotAFileError, name_text, open_regular, read_start
from etl.run.attempts import Attempt

START = b":W&B\xe1\xbe"
_HEADER = 7
_HISTORY, _CONFIG, _RUN, _EXIT = 2, 5, 17, 18
_FIRST_RECORDS = 100
"""Records among which the one of the run stands, which is the first but one or two."""


class WandbOffline(NamedRecording):
    source = "wandb_offline"

    def __init__(self, path: Path, files: Sequence[Path] = ()) -> None:
        super().__init__(path)
        self._files = files or [path]
        self.run_key = self._files[0].name if files else ""
        self._said: dict[str, Any] = {}

    def holds(self, file: Path) -> bool:
        return file in self._files

    def _known(self, state: State) -> Mapping[str, Mapping[str, int]]:
        """How far each file was read; a run of one file alone keeps that without the file's name."""
        if "files" in state:
            return dict(state["files"])
        return {_key(self._files[0]): {"end": state["end"], "crc": state["crc"]}} if "end" in state else {}

    def resumes(self, state: State) -> bool:
        known = self._known(state)
        there = [file for file in self._files if _key(file) in known]
        return bool(there) and all(_goes_on(file, known[_key(file)]) for file in there)

    def scalars(self, since: State) -> Scalars:
        self._said = dict(since.get("said", {}))
        rows, lost, torn, files = LongRows(), list[Loss](), 0, dict(self._known(since))
        for path in self._files:
            with os.fdopen(open_regular(path), "rb") as file:
                log = BlockLog(file, path.name, int(files.get(_key(path), {}).get("end", _HEADER)))
                if log.end == _HEADER:
                    self._said.pop("end", None)
                for byte, record in log:
                    try:
                        self._take(record, rows)
                    except ValueError as error:
                        lost.append(Loss(path.name, str(error), byte=byte))
                files[_key(path)] = {"end": log.end, "crc": fingerprint(file, log.end)}
            lost, torn = [*log.lost, *lost], torn + log.torn
        (last, *more) = [files[_key(path)] for path in self._files]
        state = {"files": files} if more else dict(last)
        return Scalars(rows.table(), {**state, "said": self._said}, lost, torn)

    def _take(self, record: bytes, rows: LongRows) -> None:
        """Raises ValueError for a history without a step that is one."""
        for number_, content in message_fields(record):
            if not isinstance(content, bytes):
                continue
            if number_ == _HISTORY:
                _history(content, rows)
            elif number_ == _CONFIG:
                self._said["config"] = {**self._said.get("config", {}), **_config(content)}
            elif number_ == _EXIT:
                code = dict(message_fields(content)).get(1, 0)
                self._said["end"] = "finished" if code == 0 else "failed"

    @cached_property
    def _run(self) -> Mapping[int, bytes | int]:
        """The message `RunRecord`; empty where none is near the beginning."""
        with os.fdopen(open_regular(self._files[0]), "rb") as file:
            for _, (_, record) in zip(range(_FIRST_RECORDS), BlockLog(file, "", _HEADER), strict=False):
                run = dict(message_fields(record)).get(_RUN)
                if isinstance(run, bytes):
                    return dict(message_fields(run))
        return {}

    @property
    def name(self) -> str:
        """The run's display name, else its id."""
        for number_ in (8, 1):
            text = self._run.get(number_)
            if isinstance(text, bytes) and text:
                return text.decode(errors="replace")
        return log_name(self._files[0])

    def attempts(self) -> Sequence[Attempt]:
        return (Attempt(0, 0, end=self._said.get("end")),)

    def about(self) -> About:
        started, first = self._run.get(17), self._run.get(4)
        seconds = dict(message_fields(started)).get(1) if isinstance(started, bytes) else None
        config = _config(first) if isinstance(first, bytes) else {}
        return About(self.name, created_at=moment(seconds), config={**config, **self._said.get("config", {})})


def _items(content: bytes) -> Iterator[tuple[str, Any]]:
    """Names and values of the items (field 1) of a history or a config."""
    for number_, item in message_fields(content):
        if number_ != 1 or not isinstance(item, bytes):
            continue
        name, nested, value = b"", list[bytes](), None
        for part, held in message_fields(item):
            if part == 1 and isinstance(held, bytes):
                name = held
            elif part == 2 and isinstance(held, bytes):
                nested.append(held)
            else:
                value = _value(part, held)
        yield b"/".join(nested or [name]).decode(errors="replace"), value


def _value(part: int, held: bytes | int) -> Any:
    """What an item holds, as JSON or as a number; None for what is neither."""
    from pydantic_core import from_json

    try:
        if part in (8, 16) and isinstance(held, bytes):
            return from_json(held)
        return signed(held) if part == 5 else double(held) if part == 6 else None
    except ValueError:
        return None


def _config(content: bytes) -> dict[str, Any]:
    return {name: value for name, value in _items(content) if name.partition("/")[0] != "_wandb"}


def _history(content: bytes, rows: LongRows) -> None:
    record = dict(_items(content))
    said = dict(message_fields(content)).get(2)
    step = record.get("_step")
    if isinstance(said, bytes):
        step = signed(dict(message_fields(said)).get(1, 0))
    whole, time = whole_step(step), moment(record.get("_timestamp"))
    for name, raw in flat(record):
        if not name.startswith("_") and (value := measure(raw)) is not None:
            rows.add(name, whole, value, time)


def _key(path: Path) -> str:
    """What tells a file from those of other resumes: the folder that W&B made for it."""
    return name_text(path.parent.name)


def _goes_on(path: Path, state: State) -> bool:
    with os.fdopen(open_regular(path), "rb") as file:
        return is_continued(file, state)


def _is_one(path: Path) -> bool:
    try:
        return read_start(path, _HEADER).startswith(START)
    except NotAFileError:
        return False


class WandbFiles:
    def find(self, path: Path) -> Sequence[Recording]:
        """A file; or the folder of W&B's folders, in which a run that was resumed has several of one name."""
        if not path.is_dir():
            return [WandbOffline(path)] if _is_one(path) else []
        by_name: dict[str, list[Path]] = {}
        for file in sorted(path.glob("*run-*/run-*.wandb")):
            by_name.setdefault(file.name, []).append(file)
        resumed = [files for files in by_name.values() if len(files) > 1 and all(map(_is_one, files))]
        return [WandbOffline(path, sorted(files, key=_begun)) for files in resumed]


def _begun(path: Path) -> str:
    """When W&B made the folder of a file: `offline-run-20240101_120000-ID`, online without the first word."""
    return path.parent.name.removeprefix("offline-")


SOURCE = WandbFiles()
