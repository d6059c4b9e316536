"""Hugging Face Trainer's trainer_state.json: its `log_history` mixes rows of training, of evaluation and a summary.

https://github.com/huggingface/transformers/blob/main/src/transformers/trainer_callback.py (`TrainerState`) writes it,
one into each checkpoint, and each holds the history up to there. The summary's `train_loss` is a mean over the whole
training, and so has a name of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etl.ingest.reading.document import Document, Row, row_of
from etl.ingest.reading.plain import text_head
from etl.ingest.reading.values import number
from etl.ingest.source import About, Loss, Recording
from etl.run.journal import whole

_HISTORY = re.compile(rb'"log_history"\s*:\s*\[')
_NAME = "trainer_state.json"
_CHECKPOINT = re.compile(r"checkpoint-\d+")


class TrainerState(Document):
    """The state of the last checkpoint of a folder, or of one file."""

    source = "trainer_state"

    def holds(self, file: Path) -> bool:
        """The states of a folder's checkpoints, whose beginnings the last one has too."""
        return file.name == _NAME or _CHECKPOINT.fullmatch(file.name) is not None

    def rows(self, document: Mapping[str, Any]) -> list[Row]:
        history = document.get("log_history")
        rows = []
        for place, record in enumerate(history if isinstance(history, list) else (), 1):
            try:
                rows.append(_row(record))
            except (ValueError, TypeError, AttributeError) as error:
                self.lost.append(Loss(self._file.name, f"row {place:,} of log_history: {error}"))
        return rows

    def salvaged(self, objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return {"log_history": [each for each in objects if "step" in each]}

    def about(self) -> About:
        config = {
            key: value for key, value in self.document.items() if key not in ("log_history", "stateful_callbacks")
        }
        return About(self.name, tokens_per_step=None, config=config)


def _row(record: Mapping[str, Any]) -> Row:
    row = row_of(record, record.get("step"), epoch=number(record.get("epoch")))
    if "train_runtime" in row and "train_loss" in row:
        row["train_loss_mean"] = row.pop("train_loss")
    return row


class TrainerStates:
    def find(self, path: Path) -> Sequence[Recording]:
        """A file; or a folder of checkpoints, whose last one has the whole history."""
        if not path.is_dir():
            return [TrainerState(path)] if _is_one(path) else []
        folders = [path, *(child for child in path.iterdir() if _CHECKPOINT.fullmatch(child.name))]
        states = [folder / _NAME for folder in folders if _is_one(folder / _NAME)]
        return [TrainerState(path, max(states, key=_length))] if states else []


def _is_one(path: Path) -> bool:
    start = text_head(path).lstrip(b"\xef\xbb\xbf\r\n\t ")
    return start.startswith(b"{") and _HISTORY.search(start) is not None


def _length(path: Path) -> tuple[int, int]:
    step = whole(TrainerState(path).document.get("global_step"))
    return (step or 0, path.stat().st_size)


SOURCE = TrainerStates()
