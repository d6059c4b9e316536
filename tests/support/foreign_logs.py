"""Logs of other tools, written here in their shapes: whole, growing, damaged, in false clothes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.binary_logs import BINARY
from tests.support.event_files import event, record, scalar, version
from tests.support.impostors import STAGES, STEPS, none_of_it
from tests.support.parquet_logs import NeptuneParquet, ParquetTable


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@dataclass(frozen=True)
class LineLogExample:
    """A log of lines: `begin` once, then `lines(i)` for each of STEPS. `bad` replaces the line behind the beginning
    at its place, and each costs one loss."""

    name: str
    lines: Callable[[int], bytes]
    values: int
    begin: bytes = b""
    bad: Mapping[int, bytes] = field(default_factory=dict)
    torn: bytes = b""
    grows = True

    def _lines(self) -> list[bytes]:
        return [self.lines(step) for step in range(STEPS)]

    def stage(self, folder: Path, number: int) -> Path:
        lines = self._lines()[: STEPS * number // STAGES]
        torn = self.torn if number < STAGES else b""
        return _written(folder / self.name, self.begin + b"".join(lines) + torn)

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        lines = self._lines()
        for place, line in self.bad.items():
            lines[place] = line
        return _written(folder / self.name, self.begin + b"".join(lines)), {self.name: len(self.bad)}

    def impostors(self, folder: Path) -> list[Path]:
        return none_of_it(folder)


@dataclass(frozen=True)
class DocumentExample:
    """A JSON document of `rows(count)`, whose row `bad` may be no row at the cost of one loss."""

    name: str
    document: Callable[[Sequence[Any]], Mapping[str, Any]]
    row: Callable[[int], Mapping[str, Any]]
    values: int
    grows = True

    def _write(self, folder: Path, rows: Sequence[Any]) -> Path:
        return _written(folder / self.name, json.dumps(self.document(rows), indent=1).encode())

    def stage(self, folder: Path, number: int) -> Path:
        return self._write(folder, [self.row(i) for i in range(STEPS * number // STAGES)])

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        rows: list[Any] = [self.row(i) for i in range(STEPS)]
        rows[3], rows[5] = {"loss": 1.0}, "no row"
        return self._write(folder, rows), {self.name: 2}

    def impostors(self, folder: Path) -> list[Path]:
        (folder / "cut.json").write_bytes(b'{"log_history')
        (folder / "list.json").write_bytes(b"[1, 2, 3]")
        return [folder / "cut.json", folder / "list.json", *none_of_it(folder)]


class SummaryExample:
    """The last values of a run: there is never more than that."""

    values = 1
    grows = False

    def stage(self, folder: Path, number: int) -> Path:
        return self._write(folder, 53560)

    def _write(self, folder: Path, step: int) -> Path:
        summary = {"train/loss": 3.0, "_step": step, "_wandb": {"runtime": 6270}, "_timestamp": 1770793018.7}
        return _written(folder / "tinylm.json", json.dumps(summary).encode())

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        return self._write(folder, -4), {"tinylm.json": 1}

    def impostors(self, folder: Path) -> list[Path]:
        return none_of_it(folder)


class EventExample:
    """TensorBoard's event file; of a damaged one, a record and the length of another."""

    values = 2 * STEPS
    grows = True

    def _records(self) -> list[bytes]:
        return [
            record(event(step, 1.7e9 + step, scalar("train/loss", loss(step)), scalar("lr", 1e-3)))
            for step in range(STEPS)
        ]

    def _write(self, folder: Path, records: Sequence[bytes]) -> Path:
        return _written(folder / "cartpole.tfevents", record(version(1.7e9)) + b"".join(records))

    def stage(self, folder: Path, number: int) -> Path:
        records = self._records()
        kept = records[: STEPS * number // STAGES]
        return self._write(folder, kept + ([records[-1][:20]] if number < STAGES else []))

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        records = self._records()
        records[3] = records[3][:20] + b"\xff" + records[3][21:]
        records[5] = b"\xff" + records[5][1:]
        path = self._write(folder, records)
        return path, {path.name: 2}

    def impostors(self, folder: Path) -> list[Path]:
        (folder / "said.tfevents").write_bytes(bytes(12) + b"brain.Event:2" + bytes(12))
        return [folder / "said.tfevents", *none_of_it(folder)]


def loss(step: int) -> float:
    return 8 / (1 + step) ** 0.5


def llmc_log(step: int) -> bytes:
    evaluated = b"s:%d tel:%.4f\n" % (step, loss(step) + 0.1) if step % 4 == 0 else b""
    return evaluated + b"s:%d trl:%.4f lr:%.6f norm:%.2f\n" % (step, loss(step), 1e-6 * (step + 1), 3 / (1 + step))


def llmc_stdout(step: int) -> bytes:
    evaluated = b"val loss %.6f\n" % (loss(step) + 0.1) if step % 4 == 0 else b""
    values = (step + 1, loss(step), 3 / (1 + step), 1e-6 * (step + 1), 3700 + step, 37.4, 144_000 + step)
    shape = (
        b"step %4d/19560 | loss %7.6f (+nanz)| norm %6.4f (+nanz)| lr %.2e | %.2f ms | %.1f%% bf16 MFU | %d tok/s\n"
    )
    return evaluated + shape % values


def build_nanogpt(step: int) -> bytes:
    evaluated = b"%d val %.4f\n%d hella 0.2413\n" % (step, loss(step) + 0.1, step) if step % 4 == 0 else b""
    return evaluated + b"%d train %.6f\n" % (step, loss(step))


def build_nanogpt_stdout(step: int) -> bytes:
    evaluated = b"validation loss: %.4f\n" % (loss(step) + 0.1) if step % 4 == 0 else b""
    values = (step, loss(step), 1e-6 * (step + 1), 3 / (1 + step), 338.29, 48431.35)
    return evaluated + b"step %5d | loss: %.6f | lr %.4e | norm: %.4f | dt: %.2fms | tok/sec: %.2f\n" % values


def nanogpt(step: int) -> bytes:
    evaluated = b"step %d: train loss %.4f, val loss %.4f\nsaving checkpoint to out\n" % (
        step, loss(step), loss(step) + 0.1
    )  # fmt: skip
    line = b"iter %d: loss %.4f, time %.2fms, mfu %.2f%%\n" % (step, loss(step), 120.5, -100 if step == 0 else 12.3)
    return (evaluated if step % 4 == 0 else b"") + line


def modded_nanogpt(step: int) -> bytes:
    evaluated = b"val_loss:%.4f " % (loss(step) + 0.1) if step % 4 == 0 else b"train_loss:%.4f " % loss(step)
    return b"step:%d/1750 %strain_time:%dms step_avg:%.2fms\n" % (step, evaluated, 140 * step, 140.5)


def trainer_row(place: int) -> dict[str, Any]:
    step = 10 * (place + 1)
    if place % 4 == 3:
        return {"epoch": 0.1 * place, "eval_loss": loss(step) + 0.1, "eval_wer": "0.25", "step": step}
    return {"epoch": 0.1 * place, "grad_norm": 1.5, "learning_rate": 4e-8, "loss": loss(step), "step": step}


def logger_row(place: int) -> dict[str, Any]:
    mfu: Any = {"mfu": 0.35, "tokens_per_sec": 24822.7, "gpu_name": "A100"} if place % 2 else 34.5
    memory = {"allocated_gb": 8.5, "max_allocated_gb": 36.1}
    return {"iter": 10 * place, "loss": loss(place), "time_ms": 7920.5, "mfu": mfu, "memory": memory}


SOURCE_CODE = (
    b'import torch\nprint(f"step:{step}/{steps} val_loss:{val_loss:.4f} train_time:{t:.0f}ms")\n' + b"=" * 100 + b"\n"
)

FOREIGN = {
    "llmc_log": LineLogExample("d12-main.log", llmc_log, 39, bad={5: b"s:5 trl:7.1 lr:0.00\n"}, torn=b"s:3 trl:7.0"),
    "llmc_stdout": LineLogExample(
        "slurm-12.log", llmc_stdout, 75, b"| max_steps | -1 |\nbatch_size B=32\n",
        {5: b"step    6/19560 | loss 3.2 (+nanz)| norm\n"}, b"step    9/19560 | loss 2.",
    ),
    "build_nanogpt": LineLogExample("gpt2-124m.txt", build_nanogpt, 18, bad={5: b"5 train\n"}, torn=b"7 tr"),
    "build_nanogpt_stdout": LineLogExample(
        "gpt2-124m.out", build_nanogpt_stdout, 63, b"using device: cuda\n", {5: b"step     5 | loss: 3 | lr\n"},
        b"step",
    ),
    "nanogpt": LineLogExample(
        "shakespeare.log", nanogpt, 41, b"tokens per iteration will be: 16,384\nOverriding: n_layer = 6\n",
        {5: b"iter 5: loss 3.2, time\n"}, b"iter 9: loss 2.",
    ),
    "modded_nanogpt": LineLogExample(
        "8d1f.txt", modded_nanogpt, 36, SOURCE_CODE, {5: b"step:5/1750 val_lo\n"}, b"step:"
    ),
    "llamafactory": LineLogExample(
        "sft.jsonl",
        lambda step: b'{"current_steps": %d, "total_steps": 8712, "loss": %.4f, "eval_loss": null, "lr": 5e-06, '
        b'"epoch": 0.01, "percentage": 0.1, "elapsed_time": "0:03:29"}\n' % (5 * step + 5, loss(step)),
        24,
        bad={3: b'{"current_steps": 20, "total\n', 5: b'{"current_steps": "x", "total_steps": 8712, "loss": 1.0}\n'},
        torn=b'{"current_steps": 20, "lo',
    ),
    "wandb_history": LineLogExample(
        "cartpole.jsonl",
        lambda step: b'{"train/loss": %.4f, "_step": %d, "_timestamp": 1582070919.5, "_runtime": 6.2, '
        b'"media": {"_type": "video-file", "size": 3}}\n' % (loss(step), step),
        12, bad={3: b"not JSON\n", 5: b'{"train/loss": 1.0, "_step": -4}\n'}, torn=b'{"train/loss": 2.0',
    ),
    "lightning_csv": LineLogExample(
        "gpttt.csv",
        lambda step: b"0,%d,%.4f,%s\n" % (50 * step + 49, loss(step), b"%.4f" % loss(step) if step % 4 == 0 else b""),
        15, b"epoch,step,train_loss,val_loss\n", {3: b"0,199\n", 5: b"0,299,oh,\n"}, b"0,24",
    ),
    "keras_csv": LineLogExample(
        "imdb.csv", lambda step: b"%d,0.9,%.6f,0.85,0.4\n" % (step, loss(step)), 48,
        b"epoch,accuracy,loss,val_accuracy,val_loss\n", {3: b"x,1,1,1,1\n", 5: b"5,0.9\n"}, b"3,0.",
    ),
    "wandb_chart": LineLogExample(
        "wandb_export.csv", lambda step: b'"%d","%.4f","%.4f","%.4f"\n' % (step, loss(step), 1, 2), 12,
        b'"Step","run-1 - train/loss","run-1 - train/loss__MIN","run-1 - train/loss__MAX"\n',
        {3: b'"3"\n', 5: b'"-5","1","1","1"\n'}, b'"3","0.',
    ),
    "table_csv": LineLogExample(
        "experiment.csv", lambda step: b"%d;%s;cat\r\n" % (step, (b"%.4f" % loss(step)).replace(b".", b",")), 12,
        b"Iteration;Training loss;label\r\n", {3: b"3\r\n", 5: b"x;1,0;cat\r\n"}, b"3;0,",
    ),
    "table_jsonl": LineLogExample(
        "experiment.jsonl",
        lambda step: b'{"iter": %d, "loss": {"train": %.4f, "note": "x"}}\n' % (step, loss(step)), 12,
        bad={3: b"[1, 2]\n", 5: b'{"loss": {"train": 2.0}}\n'}, torn=b'{"iter": 3',
    ),
    "trainer_state": DocumentExample(
        "whisper.json", lambda rows: {"best_metric": None, "global_step": 500, "log_history": rows}, trainer_row, 33
    ),
    "training_logger": DocumentExample(
        "run_20251115_145011.json",
        lambda rows: {"run_name": "pretrain", "config": {"n_layer": 2}, "training_iterations": rows},
        logger_row, 66,
    ),
    "wandb_summary": SummaryExample(),
    "tensorboard": EventExample(),
    **BINARY,
    "table_parquet": ParquetTable(),
    "neptune_parquet": NeptuneParquet(),
}  # fmt: skip
"""By the name of the source's module."""
