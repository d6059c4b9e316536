"""The list of runs as the app and `strobe runs` show it: found, sorted, and grouped by a setting."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strobe.views.filtering import matching
from strobe.views.run_columns import DEFAULT, FACTS, MOST, Column, resolve, unknown
from strobe.views.run_filter import FilterError, is_blank, parse
from strobe.views.run_values import Source, Values, configured, is_number

NEWEST: Final = "-created"
PAGE: Final = 50
"""Runs that are drawn at once."""


@dataclass(frozen=True)
class Wanted:
    """What a list shall show. `sort` is a column, with a `-` before it for the greatest first; `page` counts from 0,
    and is None for all of it."""

    search: str = ""
    condition: str = ""
    sort: str = NEWEST
    columns: tuple[str, ...] = DEFAULT
    group: str = ""
    archived: bool = False
    page: int | None = 0


@dataclass(frozen=True)
class Band:
    """A column of a group of runs: the mean of its numbers, their standard deviation (None of one), how many."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Listing:
    """`rows` are those of the page: `run` is None in the row of a group, whose runs are `of`. `found` has the ids of
    all that were found, in order; `archived` counts those left out because they are archived."""

    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]
    found: tuple[str, ...]
    total: int
    archived: int
    pages: int
    page: int


def listing(source: Source, wanted: Wanted) -> Listing:
    """Raises FilterError for a condition, a column or an order that cannot be understood."""
    return listed(Values(source), wanted)


def listed(values: Values, wanted: Wanted) -> Listing:
    """The same, of what has been read already."""
    if len(wanted.columns) > MOST:
        raise FilterError(f"{len(wanted.columns)} columns; a list has at most {MOST}")
    columns = tuple(resolve(name, values.keys) for name in wanted.columns)
    there = [run for run in values.rows if wanted.archived or not values.said[run].archived]
    found = _searched(values, there, wanted.search)
    found = _filtered(values, found, wanted.condition)
    found = _sorted(values, found, wanted.sort)
    if wanted.group:
        made: Sequence[Any] = _grouped(values, found, wanted)
        make: Callable[[Sequence[Any]], list[dict[str, Any]]] = lambda some: _group_rows(values, columns, some)  # noqa: E731
    else:
        made, make = found, lambda some: _run_rows(values, columns, some)
    shown, page, pages = _page(made, wanted.page)
    rows = make(shown)
    chosen = zip(wanted.columns, columns, strict=True)
    _check_known(values, [(name, column) for name, column in chosen if name not in DEFAULT])
    hidden = len(values.rows) - len(there)
    return Listing(columns, tuple(rows), tuple(found), len(values.rows), hidden, pages, page)


def ordered(items: Sequence[Any], value: Callable[[Any], Any], descending: bool) -> list[Any]:
    """Sorted by a value each, numbers before texts; without one, or with NaN, last in both directions."""
    filled = [item for item in items if not is_blank(value(item))]
    blank = [item for item in items if is_blank(value(item))]
    return sorted(filled, key=lambda item: _key(value(item)), reverse=descending) + blank


def _key(value: Any) -> tuple[bool, Any]:
    return (isinstance(value, str), value.lower() if isinstance(value, str) else value)


def _searched(values: Values, runs: list[str], text: str) -> list[str]:
    """The runs that have every word in their name, id, task, tags or note."""
    if not text.strip():
        return runs
    whole: dict[str, list[str]] = {}
    for run in runs:
        row, said = values.rows[run], values.said[run]
        words = (row["name"], run, row["task"], *said.tags, said.note)
        whole.setdefault(" ".join(str(word) for word in words if word), []).append(run)
    return [run for name in matching(list(whole), text) for run in whole[name]]


def _filtered(values: Values, runs: list[str], text: str) -> list[str]:
    if not text.strip():
        return runs
    condition = parse(text)
    columns = {name: resolve(name, values.keys) for name in condition.columns}
    values.read_all(list(columns.values()), values.rows)
    read = {name: values.of(column, values.rows) for name, column in columns.items()}
    _check_known(values, list(columns.items()))
    return [run for run in runs if condition.test({name: read[name][run] for name in read})]


def _check_known(values: Values, columns: Sequence[tuple[str, Column]]) -> None:
    """Raises FilterError for a column of a metric that no run has: it is a word that was mistyped."""
    for name, column in columns:
        if column.is_metric and not values.has(column.key):
            if not values.has(column.key):
                values.read_metrics((column.key,), list(values.rows))
            if not values.has(column.key):
                raise unknown(name, values.keys, _some_metrics(values))


def _some_metrics(values: Values) -> list[str]:
    """The metrics of the newest run, as examples."""
    newest = next(iter(values.rows), None)
    if newest is None:
        return []
    table = values.source.each("SELECT run, name FROM metrics", (("name", "ascending"),), [newest]).table
    return [str(name) for name in table["name"].to_pylist()]


def direction(sort: str) -> tuple[str, bool]:
    """The column of an order, and whether it descends."""
    return sort.strip().removeprefix("-"), sort.strip().startswith("-")


def _sorted(values: Values, runs: list[str], sort: str) -> list[str]:
    name, descending = direction(sort)
    if not name or sort == NEWEST:
        return runs
    column = resolve(name, values.keys)
    read = values.of(column, values.rows)
    _check_known(values, [(name, column)])
    return ordered(runs, lambda run: read[run], descending)


def _page(items: Sequence[Any], page: int | None) -> tuple[Sequence[Any], int, int]:
    if page is None:
        return items, 0, 1
    pages = max(1, math.ceil(len(items) / PAGE))
    at = min(max(0, page), pages - 1)
    return items[at * PAGE : (at + 1) * PAGE], at, pages


def _run_rows(values: Values, columns: Sequence[Column], runs: Sequence[str]) -> list[dict[str, Any]]:
    values.read_all(columns, runs)
    read = {column.name: values.of(column, runs) for column in columns}
    since = values.diverged(runs) if any(column.key == "status" for column in columns) else {}
    rows = []
    for run in runs:
        row: dict[str, Any] = {"run": run, "of": (run,), "diverged": since.get(run)}
        row["values"] = {column.name: read[column.name][run] for column in columns}
        row["steps"] = {column.name: values.at(column, run) for column in columns}
        row["units"] = {column.name: values.unit(column, run) for column in columns}
        rows.append(row)
    return rows


def _grouped(values: Values, runs: Sequence[str], wanted: Wanted) -> list[tuple[Any, list[str]]]:
    """(value, its runs), by the setting's value; in the order of the runs where they are sorted by something else."""
    column = resolve(wanted.group, values.keys)
    if column.is_metric:
        raise unknown(wanted.group, values.keys, ())
    read = values.of(column, values.rows)
    groups: dict[Any, list[str]] = {}
    for run in runs:
        groups.setdefault(None if is_blank(read[run]) else read[run], []).append(run)
    if wanted.sort != NEWEST:
        return list(groups.items())
    return ordered(list(groups.items()), lambda group: group[0], descending=False)


def _group_rows(
    values: Values, columns: Sequence[Column], groups: Sequence[tuple[Any, list[str]]]
) -> list[dict[str, Any]]:
    every = [run for _, runs in groups for run in runs]
    values.read_all(columns, every)
    read = {column.name: values.of(column, every) for column in columns}
    return [
        {
            "run": None, "of": tuple(runs), "group": value, "diverged": None, "steps": {}, "units": {},
            "values": {column.name: _together([read[column.name][run] for run in runs]) for column in columns},
        }
        for value, runs in groups
    ]  # fmt: skip


def _together(cells: Sequence[Any]) -> Any:
    """What a group's runs have in a column: their one value, the band of their numbers, or how many values."""
    there = [cell for cell in cells if not is_blank(cell)]
    distinct = list(dict.fromkeys(there))
    if len(distinct) <= 1:
        return distinct[0] if distinct else None
    numbers = [float(cell) for cell in there if is_number(cell) and math.isfinite(cell)]
    if len(numbers) == len(there):
        sd = statistics.stdev(numbers) if len(numbers) > 1 else None
        return Band(statistics.fmean(numbers), sd, len(numbers))
    return f"{len(distinct)} values"


def groupable(values: Values) -> list[str]:
    """The settings in which runs differ and that several of them share, seeds first."""
    counts: dict[str, dict[Any, int]] = {}
    for row in values.rows.values():
        for key, value in configured(row["config"]).items():
            if value is not None:
                counts.setdefault(key, {})
                counts[key][value] = counts[key].get(value, 0) + 1
    shared = [key for key, seen in counts.items() if len(seen) > 1 and max(seen.values()) > 1]
    return sorted(shared, key=lambda key: ("seed" not in key, key))


def known_names(values: Values, metrics: Sequence[str]) -> list[str]:
    """Names to offer as columns: facts, settings, and the last values of metrics."""
    return [*FACTS, *values.keys, *metrics]
