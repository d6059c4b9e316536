"""The flags that both reference trainings share, and which hyperparameter each sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Out = Annotated[
    Path | None, typer.Option(help="Folder of the run; default $STROBE_RUNS/<preset>, else ./runs/<preset>.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in --out, bit for bit.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Take --out over from a recorder of another host that is surely gone.")
]
Steps = Annotated[int | None, typer.Option(help="Number of updates.")]
Layers = Annotated[int | None, typer.Option(help="Transformer blocks.")]
Heads = Annotated[int | None, typer.Option(help="Attention heads in a block.")]
Width = Annotated[int | None, typer.Option(help="Width of the residual stream.")]
Mlp = Annotated[int | None, typer.Option(help="Hidden units of the MLP; default 4 x width.")]
Rate = Annotated[float | None, typer.Option(help="AdamW's learning rate.")]
Decay = Annotated[float | None, typer.Option(help="AdamW's weight decay, on matrices.")]
Warmup = Annotated[int | None, typer.Option(help="Steps of linear warm-up.")]
Batch = Annotated[str | None, typer.Option(help="Sequences a step, or full for the whole training split.")]
Clip = Annotated[float | None, typer.Option(help="Clip gradients to this norm.")]
ModelSeed = Annotated[int | None, typer.Option(help="Seed of the initial weights.")]
DataSeed = Annotated[int | None, typer.Option(help="Seed of the split and of the minibatches.")]
Fc1 = Annotated[int | None, typer.Option(help="Keep fcw's entries further than this from the diagonal at zero.")]
Fc2 = Annotated[int | None, typer.Option(help="The same for fcprojw.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
Threads = Annotated[
    int | None, typer.Option(help="CPU threads; default 1 below a million parameters, else one a core.")
]
EvalEvery = Annotated[int | None, typer.Option(help="Steps between evaluations of the whole splits.")]
Every = Annotated[int | None, typer.Option(help="Steps between snapshots.")]
Schedule = Annotated[
    str | None,
    typer.Option(
        help='Steps of snapshots, as "0-1400/100,1500-8500/500"; auto, alone or among them: where the training moves.'
    ),
]
KeepLast = Annotated[int | None, typer.Option(help="Keep so many newest snapshots, and the first.")]
MaxDisk = Annotated[str | None, typer.Option(help="Thin the oldest snapshots beyond this size, such as 10GB.")]
CheckpointEvery = Annotated[
    int | None, typer.Option(help="Steps between saved states to resume from: what a kill can cost.")
]
WeightMonitor = Annotated[
    bool, typer.Option("--weight-monitor", help="Look at gradients and updates, and name weights that do not learn.")
]
MonitorInterval = Annotated[int, typer.Option("--weight-monitor-interval", min=1, help="Updates between two looks.")]
MonitorSample = Annotated[
    int, typer.Option("--weight-monitor-sample-size", min=1, help="Weights of a tensor whose movement is looked at.")
]
MonitorVanishing = Annotated[
    float, typer.Option("--weight-monitor-vanishing", min=0.0, help="L2 of a vanishing gradient, at most.")
]
MonitorExploding = Annotated[
    float, typer.Option("--weight-monitor-exploding", min=0.0, help="L2 of an exploding gradient, at least.")
]
Preset = Annotated[str, typer.Option(help="grok, small or nanda.")]

MODEL = {
    **{"layers": "n_layer", "heads": "n_head", "width": "n_embd", "mlp": "mlp_width"},
    **{"fc1_band": "fc1_band", "fc2_band": "fc2_band"},
}
TRAINING = {
    **{name: name for name in ("steps", "weight_decay", "warmup", "grad_clip", "model_seed", "data_seed")},
    **{name: name for name in ("device", "threads", "eval_every", "snapshot_every", "schedule")},
    **{name: name for name in ("keep_last", "max_disk", "checkpoint_every")},
    "lr": "learning_rate",
}
"""Which hyperparameter each flag sets."""


def values_of(names: dict[str, str], flags: dict[str, Any]) -> dict[str, Any]:
    """The flags' values by hyperparameter; None where a flag was left out."""
    return {field: flags[flag] for flag, field in names.items()}
