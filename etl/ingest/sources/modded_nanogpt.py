"""modded-nanogpt's log: `step:125/1750 val_loss:4.5 train_time:17000ms step_avg:148.3ms`, behind its source code.

https://github.com/KellerJordan/modded-nanogpt prints it; some versions have a train loss, later ones the time alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from etl.ingest.loss_unit import NATS
from etl.ingest.reading.patterns import PatternLog, Shape, compiled, is_of
from etl.ingest.reading.usual_lines import UsualLine
from etl.ingest.source import Recording


class ModdedNanogpt(PatternLog):
    source = "modded_nanogpt"
    loss_unit = NATS
    shape = Shape(
        compiled(
            rb"step:#/\d+ (?:(?:train_loss:<train_loss>|val_loss:<val_loss>) )?"
            rb"train_time:(?:<train_time_ms>ms|<train_time_s>s)(?: step_avg:<step_time_ms>ms)?"
        ),
        re.compile(rb"^step:\d+/\d+ ", re.MULTILINE),
        {"step_time_ms": "step_avg"},
        usual=UsualLine(b"step:#/~ train_loss:<train_loss> train_time:<train_time_ms>ms step_avg:<step_time_ms>ms"),
    )


class ModdedNanogpts:
    def find(self, path: Path) -> Sequence[Recording]:
        return [ModdedNanogpt(path)] if is_of(path, ModdedNanogpt.shape) else []


SOURCE = ModdedNanogpts()
