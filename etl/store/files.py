"""Every write to a store, over pyarrow.fs: a local folder or an object store.

A file appears whole under its name or not at all. Locally that is a temporary dot name, fsync and rename; an object
store gives it with one PUT.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from etl.local_files import sync_folder

ROW_GROUP = 16_384
"""Rows of a Parquet row group: about one tensor's history, so that a curve reads little else."""

_COUNTERS = frozenset({"step", "tokens"})


def encodings(schema: pa.Schema) -> dict[str, Any]:
    """How each column is laid out, as arguments of `pq.write_table`.

    Floating-point values are split into their bytes: exponents lie together and compress, which takes a third off the
    size of noisy statistics and more than half off the time to write them. Counters are stored as differences.
    Everything else repeats, so it has a dictionary.
    """
    special: dict[str, str] = {}
    for column in schema:
        if pa.types.is_list(column.type) and pa.types.is_floating(column.type.value_type):
            special[f"{column.name}.list.element"] = "BYTE_STREAM_SPLIT"
        elif pa.types.is_floating(column.type):
            special[column.name] = "BYTE_STREAM_SPLIT"
        elif column.name in _COUNTERS:
            special[column.name] = "DELTA_BINARY_PACKED"
    plain = [name for name in schema.names if name not in special and f"{name}.list.element" not in special]
    return {"column_encoding": special, "use_dictionary": plain}


class Files:
    """The files below one root, by relative POSIX path."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """`root` is a local path, or a URI that pyarrow.fs knows (s3://, gs://, ...)."""
        text = os.fspath(root)
        if "://" in text:
            base, path = pafs.FileSystem.from_uri(text)
            self.local: Path | None = None
        else:
            base, path = pafs.LocalFileSystem(), str(Path(text).absolute())
            self.local = Path(path)
        self._fs, self._root = base, PurePosixPath(path)

    def path(self, name: str) -> str:
        """The full path of `name`, as the file system knows it."""
        return str(self._root / name)

    def exists(self, name: str) -> bool:
        return bool(self._fs.get_file_info(self.path(name)).type == pafs.FileType.File)

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises FileNotFoundError."""
        with self._fs.open_input_file(self.path(name)) as file:
            return bytes(file.read())

    def names(self, folder: str) -> list[str]:
        """The names (not paths) of the files and folders in `folder`; none when it does not exist."""
        selector = pafs.FileSelector(self.path(folder), allow_not_found=True)
        return sorted(info.base_name for info in self._fs.get_file_info(selector))

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[pa.NativeFile]:
        final = PurePosixPath(self.path(name))
        if self.local is None:
            with self._fs.open_output_stream(str(final)) as stream:
                yield stream
            return
        self._fs.create_dir(str(final.parent), recursive=True)
        temporary = str(final.with_name(f".{final.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp"))
        try:
            with self._fs.open_output_stream(temporary) as stream:
                yield stream
            with open(temporary, "rb") as written:  # noqa: PTH123 (a descriptor to sync, not text)
                os.fsync(written.fileno())
            self._fs.move(temporary, str(final))
            sync_folder(str(final.parent))
        except BaseException:
            with contextlib.suppress(OSError):
                self._fs.delete_file(temporary)
            raise

    def put(self, name: str, data: bytes) -> None:
        """Write a whole file, or replace one at once."""
        with self._writing(name) as stream:
            stream.write(data)

    def put_table(self, name: str, table: pa.Table) -> None:
        """Write a table as one Parquet file (zstd)."""
        with self._writing(name) as stream:
            pq.write_table(
                table, stream, compression="zstd", compression_level=1, row_group_size=ROW_GROUP,
                **encodings(table.schema),
            )  # fmt: skip

    def read_table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A Parquet file as written, without the column that its folder's name stands for; or some columns alone."""
        return pq.ParquetFile(self.path(name), filesystem=self._fs).read(columns)

    def read_schema(self, name: str) -> pa.Schema:
        """The columns of a Parquet file."""
        return pq.ParquetFile(self.path(name), filesystem=self._fs).schema_arrow

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no error."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.delete_file(self.path(name))

    def remove_folder(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.delete_dir(self.path(name))

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock file `name` while others wait. An object store has no locks: there, let one ingest write."""
        if self.local is None:
            yield
            return
        import fcntl

        path = self.local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
