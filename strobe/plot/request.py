"""What a printed figure is asked to show, and of which runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from etl.errors import StrobeError
from strobe.charts.curves import Mark
from strobe.charts.theme import SERIES, Look, run_looks
from strobe.views.compared import MOST_RUNS, Laid
from strobe.views.milestones import milestones
from strobe.views.run_use import RunUse, run_use
from strobe.views.run_view import CatalogueTables, RunView
from strobe.views.tokens_seen import PER_PARAMETER

if TYPE_CHECKING:
    from etl.run.snapshot import Snapshot
    from etl.store.catalogue import Store


@dataclass(frozen=True)
class Request:
    """What a figure is to show: runs (the first where a panel shows one), and a step where it shows a moment.

    `tensor` (without its section) and `layer` name a matrix, `metric` a metric, for the panels that take one;
    `per_parameter` is the target in tokens a parameter.
    """

    store: Store
    runs: Sequence[str]
    step: int | None = None
    tensor: str | None = None
    layer: int = 0
    metric: str | None = None
    per_parameter: float = PER_PARAMETER

    @cached_property
    def uses(self) -> list[RunUse]:
        """What the runs did and used, of as many as are laid on the same axes."""
        tables = CatalogueTables(self.store.current(), str(self.store.path))
        return [run_use(RunView(tables, run)) for run in self.runs[:MOST_RUNS]]

    @cached_property
    def looks(self) -> dict[str, Look]:
        """The runs' looks, in the colours that the store keeps of them."""
        said = self.store.current().annotations()
        return run_looks(self.runs, {run: said[run].colour for run in self.runs if run in said})

    @cached_property
    def laid(self) -> Laid:
        """The runs by their names; by their ids too where two are called alike."""
        names = {run: str(self.store.run(run).row.get("name") or run) for run in self.runs}
        called = list(names.values())
        titles = {run: name if called.count(name) == 1 else f"{name} ({run})" for run, name in names.items()}
        return Laid(titles=titles, per_parameter=self.per_parameter)

    @property
    def run(self) -> str:
        return self.runs[0]

    def view(self) -> RunView:
        """The first run, as every view of it is asked."""
        catalogue = self.store.current()
        stored = catalogue.run(self.run)
        tables = CatalogueTables(catalogue, str(self.store.path))
        return RunView(tables, stored.id, tuple(stored.steps()), title=str(stored.row.get("name") or stored.id))

    def rows(self, sql: str, *params: object) -> pa.Table:
        """The answer to trusted SQL with $1 = the first run."""
        return self.store.sql(sql, [self.run, *params])

    def found(self, derived: str, sql: str, *params: object) -> pa.Table:
        """`rows` of the table `derived`. Raises StrobeError where there are none: why the run can never have them, or
        the command that fills the table."""
        table = self.rows(sql, *params)
        if not table.num_rows:
            raise self.nothing_derived(derived)
        return table

    def nothing_derived(self, derived: str) -> StrobeError:
        """Why the run has no rows in the table `derived`: it can never have them, or the command that fills it."""
        from strobe.derive.filling.staleness import why_never

        reason = why_never(self.store.run(self.run), derived)
        return StrobeError(
            reason or f"nothing derived yet; `strobe analyze {self.run}` fills it where the run has it"
        )

    def snapshot(self) -> Snapshot:
        """The snapshot of `step`, or of the nearest earlier one; the last where no step is given."""
        stored = self.store.run(self.run)
        steps = stored.steps()
        if not steps:
            ever = self.rows("SELECT count(*) AS n FROM snapshots WHERE run = $1")["n"][0].as_py()
            raise StrobeError("its snapshots are not on this machine" if ever else "it recorded no snapshots")
        return stored.at(steps[-1] if self.step is None else self.step, nearest=True)

    def values(self, snapshot: Snapshot, name: str) -> Any:
        """A tensor of a snapshot. Raises StrobeError where the run does not record it."""
        if name not in snapshot:
            raise StrobeError(f"its snapshots have no {name}")
        return snapshot.values(name)

    def onset(self) -> list[Mark]:
        """The onset of grokking as a mark, where one run is drawn and has one."""
        if len(self.runs) > 1:
            return []
        onset = milestones(self.view().tables, self.run).onset
        return (
            [Mark(float(onset.step), f"onset {onset.step:,}", SERIES[2])] if onset and onset.step is not None else []
        )
