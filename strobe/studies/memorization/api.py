"""The study from Python: `strobe.run_memorization(...)`, and a result that opens as tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from strobe.settings import open_store, runs_path, store_path
from strobe.studies.memorization.experiment import begin
from strobe.studies.memorization.plan import Plan, plan_of
from strobe.views import memorization_report
from strobe.views.memorization import Study, study, summary
from strobe.views.run_view import CatalogueTables, RunView


@dataclass(frozen=True)
class MemorizationResult:
    """A study that is finished: `run` is its id in the store at `store`, and `folder` where it was recorded.

    >>> result.findings.to_pandas()      # every test, beside how many there were
    >>> print(result.report)             # the same in words, as Markdown
    """

    run: str
    folder: Path
    store: Path
    plan: Plan

    def _rows(self, table: str, order: str) -> pa.Table:
        return self._opened.sql(f"SELECT * FROM {table} WHERE run = $1 ORDER BY {order}", [self.run])

    @cached_property
    def _opened(self) -> Store:
        return open_store(self.store)

    @property
    def passages(self) -> pa.Table:
        """A row an epoch and passage: what is reproduced, and its text."""
        return self._rows("passages", "epoch, passage")

    @property
    def compression(self) -> pa.Table:
        """A row an epoch, layer and passage: the score, nats."""
        return self._rows("compression", "epoch, layer, passage")

    @property
    def findings(self) -> pa.Table:
        """A row a test, corrected together."""
        return self._rows("findings", "analysis, subject")

    @cached_property
    def study(self) -> Study:
        """The measures as arrays."""
        found = study(RunView(CatalogueTables(self._opened.current(), str(self.store)), self.run))
        if found is None:
            raise StrobeError(f"{self.run}: its tables are gone from {self.store}")
        return found

    @property
    def summary(self) -> pa.Table:
        """A row an epoch and group, with means."""
        return summary(self.study)

    @property
    def lead(self) -> str:
        """What was reproduced, and how many tests survive correction."""
        return memorization_report.lead(self.study)

    @property
    def report(self) -> str:
        """Everything that was tested, as Markdown."""
        return memorization_report.markdown(self.study)


def into_store(folder: Path, store: Path) -> str:
    """The run of a study and its tables into a store; returns its id there."""
    (report,) = ingest([folder], store)
    opened = open_store(store)
    Deriver(opened, opened.run(report.run)).fill(["findings"])
    return report.run


def run_memorization(
    mode: str = "quick",
    *,
    out: str | Path | None = None,
    store: str | Path | None = None,
    resume: bool = False,
    on_step: Callable[[int, dict[str, float]], None] = lambda _step, _values: None,
    **given: Any,
) -> MemorizationResult:
    """Train on passages, measure, and test: what `strobe study memorization` does.

    `given` are fields of `strobe.studies.memorization.plan.Plan` in place of the mode's: `epochs`, `passages`,
    `seed`, ... `out` is the run's folder (default `$STROBE_RUNS/memorization-<mode>`), `store` the store (default
    `$STROBE_STORE`). With `resume` a study that was stopped there goes on; `on_step` is called after each update.
    Raises StrobeError, and KeyboardInterrupt where a signal ended the training.
    """
    folder = Path(out) if out is not None else runs_path() / f"memorization-{mode}"
    target = Path(store) if store is not None else store_path()
    carried = begin(folder, plan_of(mode, **given), resume=resume)
    if carried.run(on_step) != "finished":
        raise KeyboardInterrupt(f"stopped; run_memorization(..., resume=True) goes on in {folder}")
    return MemorizationResult(into_store(folder, target), folder, target, carried.plan)
