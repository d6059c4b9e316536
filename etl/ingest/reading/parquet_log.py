"""Logs in Parquet: read a row group at a time, so that a damaged one costs itself and memory is bounded."""

from __future__ import annotations

import os
import zlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.errors import StrobeError
from etl.ingest.reading.columns import Floats, Integers, ScalarColumns
from etl.ingest.reading.event_file import fingerprint
from etl.ingest.reading.named import NamedRecording
from etl.ingest.reading.values import LATEST, moment, number
from etl.ingest.source import Loss, Scalars, State
from etl.local_files import NotAFileError, open_regular
from etl.run.journal import MAX_STEP

BATCH = 65_536
_MAGIC = b"PAR1"
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e6}


def parquet_schema(path: Path) -> pa.Schema:
    """The columns of a Parquet file; none for anything else."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            schema = pq.read_schema(file) if file.read(4) == _MAGIC else pa.schema([])
        # Names that are no UTF-8 are told only when they are asked for.
        return schema if schema.names else pa.schema([])
    except (NotAFileError, pa.ArrowException, OSError, ValueError):
        return pa.schema([])


@contextmanager
def parquet_file(path: Path) -> Iterator[pq.ParquetFile]:
    """A file that is open, whatever it is called. Raises StrobeError for one that is no Parquet."""
    with os.fdopen(open_regular(path), "rb") as handle:
        try:
            file = pq.ParquetFile(handle, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise StrobeError(f"{path}: cannot be read as Parquet: {str(error)[:80]}") from None
        yield file


def is_number(kind: pa.DataType) -> bool:
    """Whether values of a type are numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


class ParquetLog(NamedRecording):
    """A file that is written at once: where it was written anew, its rows stand in place of the stored ones."""

    @abstractmethod
    def columns(self, schema: pa.Schema) -> Sequence[str]:
        """The columns that are read."""

    @abstractmethod
    def take(self, batch: pa.RecordBatch, first: int, into: ScalarColumns) -> None:
        """Add the rows of a batch, whose first has the number `first`, from 1."""

    def __init__(self, path: Path, files: Sequence[Path] = ()) -> None:
        super().__init__(path)
        self.files = files or [path]
        self._name = path.name
        self.lost: list[Loss] = []

    def resumes(self, state: State) -> bool:
        return state.get("key") == self.run_key and state.get("start") == self._start(int(state.get("count", 0)))

    def scalars(self, since: State) -> Scalars:
        mark: list[int] = []
        for path in self.files:
            with os.fdopen(open_regular(path), "rb") as file:
                size = file.seek(0, 2)
                mark += [size, fingerprint(file, size)]
        if since.get("mark") == mark:
            return Scalars(ScalarColumns().table(), since)
        self.lost, into, count = [], ScalarColumns(), 0
        for first, batch in self._batches():
            self.take(batch, first, into)
            count = first + len(batch) - 1
        known = min(count, 100)
        state = {"key": self.run_key, "mark": mark, "count": known, "start": self._start(known)}
        return Scalars(into.table(), state, self.lost, whole=bool(since.get("mark")))

    def _batches(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        for path in self.files:
            self._name = path.name
            yield from self._batches_of(path)

    def _batches_of(self, path: Path) -> Iterator[tuple[int, pa.RecordBatch]]:
        first = 1
        with parquet_file(path) as file:
            wanted = list(self.columns(file.schema_arrow))
            for group in range(file.num_row_groups):
                begun = first
                try:
                    for batch in file.iter_batches(BATCH, row_groups=[group], columns=wanted):
                        yield first, batch
                        first += len(batch)
                except (pa.ArrowException, OSError) as error:
                    self.lost.append(Loss(self._name, f"row group {group + 1:,}: {str(error)[:80]}"))
                first = begun + file.metadata.row_group(group).num_rows

    def _start(self, count: int) -> int:
        """Checksum of the first rows, which a file that was written anew with more rows has too."""
        for _, batch in self._batches():
            return zlib.crc32(_words(batch.slice(0, count)).encode(errors="replace"))
        return 0

    def steps(self, column: pa.Array, first: int) -> Integers:
        """The step (n,) of each row, -1 where it has none, which is told."""
        values = floats(column)
        sound = (values >= 0) & (values <= MAX_STEP) & (values == np.floor(values))
        for place in np.flatnonzero(~sound)[: max(0, 1_000 - len(self.lost))].tolist():
            (said,) = plain(column.slice(place, 1))
            self.lost.append(Loss(self._name, f"row {first + place:,}: {said!r:.40} is no step"))
        return np.where(sound, values, -1).astype(np.int64)


def floats(column: pa.Array) -> Floats:
    """The float64 (n,) of a column of numbers, or of texts that are numbers; NaN where there is none."""
    if is_number(column.type):
        found: Floats = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
        return found
    read = [number(value) for value in plain(column)]
    return np.array([np.nan if value is None else value for value in read], np.float64)


def plain(column: pa.Array) -> list[Any]:
    """The values (n,) of a column; what is no UTF-8 in a text is U+FFFD, and what Python cannot hold is None."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_text(column.type):
        texts = pc.cast(column, pa.large_binary()).to_pylist()
        return [None if text is None else text.decode(errors="replace") for text in texts]
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):
        return [None] * len(column)


def encoded(column: pa.Array) -> tuple[Integers, list[str]]:
    """The place (n,) of each text in the list of those that differ, -1 where there is none."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    places: Integers = pc.fill_null(column.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return places, [str(text) for text in plain(column.dictionary)]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _words(rows: pa.RecordBatch) -> str:
    try:
        return repr(rows.to_pylist())
    except (ValueError, OverflowError):
        return repr([plain(column) for column in rows.columns])


def moments(column: pa.Array) -> Floats:
    """Unix seconds (n,) of a column of times, numbers or texts; NaN where there is none."""
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("s" if pa.types.is_date32(column.type) else "ms"))
    if pa.types.is_timestamp(column.type):
        count = pc.cast(column, pa.int64())
        if column.type.unit == "ns":
            # As micros, which float64 still tells apart.
            count = pc.divide(count, 1_000)
        seconds = floats(count) / _PER_SECOND[column.type.unit]
        return np.where(np.abs(seconds) <= LATEST, seconds, np.nan)
    read = [moment(value) for value in plain(column)]
    return np.array([np.nan if value is None else value for value in read], np.float64)


def there(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Where a column (n,) has a value."""
    found: npt.NDArray[np.bool_] = pc.is_valid(column).to_numpy(zero_copy_only=False)
    return found
