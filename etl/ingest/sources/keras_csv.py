"""Keras' CSVLogger: `epoch,accuracy,loss,val_accuracy,val_loss`; with `append` a training begun again goes on below.

https://github.com/keras-team/keras/blob/master/keras/src/callbacks/csv_logger.py writes it. A step is an epoch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etl.ingest.mapping import FieldMapping
from etl.ingest.reading.csv_log import CsvLog, header
from etl.ingest.source import Recording


class KerasCsv(CsvLog):
    source = "keras_csv"

    def mapping(self, names: Sequence[str]) -> FieldMapping:  # noqa: ARG002
        return FieldMapping("epoch")


class KerasCsvs:
    def find(self, path: Path) -> Sequence[Recording]:
        names, _ = header(path)
        return [KerasCsv(path)] if names[:1] == ["epoch"] and "loss" in names and "step" not in names else []


SOURCE = KerasCsvs()
