"""How commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

_SAFE = 2**53


def plain(value: Any) -> Any:
    """A value as JSON carries it without loss: NaN, infinities and integers beyond 2^53 as strings."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE:
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Iterable[str] = ()) -> None:
    """A table for people; control characters in names are shown, never obeyed."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    right = set(numeric)
    for column in columns:
        table.add_column(
            column, justify="right" if column in right else "left", overflow="fold", no_wrap=column == columns[0]
        )
    for row in rows:
        table.add_row(*[Text(visible(cell)) for cell in row])
    # A pipe has no width: wrapping there would break lines that grep and awk want whole.
    Console(width=None if sys.stdout.isatty() else 1_000).print(table)


def visible(text: str) -> str:
    """Text with its control characters spelled out, so that a terminal does not act on them."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def terminal_number(value: float | None) -> str:
    """A measured value in few characters; a dash for one that is not there."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def age(then: float | None) -> str:
    """How long ago a Unix time was, in its largest unit."""
    if then is None:
        return "–"
    seconds = max(0.0, time.time() - then)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
