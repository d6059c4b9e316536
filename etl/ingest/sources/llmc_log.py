"""llm.c's main.log: `s:250 tel:6.4` (validation loss), `s:250 eval:0.25` (HellaSwag), `s:250 trl:6.5 lr:.. norm:..`.

https://github.com/karpathy/llm.c/blob/master/llmc/logger.h writes it. A step counts the updates before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from etl.ingest.loss_unit import NATS
from etl.ingest.reading.patterns import PatternLog, Shape, compiled, is_of
from etl.ingest.reading.usual_lines import UsualLine
from etl.ingest.source import Recording


class LlmcLog(PatternLog):
    source = "llmc_log"
    loss_unit = NATS
    shape = Shape(
        compiled(
            rb"s:# +(?:tel:<val_loss>|eval:<hellaswag_accuracy>|"
            rb"trl:<train_loss>(?: +lr:<learning_rate> +norm:<grad_norm>)?)"
        ),
        re.compile(rb"^s:\d", re.MULTILINE),
        {
            "train_loss": "trl",
            "val_loss": "tel",
            "hellaswag_accuracy": "eval",
            "learning_rate": "lr",
            "grad_norm": "norm",
        },
        usual=UsualLine(b"s:# trl:<train_loss> lr:<learning_rate> norm:<grad_norm>"),
    )


class LlmcLogs:
    def find(self, path: Path) -> Sequence[Recording]:
        return [LlmcLog(path)] if is_of(path, LlmcLog.shape) else []


SOURCE = LlmcLogs()
