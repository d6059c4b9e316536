"""One writer of a file at a time where the storage has no locks: a claim beside the file."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Protocol

from etl.errors import StoreError

CLAIM_S = 300.0
"""A claim that is older than this belongs to a writer that was killed: writing a pointer takes far less."""
_CLAIM = ".claim-"


class Claimable(Protocol):
    """The files of an object store, by their names."""

    def path(self, name: str) -> str: ...

    def put(self, name: str, data: bytes) -> None: ...

    def names(self, folder: str) -> list[str]: ...

    def remove(self, name: str) -> None: ...

    def age(self, name: str) -> float: ...


class ConflictError(StoreError):
    """Another writer is changing the same file, or has changed it since it was read. Nothing was written."""


@contextlib.contextmanager
def claimed(files: Claimable, name: str) -> Iterator[None]:
    """Inside, no other writer changes the file `name` of an object store.

    pyarrow.fs has no conditional PUT (If-Match), so every writer first leaves a claim beside the file and then lists
    them: who sees another's claim withdraws and raises ConflictError. Of two at once at most one goes on, and both
    may withdraw. This is as safe as a conditional PUT where a listing shows every object that was put before it began
    (S3, GCS and Azure do), and while no writer stands still for `CLAIM_S` between its claim and its PUT: then its
    claim counts as left by a writer that was killed.
    """
    folder, own = name.rpartition("/")[0], f"{_CLAIM}{uuid.uuid4().hex}"
    files.put(f"{folder}/{own}", b"")
    try:
        others = [file for file in files.names(folder) if file.startswith(_CLAIM) and file != own]
        if any(_counts(files, f"{folder}/{file}") for file in others):
            raise ConflictError(f"{files.path(name)}: another writer is changing it; try again in a moment")
        yield
    finally:
        files.remove(f"{folder}/{own}")


def _counts(files: Claimable, claim: str) -> bool:
    if files.age(claim) <= CLAIM_S:
        return True
    files.remove(claim)
    return False
