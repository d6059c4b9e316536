"""Every file of a store, over pyarrow.fs: a local folder or an object store. Nothing above knows which.

A file appears whole under its name or not at all. Locally that is a temporary dot name, fsync and rename; an object
store gives it with one PUT.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
import weakref
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from etl.errors import StrobeError
from etl.local_files import name_text, open_there, read_regular, what_is_amiss
from etl.locks import locked
from etl.replacing import replacing_path
from etl.store import claims
from etl.store.layout import ROW_GROUP, encodings

_CHUNK = 1 << 20

UNREADABLE = (StrobeError, OSError, pa.ArrowInvalid)
"""What reading a file of a store raises where the file is gone, damaged, or no file."""


class Files:
    """The files below one root, by relative POSIX path."""

    def __init__(self, root: str | os.PathLike[str], filesystem: pafs.FileSystem | None = None) -> None:
        """`root` is a local path, or a URI that pyarrow.fs knows (s3://, gs://, ...), or a path of `filesystem`."""
        text = os.fspath(root)
        self.local: Path | None = None
        """The root, where it is a folder of this machine."""
        if filesystem is not None:
            base, path = filesystem, text
        elif "://" in text:
            base, path = pafs.FileSystem.from_uri(text)
        else:
            base, path = pafs.LocalFileSystem(), str(Path(text).absolute())
            self.local = Path(path)
        self._fs, self._root_text = base, str(PurePosixPath(path))
        self.attached = False
        """Whether this store is shown beside another and is not to be changed."""
        self._copies: Path | None = None
        self._columns: dict[str, frozenset[str]] = {}

    @classmethod
    def of(cls, store: str | os.PathLike[str] | Files) -> Files:
        """The files of a store that is given by its place, or as they are."""
        return store if isinstance(store, Files) else cls(store)

    def path(self, name: str) -> str:
        """The full path of `name`, as the file system knows it."""
        # As text, which takes a tenth of what joining paths does: a page of a thousand runs looks at thousands.
        return f"{self._root_text}/{name}" if name else self._root_text

    def blocked(self) -> bool:
        """True when something other than a folder stands where the root should be."""
        kind = self._fs.get_file_info(self._root_text).type
        return bool(kind not in (pafs.FileType.Directory, pafs.FileType.NotFound))

    def is_folder(self, name: str) -> bool:
        """Whether a folder stands there, and no link to one."""
        path = None if self.local is None else self.local / name
        return path is None or (path.is_dir() and not path.is_symlink())

    def exists(self, name: str) -> bool:
        return bool(self._fs.get_file_info(self.path(name)).type == pafs.FileType.File)

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises FileNotFoundError, and NotAFileError for what is no regular file."""
        if self.local is not None:
            return read_regular(self.path(name))
        with self._fs.open_input_file(self.path(name)) as file:
            return bytes(file.read())

    def identity(self, name: str) -> object | None:
        """What differs after each replacement of a file, or None where the storage has no such thing.

        Raises FileNotFoundError.
        """
        if self.local is None:
            return None
        status = os.lstat(self.path(name))
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def amiss(self, name: str, size: int) -> str:
        """What one look at a file tells, unopened; "" where it is a regular file of `size` bytes."""
        if self.local is not None:
            return what_is_amiss(self.path(name), size)
        info = self._fs.get_file_info(self.path(name))
        if info.type != pafs.FileType.File:
            return "is missing"
        return "" if info.size == size else f"has {info.size:,} bytes instead of {size:,}"

    def crc32(self, name: str) -> int:
        """The CRC-32 of a file's bytes. Raises like `read`."""
        if self.local is None:
            return zlib.crc32(self.read(name))
        crc = 0
        with os.fdopen(open_there(self.path(name)), "rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                crc = zlib.crc32(data, crc)
        return crc

    def names(self, folder: str) -> list[str]:
        """The names (not paths) of the files and folders in `folder`; none when it does not exist."""
        selector = pafs.FileSelector(self.path(folder), allow_not_found=True)
        return sorted(info.base_name for info in self._fs.get_file_info(selector))

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[pa.NativeFile]:
        if self.local is None:
            with self._fs.open_output_stream(self.path(name)) as stream:
                yield stream
            return
        path = self.local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_path(path) as temporary, self._fs.open_output_stream(str(temporary)) as stream:
            yield stream

    def put(self, name: str, data: bytes) -> None:
        """Write a whole file, or replace one at once."""
        with self._writing(name) as stream:
            stream.write(data)

    def put_table(self, name: str, table: pa.Table) -> None:
        """Write a table as one Parquet file (zstd)."""
        with self._writing(name) as stream:
            pq.write_table(
                table, stream, compression="zstd", compression_level=1, row_group_size=ROW_GROUP,
                write_page_checksum=True, **encodings(table.schema),
            )  # fmt: skip

    def read_table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A Parquet file as written, without the column that its folder's name stands for; or some columns alone.

        Raises one of UNREADABLE, also where the checksum of a page that is read is wrong.
        """
        with pq.ParquetFile(pa.BufferReader(self.read(name)), page_checksum_verification=True) as file:
            return file.read(columns)

    def read_schema(self, name: str) -> pa.Schema:
        """The columns of a Parquet file. Raises one of UNREADABLE."""
        with self._opened(name) as stream, pq.ParquetFile(stream) as file:
            return file.schema_arrow

    def _opened(self, name: str) -> Any:
        if self.local is None:
            return self._fs.open_input_file(self.path(name))
        return os.fdopen(open_there(self.local / name), "rb")

    def columns_of(self, name: str) -> frozenset[str]:
        """The names of the columns of a Parquet file that is never replaced, read once; none where it cannot be
        read."""
        if name not in self._columns:
            with contextlib.suppress(*UNREADABLE):
                self._columns[name] = frozenset(self.read_schema(name).names)
        return self._columns.get(name, frozenset())

    def remove(self, name: str) -> None:
        """Remove a file, or what stands in its place; one that is gone already is no error."""
        if self.local is not None:
            self.remove_all(name)
            return
        with contextlib.suppress(FileNotFoundError):
            self._fs.delete_file(self.path(name))

    def remove_all(self, name: str) -> int:
        """Remove whatever stands there: a folder with all in it, or a file, pipe or link itself; returns how many
        files that were."""
        if self.local is None:
            selector = pafs.FileSelector(self.path(name), recursive=True, allow_not_found=True)
            count = sum(1 for info in self._fs.get_file_info(selector) if info.type == pafs.FileType.File)
            with contextlib.suppress(FileNotFoundError):
                self._fs.delete_dir(self.path(name))
            return count
        path = self.local / name
        if path.is_dir() and not path.is_symlink():
            count = sum(len(files) for _, _, files in os.walk(path))
            shutil.rmtree(path)
            return count
        there = os.path.lexists(path)
        path.unlink(missing_ok=True)
        return int(there)

    def clear_way(self, name: str) -> None:
        """Remove what no file can be put in the place of, or locked, with all that is in it: a folder, a link, a pipe
        or a device."""
        if self.local is None or not os.path.lexists(self.local / name):
            return
        if not stat.S_ISREG((self.local / name).lstat().st_mode):
            self.remove_all(name)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock file `name` while others wait. An object store has no locks: there, `replacing` refuses."""
        if self.local is None:
            yield
            return
        path = self.local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            yield

    def settled(self, name: str) -> bool:
        """Whether nobody can be about to commit a file that no pointer names.

        Locally who asks holds the run's lock. Elsewhere another writer may have put it a moment ago, so that only
        age tells.
        """
        return self.local is not None or self.age(name) > 12 * claims.CLAIM_S

    def age(self, name: str) -> float:
        """Seconds since a file was written; 0 for one that is gone, or whose storage keeps no time."""
        written = self.written_at(name)
        return time.time() - written if written else 0.0

    def written_at(self, name: str) -> float:
        """When a file was written, in Unix seconds; 0 for one that is gone, or whose storage keeps no time."""
        written = self._fs.get_file_info(self.path(name)).mtime_ns
        return written / 1e9 if written is not None else 0.0

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[None]:
        """Inside, the file `name` may be read, compared and put, and no other writer does so meanwhile.

        Locally the caller holds the run's `lock`, elsewhere a claim. Raises ConflictError.
        """
        if self.local is not None:
            yield
        else:
            with claims.claimed(self, name):
                yield

    def place_of(self, path: Path) -> str:
        """How the store names a file or folder of this machine: relative where it travels with the store, else
        absolute."""
        absolute = path.resolve()
        if self.local is not None and absolute.is_relative_to(self.local.resolve()):
            return name_text(absolute.relative_to(self.local.resolve()).as_posix())
        return name_text(absolute)

    def recording_at(self, place: str) -> Path | None:
        """The file or folder that `place_of` named, or None when it is not on this machine."""
        if not Path(place).is_absolute() and self.local is None:
            return None
        path = (self.local or Path()) / place
        return path if path.exists() else None

    def local_path(self, name: str) -> str:
        """A path on this machine with the bytes of a file that is never replaced: its own, or a copy's.

        A copy is fetched once, and lasts as long as this object. Raises FileNotFoundError.
        """
        if self.local is not None:
            return self.path(name)
        if self._copies is None:
            self._copies = Path(tempfile.mkdtemp(prefix="strobe-parts-"))
            weakref.finalize(self, shutil.rmtree, self._copies, ignore_errors=True)
        copy = self._copies / name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            with replacing_path(copy, fsync=False) as temporary:
                temporary.write_bytes(self.read(name))
        return str(copy)
