"""A cache that all pages and visitors share, bounded by the bytes that it holds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from strobe.ui.shell.sizes import size_of

ENTRY_SHARE: Final = 4
"""An entry that is larger than this part of the budget is not kept: it would push everything else out."""


@dataclass
class _Making:
    """A value that is under way, and what it will probably take."""

    expected: int
    done: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    error: BaseException | None = None


class SharedCache:
    """Values by their keys; the least recently used go first. Threads may share it.

    Values are shared by whoever asks and must not be changed, but for a `Filling`.
    """

    def __init__(self, budget: int, give_back: Callable[[], None] = lambda: None) -> None:
        """`budget` in bytes; `give_back` is called when an eighth of it was let go."""
        self.budget, self._give_back = budget, give_back
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._making: dict[Hashable, _Making] = {}
        self._expected: dict[str, int] = {}
        """What the last value of each kind took."""
        self._bytes = self._let_go = 0

    @property
    def bytes(self) -> int:
        """What is held: values that are kept, and what those under way will probably take."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def get(self, key: Hashable, make: Callable[[], Any], kind: str = "") -> Any:
        """The value at `key`, made where it is not kept. Whoever asks for one that is under way waits for it. What
        `make` raises reaches all of them, and nothing is kept of it.

        `kind` tells values of about the same size, so that one under way can be counted.
        """
        while True:
            with self._changing():
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key][0]
                making, mine = self._making.get(key), False
                if making is None:
                    making, mine = self._begin(key, kind), True
            if mine:
                return self._made(key, making, make, kind)
            making.done.wait()
            if making.error is None:
                return making.value
            if isinstance(making.error, Exception):
                raise making.error
            # Not an error but the end of that visitor's script: this one makes it.

    def known(self, keys: Iterable[Hashable]) -> dict[Hashable, Any]:
        """Those values that are kept, by their keys."""
        with self._lock:
            found = {key: self._kept[key][0] for key in keys if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        return found

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value that was made elsewhere."""
        size = size_of(value)
        with self._changing():
            self._keep(key, value, size)

    def grew(self, key: Hashable, value: Any, by: int) -> None:
        """The value at `key`, if it is this one, takes `by` more bytes than was known."""
        with self._changing():
            if key in self._kept and self._kept[key][0] is value:
                self._keep(key, value, self._kept[key][1] + by)

    def clear(self, belongs: Callable[[Hashable], bool] = lambda _key: True) -> None:
        """Forget everything, or the keys that belong."""
        with self._changing():
            for key in [key for key in self._kept if belongs(key)]:
                self._drop(key)

    def _begin(self, key: Hashable, kind: str) -> _Making:
        making = self._making[key] = _Making(min(self._expected.get(kind, 0), self.budget // ENTRY_SHARE))
        self._bytes += making.expected
        return making

    def _made(self, key: Hashable, making: _Making, make: Callable[[], Any], kind: str) -> Any:
        size = None
        try:
            making.value = make()
            size = size_of(making.value)
        except BaseException as error:
            making.error = error
            raise
        finally:
            with self._changing():
                del self._making[key]
                self._bytes -= making.expected
                if size is not None:
                    self._expected[kind] = size
                    self._keep(key, making.value, size)
            making.done.set()
        return making.value

    def _keep(self, key: Hashable, value: Any, size: int) -> None:
        if key in self._kept:
            self._drop(key)
        if size <= self.budget // ENTRY_SHARE:
            self._kept[key] = value, size
            self._bytes += size

    def _drop(self, key: Hashable) -> None:
        _, size = self._kept.pop(key)
        self._bytes -= size
        self._let_go += size

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Inside, the lock is held; at the end what is over the budget goes."""
        with self._lock:
            yield
            while self._bytes > self.budget and self._kept:
                self._drop(next(iter(self._kept)))
            much = self._let_go > self.budget // 8
            if much:
                self._let_go = 0
        if much:
            self._give_back()


class Filling(dict[Any, Any]):
    """A dictionary that pages fill as they are asked, kept in a cache that is told how much it grows."""

    def __init__(self, grew: Callable[[Filling, int], None]) -> None:
        super().__init__()
        self._grew = grew

    def __setitem__(self, key: Any, value: Any) -> None:
        before = size_of(self[key]) if key in self else 0
        super().__setitem__(key, value)
        self._grew(self, size_of(value) - before)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, items: Any = (), /, **more: Any) -> None:
        """One by one: what came before the rest was interrupted stays."""
        for key, value in dict(more).items() if more else _pairs(items):
            self[key] = value


def _pairs(items: Any) -> Iterable[tuple[Any, Any]]:
    return items.items() if isinstance(items, dict) else items
