"""build-nanogpt's log.txt: `250 val 6.4321`, `250 hella 0.2413`, `250 train 6.543210`.

https://github.com/karpathy/build-nanogpt/blob/master/train_gpt2.py writes it. A step counts the updates before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from etl.ingest.loss_unit import NATS
from etl.ingest.reading.patterns import PatternLog, Shape, compiled, is_of
from etl.ingest.reading.usual_lines import UsualLine
from etl.ingest.source import Recording


class BuildNanogpt(PatternLog):
    source = "build_nanogpt"
    loss_unit = NATS
    shape = Shape(
        compiled(rb"# (?:val <val_loss>|hella <hellaswag_accuracy>|train <train_loss>)"),
        re.compile(rb"^\d+ (?:val|hella|train)\b", re.MULTILINE),
        {"train_loss": "train", "val_loss": "val", "hellaswag_accuracy": "hella"},
        usual=UsualLine(b"# train <train_loss>"),
    )


class BuildNanogpts:
    def find(self, path: Path) -> Sequence[Recording]:
        return [BuildNanogpt(path)] if is_of(path, BuildNanogpt.shape) else []


SOURCE = BuildNanogpts()
