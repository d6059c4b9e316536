"""What of a query's result fits into a reply: columns, cells, rows and bytes, each cut where its limit is.

Runs in the sandbox's child. A reply holds plain Arrow types only (numbers, text, bytes, dates and times, and
lists and structs of them), so that no reader of it meets an extension type, a union or an interval.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

NAME_CHARACTERS = 200
"""A column name longer than this is cut: it is a heading, and a hostile one may hold the whole statement."""

_NUMBER_CHARACTERS = 26
"""Upper bound of the text of one number, date or time inside a list, with its separator."""


@dataclass
class Cuts:
    """What had to be left out of a reply, for the notices that its reader sees."""

    columns: int = 0
    """How many columns the result had, where not all of them are in the reply; else 0."""
    cells: int = 0
    rows: str | None = None
    """Why rows are missing: "rows" (the row limit), "bytes" (the size limit), or None."""


@dataclass
class Cutter:
    """Cuts a stream of record batches down to limits; `cuts` says afterwards what was left out.

    max_rows, max_columns: counts. max_cell: characters of text, or bytes, in one cell. max_bytes: of all
    batches together, as Arrow IPC messages.
    """

    max_rows: int
    max_columns: int
    max_cell: int
    max_bytes: int
    cuts: Cuts = field(default_factory=Cuts)
    _as_text: tuple[bool, ...] | None = None

    def batches(self, source: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches of `source` within the limits; stops reading it once a limit on rows or bytes is met."""
        rows = size = 0
        for batch in source:
            left = self.max_rows - rows
            if batch.num_rows > left:
                self.cuts.rows = "rows"
            plain = self._plain(batch.slice(0, left))
            fitting, used = _fit(plain, self.max_bytes - size)
            if fitting.num_rows < plain.num_rows:
                self.cuts.rows = "bytes"
            rows, size = rows + fitting.num_rows, size + used
            if fitting.num_rows:
                yield fitting
            if self.cuts.rows is not None:
                return

    def empty(self, schema: pa.Schema) -> pa.RecordBatch:
        """No rows, with the columns that a result of this schema would have here."""
        names = unique_names(schema.names[: self.max_columns])
        kinds = [_plain_type(schema.field(i).type) for i in range(len(names))]
        return pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in kinds], names)

    def _plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.num_columns > self.max_columns:
            self.cuts.columns = batch.num_columns
        names = unique_names(batch.schema.names[: self.max_columns])
        columns = [_storage(batch.column(i)) for i in range(len(names))]
        if self._as_text is None:
            self._as_text = tuple(_needs_text(column, self.max_cell) for column in columns)
        cut = [self._cut(column, text) for column, text in zip(columns, self._as_text, strict=True)]
        return pa.RecordBatch.from_arrays(cut, names)

    def _cut(self, column: pa.Array, as_text: bool) -> pa.Array:
        if as_text:
            column = _to_text(column, self.max_cell)
        kind = column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return self._shorten(column.cast(pa.string()), pc.utf8_length, pc.utf8_slice_codeunits)
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return self._shorten(column.cast(pa.binary()), pc.binary_length, pc.binary_slice)
        if _needs_text(column, self.max_cell):
            # The first batch fitted, so the column kept its type; where a later one does not, it is left out.
            self.cuts.cells += len(column) - column.null_count
            return pa.nulls(len(column), kind)
        return column

    def _shorten(self, column: pa.Array, length: pc.Function, piece: pc.Function) -> pa.Array:
        over = pc.sum(pc.greater(length(column), self.max_cell)).as_py()
        if not over:
            return column
        self.cuts.cells += over
        return piece(column, 0, self.max_cell)


def unique_names(names: list[str]) -> list[str]:
    """The names with none empty, none longer than NAME_CHARACTERS and no two alike (a repeated one gets _1, _2)."""
    seen: set[str] = set()
    out = []
    for i, name in enumerate(names):
        stem = name[:NAME_CHARACTERS] or f"column_{i + 1}"
        unique, n = stem, 0
        while unique in seen:
            n += 1
            unique = f"{stem[: NAME_CHARACTERS - len(str(n)) - 1]}_{n}"
        seen.add(unique)
        out.append(unique)
    return out


def _storage(column: pa.Array) -> pa.Array:
    """The column without extension types and dictionaries; what no reader can show becomes text later."""
    if isinstance(column, pa.ExtensionArray):
        return column.storage
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    return column


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type that a column of this type has in a reply, when none of its cells is too long."""
    if isinstance(kind, pa.BaseExtensionType):
        return _plain_type(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    return pa.string() if _has_odd_part(kind) else kind


def _has_odd_part(kind: pa.DataType) -> bool:
    """Whether the type holds, at any depth, something that plain readers of Arrow cannot show."""
    if pa.types.is_union(kind) or pa.types.is_interval(kind) or pa.types.is_dictionary(kind) or pa.types.is_map(kind):
        return True
    if isinstance(kind, pa.BaseExtensionType):
        return True
    if pa.types.is_struct(kind) and kind.num_fields == 0:
        return True
    return any(_has_odd_part(kind.field(i).type) for i in range(kind.num_fields))


def _is_valid(column: pa.Array) -> bool:
    """Whether every value suits the type: a 128-bit integer comes as a decimal of 38 digits and may have 39."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _in_calendar(column: pa.Array) -> bool:
    """Whether every date and time lies in the years 1 to 9999, which is all that Python and pandas can hold."""
    kind = column.type
    if pa.types.is_struct(kind):
        return all(_in_calendar(column.field(i)) for i in range(kind.num_fields))
    if _is_list(kind):
        return _in_calendar(column.flatten())
    if pa.types.is_date32(kind):
        first, last = -719_162, 2_932_896
    elif pa.types.is_timestamp(kind):
        ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        first, last = -719_162 * 86_400 * ticks, 2_932_897 * 86_400 * ticks - 1
    else:
        return True
    ends = pc.min_max(column.view(pa.int32() if pa.types.is_date32(kind) else pa.int64())).as_py()
    return ends["min"] is None or bool(first <= ends["min"] and ends["max"] <= last)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_short(kind: pa.DataType) -> bool:
    """Whether one value of the type is a number, a truth value, a date or a time."""
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind)) and not pa.types.is_interval(kind)


def _needs_text(column: pa.Array, max_cell: int) -> bool:
    """Whether a column is sent as text: it holds an odd type or value, or a nested cell longer than a cell may be."""
    kind = column.type
    if _has_odd_part(kind) or not _is_valid(column) or not _in_calendar(column):
        return True
    if not pa.types.is_nested(kind):
        return False
    if _is_list(kind) and _is_short(kind.value_type):
        longest = pc.max(pc.list_value_length(column)).as_py() or 0
        return bool(longest * _NUMBER_CHARACTERS > max_cell)
    if column.nbytes <= max_cell // _NUMBER_CHARACTERS:
        return False
    return any(len(text) > max_cell for text in _texts(column) if text is not None)


def _to_text(column: pa.Array, max_cell: int) -> pa.Array:
    if _is_list(column.type) and not pa.types.is_fixed_size_list(column.type):
        # Each element takes at least two characters ("1,"): what lies beyond can never be shown, and a list of
        # fifty million numbers must not become fifty million Python objects.
        column = pc.list_slice(column, 0, max_cell // 2 + 1)
    return pa.array(_texts(column), pa.string())


def _texts(column: pa.Array) -> list[str | None]:
    """Each cell as text; one that Python has no value for (a date in the year 290,000) says so."""
    try:
        return [None if value is None else _text(value) for value in column.to_pylist(maps_as_pydicts="lossy")]
    except (ValueError, OverflowError):
        return [_text_alone(cell) for cell in column]


def _text_alone(cell: pa.Scalar) -> str | None:
    try:
        return _text(cell.as_py(maps_as_pydicts="lossy")) if cell.is_valid else None
    except (ValueError, OverflowError):
        return "(outside the calendar)"


def _text(value: object) -> str:
    if isinstance(value, pa.MonthDayNano):
        return f"{value.months} months {value.days} days {value.nanoseconds / 1e9:g} s"
    if isinstance(value, (dict, list)):
        try:
            return json.dumps(value, ensure_ascii=False, default=str)
        except TypeError:  # a map whose keys are neither text nor numbers
            return str(value)
    return str(value)


def _fit(batch: pa.RecordBatch, room: int) -> tuple[pa.RecordBatch, int]:
    """The leading rows of a batch whose message takes at most `room` bytes, and the bytes that it takes."""
    size = _message_bytes(batch)
    while size > room and batch.num_rows:
        keep = min(batch.num_rows - 1, int(batch.num_rows * max(room, 0) / size))
        batch = batch.slice(0, keep)
        size = _message_bytes(batch)
    return batch, size


def _message_bytes(batch: pa.RecordBatch) -> int:
    return int(pa.ipc.get_record_batch_size(batch))
