"""An object store in memory, behind pyarrow.fs: whole objects by name, no folders, no renames, no locks."""

from __future__ import annotations

import io
import time
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs


class _Upload(io.BytesIO):
    """An object that is there when it is closed, and not before."""

    def __init__(self, objects: dict[str, tuple[bytes, float]], name: str) -> None:
        super().__init__()
        self._objects, self._name = objects, name

    def close(self) -> None:
        if not self.closed:
            self._objects[self._name] = (self.getvalue(), time.time())
        super().close()


class ObjectStore(pafs.FileSystemHandler):
    """What pyarrow asks of a file system, over a dict of name -> (bytes, Unix time)."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, float]] = {}

    def _info(self, path: str) -> pafs.FileInfo:
        if path in self.objects:
            data, written = self.objects[path]
            return pafs.FileInfo(path, pafs.FileType.File, size=len(data), mtime_ns=int(written * 1e9))
        inside = any(name.startswith(f"{path}/") for name in list(self.objects))
        return pafs.FileInfo(path, pafs.FileType.Directory if inside else pafs.FileType.NotFound)

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        base = selector.base_dir.rstrip("/") + "/"
        inside = {name[len(base) :].partition("/")[0] for name in list(self.objects) if name.startswith(base)}
        return [self._info(base + name) for name in sorted(inside)]

    def open_input_file(self, path: str) -> Any:
        if path not in self.objects:
            raise FileNotFoundError(path)
        return pa.PythonFile(io.BytesIO(self.objects[path][0]), mode="r")

    def open_output_stream(self, path: str, metadata: object) -> Any:
        return pa.PythonFile(_Upload(self.objects, path), mode="w")

    def delete_file(self, path: str) -> None:
        if self.objects.pop(path, None) is None:
            raise FileNotFoundError(path)

    def delete_dir(self, path: str) -> None:
        for name in [name for name in self.objects if name.startswith(f"{path}/")]:
            del self.objects[name]

    def get_type_name(self) -> str:
        return "test objects"

    def normalize_path(self, path: str) -> str:
        return path

    def _never(self, *arguments: object, **named: object) -> Any:
        raise NotImplementedError("an object store has no such thing")

    create_dir = delete_dir_contents = delete_root_dir_contents = move = copy_file = _never
    open_input_stream = open_append_stream = _never
