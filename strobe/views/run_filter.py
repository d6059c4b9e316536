"""A condition on runs, as people type it: `lr > 1e-3 and status = 'finished'`.

The grammar is ours and small, so that nothing else can be said in it: comparisons of columns, numbers and texts,
joined by `and`, `or`, `not` and parentheses.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from etl.errors import StrobeError

MOST_CHARACTERS: Final = 1_000
MOST_DEPTH: Final = 40

Value = Any
Row = Mapping[str, Value]
Test = Callable[[Row], bool]

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<of>(?:last|best|min|max|mean)\(\s*(?:"[^"]*"|[^()"\s][^()"]*?)\s*\))
    | (?P<name>[^\W\d][\w./:%-]*)
    | (?P<sign><=|>=|!=|<>|==|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne, "<>": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_WORDS: Final = frozenset({"and", "or", "not", "in", "is", "null", "true", "false", "contains"})
_RULE: Final = "a filter is as lr > 1e-3 and status = 'finished'"


class FilterError(StrobeError):
    """A condition that cannot be understood, or names a column that there is not."""


@dataclass(frozen=True)
class Condition:
    """`columns` are the names as they were typed, in order; `test` takes a row that has a value for each of them."""

    text: str
    columns: tuple[str, ...]
    test: Test


def parse(text: str) -> Condition:
    """Raises FilterError with what was wrong, and where."""
    if len(text) > MOST_CHARACTERS:
        raise FilterError(f"the filter has {len(text):,} characters; {MOST_CHARACTERS:,} are read")
    reading = _Reading(text)
    test = reading.either()
    if reading.kind:
        raise reading.error("one more condition needs `and` or `or` before it")
    return Condition(text, tuple(dict.fromkeys(reading.columns)), test)


def is_blank(value: Value) -> bool:
    """Whether there is no value: NULL, an empty text, or not a number."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


class _Reading:
    """Recursive descent: `either` of `both` of `one` comparison."""

    def __init__(self, text: str) -> None:
        self._text, self._tokens = text, self._split(text)
        self.columns: list[str] = []
        self._depth = 0
        self._next()

    def _split(self, text: str) -> Iterator[tuple[str, str, int]]:
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if not found or not found.lastgroup:
                rest = text[at:].lstrip()
                raise self._error(f"{rest[:12].rstrip()!r} is not understood", len(text) - len(rest))
            yield found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)
            at = found.end()

    def _next(self) -> None:
        self.kind, self.word, self.at = next(self._tokens, ("", "", len(self._text)))

    def _is(self, *words: str) -> bool:
        return self.kind in ("name", "sign") and self.word.lower() in words

    def _take(self, *words: str) -> bool:
        taken = self._is(*words)
        if taken:
            self._next()
        return taken

    def error(self, what: str) -> FilterError:
        return self._error(what, self.at)

    def _error(self, what: str, at: int) -> FilterError:
        return FilterError(f"filter, at character {at + 1}: {what}; {_RULE}")

    def either(self) -> Test:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _both(self) -> Test:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _one(self) -> Test:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise self.error(f"more than {MOST_DEPTH} parentheses and `not` stand inside each other")
        try:
            if self._take("not"):
                denied = self._one()
                return lambda row: not denied(row)
            if self._take("("):
                inside = self.either()
                self._need(")")
                return inside
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Test:
        left = self._operand()
        if self._take("is"):
            wanted = not self._take("not")
            self._need("null")
            return lambda row: is_blank(left(row)) == wanted
        denied = self._take("not")
        if self._take("in"):
            test = self._member(left)
        elif self._take("contains"):
            part = self._operand()
            test = lambda row: _contains(left(row), part(row))  # noqa: E731
        elif not denied and self.kind == "sign" and self.word in _COMPARE:
            compare = _COMPARE[self.word]
            self._next()
            right = self._operand()
            test = lambda row: _compared(compare, left(row), right(row))  # noqa: E731
        else:
            raise self.error("here stands one of = != < <= > >=, in, contains, is null")
        return (lambda row: not test(row)) if denied else test

    def _member(self, left: Callable[[Row], Value]) -> Test:
        self._need("(")
        options = [self._operand()]
        while self._take(","):
            options.append(self._operand())
        self._need(")")
        return lambda row: any(_compared(operator.eq, left(row), option(row)) for option in options)

    def _need(self, word: str) -> None:
        if not self._take(word):
            raise self.error(f"`{word}` is missing")

    def _operand(self) -> Callable[[Row], Value]:
        kind, word = self.kind, self.word
        if kind == "name" and word.lower() in ("true", "false"):
            self._next()
            return lambda _: word.lower() == "true"
        if kind not in ("number", "text", "quoted", "of", "name") or (kind == "name" and word.lower() in _WORDS):
            raise self.error("a column, a number or a 'text' is missing")
        self._next()
        if kind == "number":
            return lambda _: float(word)
        if kind == "text":
            return lambda _: word[1:-1].replace("''", "'")
        name = word[1:-1].replace('""', '"') if kind == "quoted" else word
        self.columns.append(name)
        return lambda row: row[name]


def _compared(compare: Callable[[Any, Any], bool], one: Value, other: Value) -> bool:
    """As SQL does it: what is not there fits nothing. A text that is a number is compared as one with numbers."""
    if is_blank(one) or is_blank(other):
        return False
    if isinstance(one, str) != isinstance(other, str):
        one, other = _as_number(one), _as_number(other)
        if one is None or other is None:
            return compare is operator.ne
    return bool(compare(one, other))


def _as_number(value: Value) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _contains(whole: Value, part: Value) -> bool:
    if is_blank(whole) or is_blank(part):
        return False
    return str(part).lower() in str(whole).lower()
