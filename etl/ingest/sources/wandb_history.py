"""W&B's history, one JSON object a line: {"_step": 3, "_timestamp": 1582070924.19, "_runtime": 10.9, "loss": 0.5}.

What `run.scan_history()` gives, and the file wandb-history.jsonl of old versions. Media and histograms are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etl.ingest.mapping import FieldMapping
from etl.ingest.reading.json_lines import JsonLines, first_object
from etl.ingest.source import Recording


class WandbHistory(JsonLines):
    source = "wandb_history"

    def mapping(self) -> FieldMapping:
        return FieldMapping("_step", time="_timestamp", epoch="epoch", names={"_runtime": ""})


class WandbHistories:
    def find(self, path: Path) -> Sequence[Recording]:
        first = first_object(path)
        return [WandbHistory(path)] if "_step" in first and "_wandb" not in first else []


SOURCE = WandbHistories()
