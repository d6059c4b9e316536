"""What llm.c prints.

    val loss 10.990410
    step    1/19560 | loss 10.998 (+nanz)| norm 15.18 (+nanz)| lr 8.57e-07 | 3994.7 ms | 33.8% bf16 MFU | 131245 tok/s

https://github.com/karpathy/llm.c/blob/master/train_gpt2.cu prints it. The step that it prints is one later than that
of main.log, which counts the updates before the loss. Validation loss and HellaSwag stand on lines of their own,
before that of their step. An MFU of -100% says that the device's peak is not known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etl.ingest.loss_unit import NATS
from etl.ingest.reading.patterns import PatternLog, Shape, compiled, is_of
from etl.ingest.reading.plain import text_head
from etl.ingest.reading.usual_lines import UsualLine
from etl.ingest.source import About, Recording

_PARAMETER = re.compile(rb"^\| ([^|]*?) *\| ([^|]*?) *\|\s*$", re.MULTILINE)
_COUNTS = {
    "n_layer": "num_layers L",
    "n_head": "num_heads NH",
    "n_embd": "channels C",
    "vocab_size": "vocab_size V",
    "n_params": "num_parameters",
    "tokens_per_step": "total batch size",
}


class LlmcStdout(PatternLog):
    source = "llmc_stdout"
    loss_unit = NATS
    shape = Shape(
        compiled(
            rb"step +#/\d+ \| (?:train )?loss +<train_loss>(?: \([^)|\n]*\))? *\| "
            rb"norm +<grad_norm>(?: \([^)|\n]*\))? *\| lr +<learning_rate> \| <step_time_ms> ms \| "
            rb"(?:<mfu>% (?:\w+ )?MFU|n/a MFU) \| <tokens_per_second> tok/s|"
            rb"val loss +<val_loss>|HellaSwag: \d+/\d+ = <hellaswag_accuracy>"
        ),
        re.compile(rb"^step +\d+/\d+ \|", re.MULTILINE),
        {
            "train_loss": "loss",
            "val_loss": "val loss",
            "hellaswag_accuracy": "HellaSwag",
            "learning_rate": "lr",
            "grad_norm": "norm",
            "step_time_ms": "ms",
            "mfu": "MFU",
            "tokens_per_second": "tok/s",
        },
        percent=frozenset({"mfu"}),
        absent={"mfu": -100.0},
        step_before=1,
        usual=UsualLine(
            b"step +#/~ | loss <train_loss> (?z)| norm <grad_norm> (?z)| lr <learning_rate> | <step_time_ms> ms | "
            b"<mfu>% bf16 MFU | <tokens_per_second> tok/s"
        ),
    )

    def about(self) -> About:
        table = {
            key.decode(errors="replace"): value.decode(errors="replace")
            for key, value in _PARAMETER.findall(text_head(self.path))
        }
        table.pop("Parameter", None)
        counts: dict[str, Any] = {
            key: int(table[name]) for key, name in _COUNTS.items() if table.get(name, "").isdigit()
        }
        peak = table.get("peak TFlops", "")
        return About(
            self.name,
            device=table.get("device"),
            peak_flops=float(peak) * 1e12 if re.fullmatch(r"[\d.]+", peak) and float(peak) > 0 else None,
            config=table,
            **counts,
        )


class LlmcStdouts:
    def find(self, path: Path) -> Sequence[Recording]:
        # The validation loss alone is too little to know it by.
        return [LlmcStdout(path)] if is_of(path, LlmcStdout.shape) and b" tok/s" in text_head(path) else []


SOURCE = LlmcStdouts()
