"""PyTorch Lightning's metrics.csv: columns `epoch` and `step` among those of the metrics.

https://github.com/Lightning-AI/pytorch-lightning/blob/master/src/lightning/fabric/loggers/csv_logs.py writes it. A
step counts the batches, from 0, so that of an update counts the updates before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etl.ingest.mapping import FieldMapping
from etl.ingest.reading.csv_log import CsvLog, header
from etl.ingest.source import Recording


class LightningCsv(CsvLog):
    source = "lightning_csv"

    def mapping(self, names: Sequence[str]) -> FieldMapping:  # noqa: ARG002
        return FieldMapping("step", epoch="epoch")


class LightningCsvs:
    def find(self, path: Path) -> Sequence[Recording]:
        names, delimiter = header(path)
        return [LightningCsv(path)] if delimiter == "," and {"epoch", "step"} <= set(names) else []


SOURCE = LightningCsvs()
