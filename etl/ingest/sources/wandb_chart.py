"""A chart that W&B exported as CSV: `"Step","run - train/loss","run - train/loss__MIN","run - train/loss__MAX"`.

Each column but the first is one metric of one run; the extremes of what the chart draws as one point are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from etl.ingest.mapping import FieldMapping
from etl.ingest.reading.csv_log import CsvLog, header
from etl.ingest.source import Recording, State

_COLUMN = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<extreme>__MIN|__MAX)?")


class WandbChart(CsvLog):
    """One run's columns of a chart."""

    source = "wandb_chart"

    def __init__(self, path: Path, run: str, step: str) -> None:
        super().__init__(path)
        self.run_key, self._step = run, step

    @property
    def name(self) -> str:
        return self.run_key

    def resumes(self, state: State) -> bool:
        return state.get("memory", {}).get("run") == self.run_key and super().resumes(state)

    def mapping(self, names: Sequence[str]) -> FieldMapping:
        self.memory["run"] = self.run_key
        found = {name: _COLUMN.fullmatch(name) for name in names}
        mine = {
            name: column["metric"] if column and column["run"] == self.run_key and not column["extreme"] else ""
            for name, column in found.items()
        }
        return FieldMapping(self._step, names=mine)


class WandbCharts:
    def find(self, path: Path) -> Sequence[Recording]:
        names, delimiter = header(path)
        columns = [_COLUMN.fullmatch(name) for name in names[1:]]
        if delimiter != "," or not columns or not all(columns):
            return []
        runs = dict.fromkeys(column["run"] for column in columns if column)
        return [WandbChart(path, run, names[0]) for run in runs]


SOURCE = WandbCharts()
