"""What build-nanogpt prints.

    validation loss: 10.9511
    step     0 | loss: 10.955029 | lr 8.3916e-07 | norm: 15.3627 | dt: 338.29ms | tok/sec: 48431.35

https://github.com/karpathy/build-nanogpt/blob/master/train_gpt2.py prints it, the validation loss before the line of
its step. A step counts the updates before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from etl.ingest.loss_unit import NATS
from etl.ingest.reading.patterns import PatternLog, Shape, compiled, is_of
from etl.ingest.reading.plain import text_head
from etl.ingest.reading.usual_lines import UsualLine
from etl.ingest.source import Recording


class BuildNanogptStdout(PatternLog):
    source = "build_nanogpt_stdout"
    loss_unit = NATS
    shape = Shape(
        compiled(
            rb"step +# *[|,] *loss: <train_loss>(?: *[|,] *lr:? <learning_rate>)?(?: *[|,] *norm: <grad_norm>)?"
            rb" *[|,] *dt: <step_time_ms>ms *[|,] *tok/sec: <tokens_per_second>|"
            rb"validation loss: <val_loss>|HellaSwag accuracy: \d+/\d+=<hellaswag_accuracy>"
        ),
        re.compile(rb"^step +\d+ *[|,] *loss:", re.MULTILINE),
        {
            "train_loss": "loss",
            "val_loss": "validation loss",
            "hellaswag_accuracy": "HellaSwag accuracy",
            "learning_rate": "lr",
            "grad_norm": "norm",
            "step_time_ms": "dt",
            "tokens_per_second": "tok/sec",
        },
        usual=UsualLine(
            b"step +# | loss: <train_loss> | lr <learning_rate> | norm: <grad_norm> | dt: <step_time_ms>ms | "
            b"tok/sec: <tokens_per_second>"
        ),
    )


class BuildNanogptStdouts:
    def find(self, path: Path) -> Sequence[Recording]:
        return (
            [BuildNanogptStdout(path)]
            if is_of(path, BuildNanogptStdout.shape) and b"tok/sec" in text_head(path)
            else []
        )


SOURCE = BuildNanogptStdouts()
