"""W&B's wandb-summary.json: the last value of each metric, at its `_step`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etl.ingest.reading.document import Document, Row, row_of
from etl.ingest.reading.json_lines import first_object
from etl.ingest.reading.json_records import flat
from etl.ingest.reading.values import moment
from etl.ingest.source import Loss, Recording


class WandbSummary(Document):
    source = "wandb_summary"

    def rows(self, document: Mapping[str, Any]) -> list[Row]:
        fields = {name: value for name, value in flat(document) if not name.startswith("_")}
        try:
            return [row_of(fields, document.get("_step"), time=moment(document.get("_timestamp")))]
        except ValueError as error:
            self.lost.append(Loss(self._file.name, str(error)))
            return []

    def salvaged(self, objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return max(objects, key=len, default={})


class WandbSummaries:
    def find(self, path: Path) -> Sequence[Recording]:
        first = first_object(path)
        return [WandbSummary(path)] if "_wandb" in first and "_step" in first else []


SOURCE = WandbSummaries()
