"""The flags that both reference trainings share, made from the fields that the app's form is made from too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from strobe.launch.fields import field, targets


def option(name: str, program: str = "modadd") -> Any:
    """The flag of a field, its text and its smallest number."""
    found = field(name, program)
    return typer.Option(found.flag, help=found.help, min=found.least)


Out = Annotated[
    Path | None, typer.Option(help="Folder of the run; default $STROBE_RUNS/<preset>, else ./runs/<preset>.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in --out, bit for bit.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Take --out over from a recorder of another host that is surely gone.")
]
Preset = Annotated[str, typer.Option(help="grok, small or nanda.")]
Size = Annotated[str, typer.Option(help="tiny (0.1 M parameters), small (0.8 M) or dev (7.5 M).")]
Mode = Annotated[str, typer.Option(help="example, quick, standard or deep.")]
Modulus = Annotated[int | None, option("modulus")]
TrainFraction = Annotated[float | None, option("train_fraction")]
Data = Annotated[Path, option("data", "text")]
BlockSize = Annotated[int | None, option("block_size", "text")]
Steps = Annotated[int | None, option("steps")]
Layers = Annotated[int | None, option("layers")]
Heads = Annotated[int | None, option("heads")]
Width = Annotated[int | None, option("width")]
Mlp = Annotated[int | None, option("mlp")]
Rate = Annotated[float | None, option("lr")]
Decay = Annotated[float | None, option("weight_decay")]
Warmup = Annotated[int | None, option("warmup")]
Batch = Annotated[str | None, option("batch_size")]
Clip = Annotated[float | None, option("grad_clip")]
ModelSeed = Annotated[int | None, option("model_seed")]
DataSeed = Annotated[int | None, option("data_seed")]
Fc1 = Annotated[int | None, option("fc1_band")]
Fc2 = Annotated[int | None, option("fc2_band")]
Device = Annotated[str | None, option("device")]
Threads = Annotated[int | None, option("threads")]
EvalEvery = Annotated[int | None, option("eval_every")]
Every = Annotated[int | None, option("snapshot_every")]
Schedule = Annotated[str | None, option("schedule")]
KeepLast = Annotated[int | None, option("keep_last")]
MaxDisk = Annotated[str | None, option("max_disk")]
CheckpointEvery = Annotated[int | None, option("checkpoint_every")]
WeightMonitor = Annotated[bool, typer.Option("--weight-monitor", help=field("weight_monitor").help)]
MonitorInterval = Annotated[int, option("weight_monitor_interval")]
MonitorSample = Annotated[int, option("weight_monitor_sample_size")]
MonitorVanishing = Annotated[float, option("weight_monitor_vanishing")]
MonitorExploding = Annotated[float, option("weight_monitor_exploding")]

MODEL = targets("model")
TRAINING = {name: target for name, target in targets("training").items() if name != "batch_size"}
"""Which hyperparameter each flag sets; the batch size has a word besides numbers, and a rule of its own."""


def values_of(names: dict[str, str], flags: dict[str, Any]) -> dict[str, Any]:
    """The flags' values by hyperparameter; None where a flag was left out."""
    return {field: flags[flag] for flag, field in names.items()}
