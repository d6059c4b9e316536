"""LLaMA-Factory's trainer_log.jsonl: {"current_steps": 5, "total_steps": 8712, "loss": 1.74, "lr": 5e-05, ...}.

https://github.com/hiyouga/LLaMA-Factory/blob/main/src/llamafactory/train/callbacks.py writes it. Several ranks may
write into one file, and a training that is begun again appends to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from etl.ingest.loss_unit import NATS
from etl.ingest.mapping import FieldMapping
from etl.ingest.reading.json_lines import JsonLines, first_object
from etl.ingest.source import Recording

_PROGRESS = dict.fromkeys(("total_steps", "percentage", "elapsed_time", "remaining_time"), "")


class TrainerLog(JsonLines):
    source = "llamafactory"
    loss_unit = NATS

    def mapping(self) -> FieldMapping:
        return FieldMapping("current_steps", epoch="epoch", tokens="total_tokens", names=_PROGRESS)

    def metric_names(self) -> Mapping[str, str]:
        return {"total_tokens": "tokens_seen", "throughput": "tokens_per_second"}


class TrainerLogs:
    def find(self, path: Path) -> Sequence[Recording]:
        first = first_object(path)
        return [TrainerLog(path)] if {"current_steps", "total_steps"} <= first.keys() else []


SOURCE = TrainerLogs()
