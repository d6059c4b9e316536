"""What a share never tells: where its runs lay, on which host, under whose name."""

from __future__ import annotations

import getpass
import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

REMOVED: Final = "[removed]"
_PRIVATE: Final = frozenset(
    {"host", "hostname", "node", "user", "username", "login", "email", "command", "cmd", "argv", "cwd", "env",
     "environment"}
)  # fmt: skip
"""Keys of a configuration that are left out with what they hold."""
_NAMES: Final = frozenset({"host", "hostname", "node", "user", "username", "login", "email"})
"""Those of them whose value is a name, which is removed wherever else it stands."""
_NOBODY: Final = frozenset(
    {
        "root",
        "user",
        "ubuntu",
        "admin",
        "runner",
        "vscode",
        "jovyan",
        "localhost",
        "nobody",
        "vm",
        "dev",
        "host",
        "server",
        "node",
        "test",
        "box",
        "pc",
    }
)
"""Names that tell nothing of anyone, and are words besides."""
_PATHS: Final = re.compile(
    r"file://[^\s\"'<>]*"
    r"|(?<![\w/.:\\-])/(?:[^\s/\"'<>|:;,()]+/)+[^\s/\"'<>|:;,()]*"
    r"|(?<!\w)[A-Za-z]:\\[^\s\"'<>|]+"
    r"|\\\\[\w.-]+\\[^\s\"'<>|]+"
)


@dataclass
class Scrubber:
    """Removes absolute paths, of which the last name stays, and `names` where they stand as words. `count` is how
    many texts were changed."""

    names: frozenset[str]
    home: str = ""
    count: int = 0
    _words: re.Pattern[str] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        told = sorted(name for name in self.names if len(name) > 1 and name.lower() not in _NOBODY)
        if told:
            either = "|".join(map(re.escape, told))
            self._words = re.compile(rf"(?<![A-Za-z0-9])(?:{either})(?![A-Za-z0-9])", re.IGNORECASE)

    def text(self, text: str) -> str:
        """The text without them."""
        clean = text.replace(self.home, "~") if len(self.home) > 1 else text
        clean = _PATHS.sub(_last_name, clean)
        if self._words is not None:
            clean = self._words.sub(REMOVED, clean)
        self.count += clean != text
        return clean

    def value(self, value: Any) -> Any:
        """Plain JSON without them, and without the keys that hold nothing else."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, Mapping):
            self.count += sum(key.lower() in _PRIVATE for key in value)
            return {self.text(k): self.value(v) for k, v in value.items() if k.lower() not in _PRIVATE}
        return value

    def cell(self, text: str) -> str:
        """A cell of a table: of a JSON object its values, else the text."""
        if text[:1] in "{[":
            try:
                return json.dumps(self.value(json.loads(text)), ensure_ascii=False)
            except ValueError:
                pass
        return self.text(text)

    def rows(self, rows: pa.Table) -> pa.Table:
        """A table whose columns of text are clean; others are as they were."""
        for index, column in enumerate(rows.schema):
            if pa.types.is_string(column.type):
                cells = rows.column(index).to_pylist()
                known = {cell: self.cell(cell) for cell in dict.fromkeys(cells) if cell is not None}
                clean = pa.array([None if cell is None else known[cell] for cell in cells], column.type)
                rows = rows.set_column(index, column, clean)
        return rows

    def finds(self, text: str) -> str:
        """The first thing in a text that is to be removed; empty where there is none."""
        if len(self.home) > 1 and self.home in text:
            return self.home
        found = self._words.search(text) if self._words is not None else None
        return found[0] if found else ""


def _last_name(found: re.Match[str]) -> str:
    parts = [part for part in re.split(r"[/\\]", found[0]) if part]
    return parts[-1] if len(parts) > 1 else REMOVED


def here(documents: Iterable[Any] = ()) -> Scrubber:
    """What removes this machine's names, and those that the configurations of the runs give for theirs."""
    names = {_user(), platform.node(), platform.node().partition(".")[0], Path.home().name}
    for document in documents:
        names |= set(_told(document))
    return Scrubber(frozenset(names), str(Path.home()))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""  # a container without a name for its user


def _told(document: Any) -> Iterable[str]:
    if isinstance(document, Mapping):
        for key, value in document.items():
            if key.lower() in _NAMES and isinstance(value, str) and value:
                yield value
            else:
                yield from _told(value)
    elif isinstance(document, list):
        for each in document:
            yield from _told(each)
