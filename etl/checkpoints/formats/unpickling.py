"""A pickle as data: what it holds is built, and nothing that it names is ever imported or called.

`pickletools.genops` parses its opcodes, one by one. A name in the pickle becomes a `Named` if the caller allows it,
and ends the reading if not. What would be a call becomes a `Made`: the name, and what it would be called with.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

MOST_BYTES: Final = 64 << 20
"""Of one pickle: a hundred thousand tensors have 20 MB."""

MOST_OPCODES: Final = 10_000_000
"""Of one pickle: a hundred thousand tensors have six million."""

Allowed = Callable[[str, str], bool]
"""Whether a pickle may name (module, name)."""


class PickleError(ValueError):
    """A pickle that is not read, and why."""


@dataclass(frozen=True, slots=True)
class Named:
    """A class or function that the pickle names."""

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Made:
    """What would be a call of `what` with `args`, and the state that the result would be given."""

    what: Named
    args: tuple[Any, ...]
    state: Any = None


class Persistent(NamedTuple):
    """What lies outside the pickle, by the id that it has there."""

    id: Any


_DAMAGE: Final = (
    ValueError, IndexError, KeyError, TypeError, OverflowError, AttributeError, RecursionError, Warning,
)  # fmt: skip
"""What the parser, and a stack that is not as an opcode needs it, may raise."""


def read(data: bytes, allowed: Allowed, start: int = 0) -> tuple[Any, int]:
    """What a pickle that begins at `start` builds, and where it ends.

    Raises PickleError for a name that is not allowed, an opcode that no state dict needs, and damage.
    """
    stream = io.BytesIO(data)
    stream.seek(start)
    machine = _Machine(allowed)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if opcode.name == "STOP":
                return machine.stack[-1], stream.tell()
            if count == MOST_OPCODES:
                raise PickleError(f"has more than {MOST_OPCODES:,} opcodes")
            machine.step(opcode.name, argument)
    except PickleError:
        raise
    except _DAMAGE as error:
        raise PickleError(f"is no sound pickle ({type(error).__name__}: {error!s:.80})") from None
    raise PickleError("is cut off")


_KEYS = (str, int, float, bytes, type(None))
"""What a key may be: whatever else could take for ever to hash, and no state dict has it."""
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES: Final = frozenset(
    ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
     "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING")
)  # fmt: skip
_TUPLES: Final = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED: Final = frozenset(("PROTO", "FRAME"))


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []
        """The stacks under the marks that are open."""
        self._memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in _VALUES:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode])
        elif opcode in _TUPLES:
            self.stack.append(tuple(self._taken(_TUPLES[opcode])))
        elif opcode not in _IGNORED:
            action = getattr(self, f"_{opcode.lower()}", None)
            if action is None:
                raise PickleError(f"holds the opcode {opcode}, which no state dict needs")
            action(argument)

    def _taken(self, count: int) -> list[Any]:
        """The last `count` values, off the stack."""
        if count > len(self.stack):
            raise PickleError("takes more from its stack than is there")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def _mark(self, _: Any) -> None:
        self._below.append(self.stack)
        self.stack = []

    def _since_mark(self) -> list[Any]:
        values, self.stack = self.stack, self._below.pop()
        return values

    def _pop(self, _: Any) -> None:
        self._taken(1)

    def _pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _binput(self, place: int) -> None:
        self._memo[place] = self.stack[-1]

    _long_binput = _binput

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def _binget(self, place: int) -> None:
        self.stack.append(self._memo[place])

    _long_binget = _binget

    def _tuple(self, _: Any) -> None:
        values = self._since_mark()
        self.stack.append(tuple(values))

    def _empty_list(self, _: Any) -> None:
        self.stack.append([])

    _empty_set = _empty_list

    def _list(self, _: Any) -> None:
        values = self._since_mark()
        self.stack.append(values)

    _frozenset = _list

    def _append(self, _: Any) -> None:
        self._extend(self._taken(1))

    def _appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    _additems = _appends

    def _extend(self, values: list[Any]) -> None:
        # What a call would make may be a list of its own kind; what is in it is of no use here.
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)
        elif not isinstance(self.stack[-1], Made):
            raise PickleError("appends to what is no list")

    def _empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def _dict(self, _: Any) -> None:
        values = self._since_mark()
        self.stack.append({})
        self._store(values)

    def _setitem(self, _: Any) -> None:
        self._store(self._taken(2))

    def _setitems(self, _: Any) -> None:
        self._store(self._since_mark())

    def _store(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Made):
            return
        if not isinstance(target, dict):
            raise PickleError("gives keys to what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if isinstance(key, _KEYS):
                target[key] = value

    def _global(self, both: str) -> None:
        module, _, name = both.partition(" ")
        self._name(module, name)

    def _stack_global(self, _: Any) -> None:
        self._name(*self._taken(2))

    def _name(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str) or not self._allowed(module, name):
            raise PickleError(
                f"names {module!s:.60}.{name!s:.60}, which a state dict does not need; none of it was run"
            )
        self.stack.append(Named(module, name))

    def _reduce(self, _: Any) -> None:
        what, args = self._taken(2)
        self._call(what, args)

    _newobj = _reduce

    def _newobj_ex(self, _: Any) -> None:
        what, args, _named = self._taken(3)
        self._call(what, args)

    def _call(self, what: Any, args: Any) -> None:
        if not isinstance(what, Named) or not isinstance(args, tuple):
            raise PickleError(f"calls a {type(what).__name__}, which is no name")
        is_dict = (what.module, what.name) == ("collections", "OrderedDict")
        self.stack.append(_as_dict(args) if is_dict else Made(what, args))

    def _build(self, _: Any) -> None:
        (state,) = self._taken(1)
        if isinstance(self.stack[-1], Made):
            self.stack[-1].state = state

    def _binpersid(self, _: Any) -> None:
        (identity,) = self._taken(1)
        self.stack.append(Persistent(identity))


def _as_dict(args: tuple[Any, ...]) -> dict[Any, Any]:
    """What OrderedDict is called with: nothing, or a list of pairs."""
    pairs = args[0] if args and isinstance(args[0], list) else []
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and isinstance(pair[0], _KEYS)}
