"""What nanoGPT prints: `step 250: train loss 1.9, val loss 2.0` and `iter 250: loss 1.95, time 120.5ms, mfu 12.3%`.

https://github.com/karpathy/nanoGPT/blob/master/train.py prints it. A step counts the updates before it. What is
called train loss beside the validation loss is a mean over many batches, and has a name of its own; an MFU of -100%
says that none was measured yet.
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

_OVERRIDING = re.compile(rb"^Overriding: (\w+) = (.*?)\s*$", re.MULTILINE)
_PARAMETERS = re.compile(rb"^number of parameters: ([\d.]+)M", re.MULTILINE)
_TOKENS = re.compile(rb"^tokens per iteration will be: ([\d,]+)", re.MULTILINE)


class NanoGpt(PatternLog):
    source = "nanogpt"
    loss_unit = NATS
    shape = Shape(
        compiled(
            rb"(?:step|iter) #: (?:train loss <train_loss_eval>, val loss <val_loss>|"
            rb"loss <train_loss>, time <step_time_ms>ms(?:, mfu <mfu>%)?)"
        ),
        re.compile(rb"^(?:step|iter) \d+: (?:train )?loss\b", re.MULTILINE),
        {"train_loss": "loss", "train_loss_eval": "train loss", "val_loss": "val loss", "step_time_ms": "time"},
        percent=frozenset({"mfu"}),
        absent={"mfu": -100.0},
        usual=UsualLine(b"iter #: loss <train_loss>, time <step_time_ms>ms, mfu <mfu>%"),
    )

    def about(self) -> About:
        start = text_head(self.path)
        config: dict[str, Any] = {
            key.decode(): value.decode(errors="replace") for key, value in _OVERRIDING.findall(start)
        }
        tokens, parameters = _TOKENS.search(start), _PARAMETERS.search(start)
        if parameters:
            config["number of parameters"] = f"{parameters[1].decode()}M"
        whole: dict[str, Any] = {
            key: int(config[key]) for key in ("n_layer", "n_head", "n_embd") if config.get(key, "").isdigit()
        }
        per_step = int(tokens[1].replace(b",", b"")) if tokens else None
        return About(self.name, tokens_per_step=per_step, config=config, **whole)


class NanoGpts:
    def find(self, path: Path) -> Sequence[Recording]:
        return [NanoGpt(path)] if is_of(path, NanoGpt.shape) else []


SOURCE = NanoGpts()
