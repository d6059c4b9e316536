"""A training logger's run_*.json: config, startup_info, training_iterations, eval_steps, checkpoints, summary.

Written anew while the training goes on, so that the summary and the end may be missing. `mfu` of an iteration is a
number in percent, -100 where it was not measured, or an object with the terms that it came from; memory is in GB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etl.ingest.reading.document import Document, Row, row_of
from etl.ingest.reading.json_records import flat
from etl.ingest.reading.plain import text_head
from etl.ingest.reading.values import moment, number
from etl.ingest.source import About, Loss, Recording
from etl.run.attempts import Attempt
from etl.run.journal import whole

_ITERATIONS = re.compile(rb'"training_iterations"\s*:\s*\[')
_NAMES = {
    "mfu/mfu": "mfu",
    "mfu/tokens_per_sec": "tokens_per_second",
    "memory/allocated_gb": "memory_allocated_bytes",
    "memory/max_allocated_gb": "memory_peak_bytes",
    "memory/reserved_gb": "memory_reserved_bytes",
    "memory/max_reserved_gb": "memory_reserved_peak_bytes",
}
_GIGABYTES = frozenset(name for name in _NAMES if name.endswith("_gb"))


class TrainingLogger(Document):
    source = "training_logger"

    def rows(self, document: Mapping[str, Any]) -> list[Row]:
        rows: list[Row] = []
        for section, read in (("training_iterations", _iteration), ("eval_steps", _evaluation)):
            for place, record in enumerate(_records(document, section), 1):
                try:
                    rows.append(read(record))
                except (ValueError, TypeError, AttributeError) as error:
                    self.lost.append(Loss(self._file.name, f"row {place:,} of {section}: {error}"))
        return sorted(rows, key=lambda row: row["step"])

    def metric_names(self) -> Mapping[str, str]:
        return {"time_ms": "step_time_ms"}

    def salvaged(self, objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        rows = [each for each in objects if "iter" in each]
        evaluations = [each for each in rows if "val_loss" in each and "path" not in each]
        return {"training_iterations": [each for each in rows if "loss" in each], "eval_steps": evaluations}

    def attempts(self) -> Sequence[Attempt]:
        (first, *_) = super().attempts()
        started, ended = (moment(self.document.get(key)) for key in ("start_time", "end_time"))
        summary = self.document.get("summary")
        end = "finished" if ended is not None and isinstance(summary, Mapping) else None
        return [Attempt(0, first.step, time=started, end=end, end_time=ended)]

    def about(self) -> About:
        config = _mapping(self.document, "config")
        startup = _mapping(self.document, "startup_info")
        hardware, model = _mapping(startup, "hardware"), _mapping(startup, "model")
        shape: dict[str, Any] = {key: whole(config.get(key)) for key in ("n_layer", "n_head", "n_embd", "vocab_size")}
        kept = {key: self.document[key] for key in ("startup_info", "metadata", "summary") if key in self.document}
        return About(
            str(self.document.get("run_name") or self.name),
            created_at=moment(self.document.get("start_time")),
            n_params=whole(model.get("total_params")),
            tokens_per_step=tokens_per_step(self.document),
            device=str(hardware["gpu_name"]) if "gpu_name" in hardware else None,
            config={**config, **kept},
            **shape,
        )


def tokens_per_step(document: Mapping[str, Any]) -> int | None:
    """Sequences of a micro-batch x their length x micro-batches of an update x devices, where the log has them all.

    The trainers that log so divide the micro-batches of an update among the devices: the configured number is of all.
    """
    config = _mapping(document, "config")
    factors = [whole(config.get(key)) for key in ("batch_size", "block_size", "gradient_accumulation_steps")]
    known = [factor for factor in factors if factor]
    return known[0] * known[1] * known[2] if len(known) == len(factors) else None


def _records(document: Mapping[str, Any], section: str) -> Sequence[Any]:
    records = document.get(section)
    return records if isinstance(records, list) else ()


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}


def _iteration(record: Mapping[str, Any]) -> Row:
    fields = dict(flat(record))
    percent = number(fields.pop("mfu", None))
    values = {_NAMES.get(name, name): _scaled(name, value) for name, value in fields.items() if _is_metric(name)}
    if percent is not None and percent != -100.0:
        values["mfu"] = percent / 100
    return row_of(values, fields.get("iter"), time=moment(fields.get("timestamp")))


def _is_metric(name: str) -> bool:
    return name in _NAMES or ("/" not in name and name not in ("iter", "timestamp"))


def _scaled(name: str, value: object) -> object:
    found = number(value)
    return found * 1e9 if found is not None and name in _GIGABYTES else value


def _evaluation(record: Mapping[str, Any]) -> Row:
    names = {"train_loss": "train_loss_eval"}
    values = {names.get(name, name): value for name, value in record.items() if name not in ("iter", "timestamp")}
    return row_of(values, record.get("iter"), time=moment(record.get("timestamp")))


class TrainingLoggers:
    def find(self, path: Path) -> Sequence[Recording]:
        start = text_head(path).lstrip(b"\xef\xbb\xbf\r\n\t ")
        return [TrainingLogger(path)] if start.startswith(b"{") and _ITERATIONS.search(start) else []


SOURCE = TrainingLoggers()
