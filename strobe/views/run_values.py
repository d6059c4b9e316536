"""The values of a list's columns, read for as many runs at once as are asked for."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from strobe.views.milestones import onsets
from strobe.views.run_columns import Column, fact, flattened, names_in
from strobe.views.run_view import Answer, CatalogueTables
from strobe.views.runs import NEWEST_FIRST

if TYPE_CHECKING:
    from etl.store.annotations import Annotations
    from etl.store.catalogue import Catalogue
    from strobe.analysis.onset_answer import Onset

DIVERGED: Final = """SELECT run, name, last_value FROM metrics
WHERE contains(lower(name), 'loss') AND nonfinite > 0"""
"""The losses that had a value that is no number; those that end on one have diverged."""
_DIVERGED_AT: Final = """WITH bad AS (SELECT run, name FROM metrics WHERE ({bad})), good AS (
  SELECT s.run, s.name, max(s.step) FILTER (isfinite(s.value)) AS step FROM scalars s JOIN bad USING (run, name)
  GROUP BY ALL
)
SELECT s.run, min(s.step) AS step FROM scalars s JOIN good g USING (run, name)
WHERE s.step > coalesce(g.step, -1) GROUP BY s.run"""
"""Since which step: the first one behind the last finite value."""
BYTES: Final = """SELECT run, sum(bytes)::DOUBLE AS bytes FROM snapshots WHERE file IS NOT NULL GROUP BY run"""


class Source(Protocol):
    """Where a list is read from: the app's reader, which keeps what it read run by run, or a catalogue."""

    def each(self, sql: str, order: Sequence[tuple[str, str]] = (), runs: Collection[str] | None = None) -> Answer:
        """The answer to SQL whose every row is of the run in its column `run`; of `runs` alone where given."""

    def every_run(self) -> pa.Table:
        """Table `runs`, the newest first."""

    def onsets(self, runs: Collection[str]) -> Mapping[str, Onset]:
        """The grokking onset of some runs."""

    def annotations(self) -> Mapping[str, Annotations]:
        """What people say of each run."""


@dataclass(frozen=True)
class AllRuns:
    """A catalogue as a `Source`: nothing is kept."""

    catalogue: Catalogue

    def _of(self, runs: Collection[str] | None) -> Catalogue:
        return (
            self.catalogue if runs is None or len(runs) == len(self.catalogue.names()) else self.catalogue.of(*runs)
        )

    def each(self, sql: str, order: Sequence[tuple[str, str]] = (), runs: Collection[str] | None = None) -> Answer:
        table = self._of(runs).query(sql)
        if order:
            table = table.take(pc.sort_indices(table, sort_keys=list(order)))
        return Answer(sql, table)

    def every_run(self) -> pa.Table:
        table = self.catalogue.every_run()
        return table.take(pc.sort_indices(table, sort_keys=list(NEWEST_FIRST)))

    def onsets(self, runs: Collection[str]) -> Mapping[str, Onset]:
        return onsets(CatalogueTables(self._of(runs)))

    def annotations(self) -> Mapping[str, Annotations]:
        return self.catalogue.annotations()


def metrics_sql(names: Collection[str]) -> str:
    """The catalogue's rows of some metrics."""
    return (
        "SELECT run, name, unit, n, last_step, last_value, min, min_step, max, max_step FROM metrics "
        f"WHERE name IN ({_literals(names)})"
    )


def means_sql(names: Collection[str]) -> str:
    """The mean of all finite values that are current."""
    return (
        "SELECT run, name, avg(value) FILTER (isfinite(value)) AS mean FROM scalars "
        f"WHERE name IN ({_literals(names)}) GROUP BY run, name"
    )


def _literals(names: Collection[str]) -> str:
    return ", ".join("'" + name.replace("'", "''") + "'" for name in sorted(names))


@functools.lru_cache(maxsize=4096)
def configured(config: str | None) -> Mapping[str, Any]:
    """`flattened`, kept: a list asks for it at every change of a filter."""
    return flattened(config)


class Values:
    """What a list reads, as it needs it: `of` gives one column for some runs."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.rows = {row["run"]: row for row in source.every_run().to_pylist()}
        self.said = source.annotations()
        self._metrics: dict[tuple[str, str], dict[str, Any]] = {}
        self._means: dict[tuple[str, str], float | None] = {}
        self._read: dict[str, set[str]] = {}

    @functools.cached_property
    def keys(self) -> tuple[str, ...]:
        """Every path of any run's configuration."""
        return tuple(dict.fromkeys(key for row in self.rows.values() for key in configured(row["config"])))

    def of(self, column: Column, runs: Collection[str]) -> dict[str, Any]:
        """Run -> the value of a column, None where it has none."""
        if column.of == "config":
            return {run: configured(self.rows[run]["config"]).get(column.key) for run in runs}
        if column.of == "mean":
            self._read_means((column.key,), runs)
            return {run: self._means.get((run, column.key)) for run in runs}
        if column.is_metric:
            self.read_metrics((column.key,), runs)
            which = "last_value" if column.of == "last" else column.direction
            return {run: self._metrics.get((run, column.key), {}).get(which) for run in runs}
        return self._facts(column.key, runs)

    def at(self, column: Column, run: str) -> int | None:
        """At which step a metric's column has its value, as far as that has been read."""
        which = {"last": "last_step", "min": "min_step", "max": "max_step"}.get(column.direction, "")
        step: int | None = self._metrics.get((run, column.key), {}).get(which) if column.is_metric else None
        return step

    def unit(self, column: Column, run: str) -> str:
        """The unit of a metric of a run, as far as that has been read; "" where there is none."""
        return str(self._metrics.get((run, column.key), {}).get("unit") or "") if column.is_metric else ""

    def has(self, metric: str) -> bool:
        """Whether any run for which it was read has a metric."""
        return any(name == metric for _, name in self._metrics)

    def read_all(self, columns: Sequence[Column], runs: Collection[str]) -> None:
        """Read the metrics of several columns at once."""
        self.read_metrics(names_in(columns), runs)

    def read_metrics(self, names: Sequence[str], runs: Collection[str]) -> None:
        for row in self._each(metrics_sql, "metrics", names, runs):
            self._metrics[row["run"], row["name"]] = row

    def _read_means(self, names: Sequence[str], runs: Collection[str]) -> None:
        for row in self._each(means_sql, "means", names, runs):
            self._means[row["run"], row["name"]] = row["mean"]

    def _each(self, sql: Any, what: str, names: Sequence[str], runs: Collection[str]) -> list[dict[str, Any]]:
        """Rows of those names that have not been read for all of these runs."""
        wanted = set(runs)
        missing = [name for name in names if not wanted <= self._read.get(f"{what} {name}", set())]
        for name in missing:
            self._read.setdefault(f"{what} {name}", set()).update(wanted)
        return self._rows(sql(missing), runs) if missing and wanted else []

    def _rows(self, sql: str, runs: Collection[str]) -> list[dict[str, Any]]:
        table: pa.Table = self.source.each(sql, (), runs).table
        return list(table.to_pylist())

    def _facts(self, name: str, runs: Collection[str]) -> dict[str, Any]:
        if name == "status":
            since = self.diverged(runs)
            return {run: "diverged" if run in since else self.rows[run]["status"] for run in runs}
        if name in ("onset", "grokking"):
            found = self.source.onsets(runs)
            return {run: found[run].step if name == "onset" else str(found[run].answer) for run in runs}
        if name == "snapshots":
            sizes = {row["run"]: row["bytes"] for row in self._rows(BYTES, runs)}
            return {run: sizes.get(run) for run in runs}
        if name in ("tags", "note", "archived"):
            return {run: _said(name, self.said[run]) for run in runs}
        return {run: fact(name, self.rows[run]) for run in runs}

    def diverged(self, runs: Collection[str]) -> dict[str, int]:
        """Run -> since which step a loss of it has been no number up to the end, of the runs of which that is so."""
        bad = [
            (row["run"], row["name"]) for row in self._rows(DIVERGED, runs) if not math.isfinite(row["last_value"])
        ]
        if not bad:
            return {}
        either = " OR ".join(f"run = {_literals([run])} AND name = {_literals([name])}" for run, name in bad)
        found = self._rows(_DIVERGED_AT.format(bad=either), {run for run, _ in bad})
        return {row["run"]: row["step"] for row in found}


def _said(name: str, said: Annotations) -> Any:
    value = getattr(said, name)
    return ", ".join(value) if name == "tags" else value


def is_number(value: Any) -> bool:
    """A value that is sorted and averaged as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
