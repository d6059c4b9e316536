"""The sandbox's child process: one locked engine, one statement, one reply, and then it ends.

Started by etl/sql/process.py as a script, with an empty environment. Standard input carries a greeting and
later the job, each as a frame; standard output carries frames back. A frame is one letter, four bytes of length
(little-endian) and that many bytes: R ready; S Arrow schema message; B Arrow record batch message; E end, JSON;
X error, JSON. The end of standard input, at any time, ends the process: its parent is gone.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import struct
import sys
import threading
import time
from importlib.abc import MetaPathFinder
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_OPEN_FILES = 64
_BATCH_ROWS = 2_048
_TYPE_CHARACTERS = 200


class _Without(MetaPathFinder):
    """pyarrow imports numpy and pandas where it finds them: half of the time to start, and never used here."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname in ("numpy", "pandas"):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def _read(count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = os.read(0, count - len(data))
        if not piece:
            os._exit(0)
        data += piece
    return data


def read_frame() -> Any:
    """The next frame of standard input, from JSON."""
    (length,) = struct.unpack("<I", _read(4))
    return json.loads(_read(length))


class Replies:
    """Frames to the parent, on a descriptor of its own: standard output and error then lead nowhere."""

    def __init__(self) -> None:
        self._to = os.dup(1)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.close(nowhere)

    def send(self, letter: bytes, data: bytes = b"") -> None:
        view = memoryview(letter + struct.pack("<I", len(data)) + data)
        while view:
            view = view[os.write(self._to, view) :]

    def send_json(self, letter: bytes, value: object) -> None:
        self.send(letter, json.dumps(value).encode())


def confine(parent: int, address_space: int) -> None:
    """Give up what a query never needs: the parent's death kills us, and memory, files and priority are capped."""
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        prctl = None  # not Linux: the end of standard input still ends us
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    os.chdir("/")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    caps = {"AS": address_space, "NOFILE": _OPEN_FILES, "CORE": 0, "FSIZE": 0}
    for name, cap in caps.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (cap, cap))


def cap_processor_time(seconds: float) -> None:
    """Let the kernel end us after this much more processor time, should the parent be unable to."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cap = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cap, cap))


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


def answer(job: dict[str, Any], replies: Replies) -> None:
    """Run the job's statement and send its result, or what was wrong with it."""
    from etl.sql import engine

    names, roots = job["names"], job["roots"]
    try:
        con = engine.open_engine(job["tables"], job["cuts"], job["memory_limit"])
        started = time.perf_counter()
        statement = engine.one_statement(con, job["sql"])
        end = _stream(con, statement, job, replies)
    except Exception as error:
        replies.send_json(b"X", engine.failure(error, job["sql"], names, roots))
        return
    replies.send_json(b"E", {**end, "seconds": time.perf_counter() - started})


def _stream(con: Any, statement: Any, job: dict[str, Any], replies: Replies) -> dict[str, Any]:
    from etl.sql.cells import Cutter
    from etl.sql.engine import relation_of

    relation = relation_of(con, statement)
    # A plan is one tall cell, and half a plan is of no use.
    max_cell = job["max_cell"] * (10 if statement.type.name == "EXPLAIN" else 1)
    cutter = Cutter(job["max_rows"], job["max_columns"], max_cell, job["max_bytes"])
    schema = None
    reader = relation.to_arrow_reader(min(job["max_rows"] + 1, _BATCH_ROWS))
    for batch in cutter.batches(reader):
        if schema is None:
            schema = batch.schema
            replies.send(b"S", schema.serialize().to_pybytes())
        replies.send(b"B", batch.serialize().to_pybytes())
    if schema is None:
        replies.send(b"S", cutter.empty(reader.schema).schema.serialize().to_pybytes())
    types = [str(kind)[:_TYPE_CHARACTERS] for kind in relation.types[: job["max_columns"]]]
    cuts = cutter.cuts
    return {"types": types, "rows": cuts.rows, "cells": cuts.cells, "columns": cuts.columns}


def main() -> NoReturn:
    greeting = read_frame()
    replies = Replies()
    try:
        confine(greeting["parent"], greeting["address_space"])
        sys.meta_path.insert(0, _Without())
        sys.path[:] = greeting["paths"]
        import pyarrow as pa

        # Imported here, before any query is known, because that is what a spare child is for.
        for module in ("etl.sql.cells", "etl.sql.engine"):
            importlib.import_module(module)
        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        os.nice(19)  # only now: a busy machine would make a visitor wait seconds for the imports
    except Exception as error:
        replies.send_json(b"X", {"kind": "internal", "message": f"{type(error).__name__}: {error}"})
        os._exit(1)
    replies.send(b"R")
    job = read_frame()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cap_processor_time(job["timeout_s"])
    answer(job, replies)
    os._exit(0)


if __name__ == "__main__":
    main()
