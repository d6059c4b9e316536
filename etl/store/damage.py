"""Whether the files of a store are as their pointer says, and in words what is wrong with those that are not."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from etl.store.files import UNREADABLE, Files
from etl.store.pointer import PartFile, pointer_name
from etl.store.remedy import remedy_for
from etl.store.store_file import STORE_FILE, store_fault

_MOST_KNOWN = 100_000


@dataclass(frozen=True, slots=True)
class Damage:
    """Something of a store that is left out, since it cannot be read; everything else is served."""

    run: str
    """Empty for the store's own file."""
    table: str
    """Empty where all of the run is left out."""
    file: str
    """Its path inside the store."""
    what: str
    remedy: str
    """A command."""

    @property
    def subject(self) -> str:
        """What is damaged, and how."""
        of = f"run {self.run}, table {self.table}: " if self.table else f"run {self.run}: " if self.run else ""
        return f"{of}{self.file} {self.what}"

    def __str__(self) -> str:
        return f"{self.subject}; `{self.remedy}` mends it"


def store_damage(files: Files) -> Damage | None:
    """What is wrong with the store's own file, without which all can be read. Raises StoreError where it is of
    another format or a later version."""
    what = store_fault(files)
    return Damage("", "", STORE_FILE, what, f"rm -r {shlex.quote(files.path(STORE_FILE))}") if what else None


def pointer_damage(files: Files, run: str, error: Exception) -> Damage:
    """Of what reading a pointer raised."""
    where = pointer_name(run)
    # Its path and what to do stand elsewhere in a `Damage`.
    what = str(error).removeprefix(f"{files.path(where)}: ").partition("; `strobe ")[0]
    return Damage(run, "", where, what, remedy_for(files, run))


class Checks:
    """Compares parts with what their pointers say of them; each is read once while its file stays the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, str]] = {}
        self._bad: dict[str, tuple[Files, PartFile]] = {}

    def fault(self, files: Files, part: PartFile, *, whole: bool) -> str:
        """What is wrong with a part; "" where nothing is.

        One look tells whether it is a file of its size; only with `whole` are all bytes read, for their CRC.
        """
        what = files.amiss(part.file, part.bytes) or (self._by_bytes(files, part) if whole else "")
        if what:
            self._bad[files.path(part.file)] = (files, part)
        return what

    def is_bad(self, files: Files, part: PartFile) -> bool:
        """Whether a fault of the part is known."""
        return files.path(part.file) in self._bad

    def any_bad(self) -> bool:
        return bool(self._bad)

    def mended(self) -> bool:
        """Whether a part that had a fault has none by now."""
        good = [path for path, (files, part) in list(self._bad.items()) if not self.fault(files, part, whole=True)]
        for path in good:
            self._bad.pop(path, None)
        return bool(good)

    def _by_bytes(self, files: Files, part: PartFile) -> str:
        path = files.path(part.file)
        try:
            key = (files.identity(part.file), part.crc32)
            if path not in self._known or self._known[path][0] != key:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                sound = files.crc32(part.file) == part.crc32
                self._known[path] = (key, "" if sound else "is damaged: its CRC is wrong")
            return self._known[path][1]
        except (*UNREADABLE, KeyError) as error:
            return f"cannot be read ({error})"
