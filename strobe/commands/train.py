"""`strobe train`: the reference trainings, each number with its flag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from etl.errors import StrobeError
from strobe.analysis.health import EXPLODING, VANISHING
from strobe.commands import train_flags as flag
from strobe.commands import train_values as values
from strobe.launch import values as launch

if TYPE_CHECKING:
    from strobe.record import Recorder, Status
    from strobe.train.loop import Trainer
    from strobe.train.recording import Monitor

_SMALL_MODEL = 1_000_000

app = typer.Typer(help="Train a small transformer and record it.", no_args_is_help=True)


def need_torch() -> None:
    """Raises StrobeError where PyTorch is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise StrobeError("training needs PyTorch: pip install -e '.[train]'") from None


def recorder_of(trainer: Trainer, *, resume: bool, take_over: bool = False) -> Recorder:
    """A Recorder of all that the trainer's model goes through, in its folder, from its step on.

    Raises RecorderError or LockedError when it cannot begin.
    """
    from strobe.record import Recorder
    from strobe.record.adapters.gpt2 import Gpt2Source

    training = trainer.training
    return Recorder(
        trainer.folder,
        Gpt2Source(
            trainer.model, trainer.optimizer, trainer.task.probe(), lambda: trainer.batch,
            trainer.task.samples(trainer.model),
        ),
        task=trainer.task.entry(),
        training=trainer.entry(),
        optimizer=trainer.optimizer,
        resume=resume,
        step=trainer.step,
        when_full="wait",
        keep_last=training.keep_last,
        max_disk=training.max_disk,
        take_over=take_over,
    )  # fmt: skip


def _run(trainer: Trainer, *, resume: bool, take_over: bool) -> None:
    from strobe.commands.progress import TrainingProgress

    recorders: list[Recorder] = []

    def start() -> Recorder:
        recorders.append(recorder_of(trainer, resume=resume, take_over=take_over))
        return recorders[0]

    if resume:
        trainer.resume()
    with TrainingProgress(trainer.step, trainer.training.steps, trainer.folder) as progress:
        end = trainer.run(progress.report, start)
    if trainer.trouble is not None:
        typer.echo(f"strobe: {trainer.trouble}", err=True)
    again = "" if end == "finished" else f"; continue with --resume --out {trainer.folder}"
    typer.echo(f"{end} at step {trainer.step:,} in {trainer.folder}{_losses(recorders[0].status)}{again}")
    if trainer.folder.is_dir():
        typer.echo(f"look at it: strobe ingest {trainer.folder} && strobe app")
    if end != "finished":
        raise typer.Exit(130)


def _losses(status: Status) -> str:
    words = {"skipped": "snapshots skipped", "missed": "snapshots lost", "lines": "metric lines lost",
             "absent": "tensors absent from snapshots", "values": "metric values lost"}  # fmt: skip
    return "".join(f", {count:,} {words[kind]}" for kind, count in status.lost().items())


def _start(
    model_config: Any, task: Any, training: Any, folder: Path, device: Any, *,
    resume: bool, take_over: bool, monitor: tuple[Monitor, int] | None,
) -> None:  # fmt: skip
    import torch

    from strobe.train.loop import Trainer
    from strobe.train.model import GPT

    model = GPT(model_config, training.model_seed).to(device)
    # Thousands of tiny products a second: a second thread costs more than it does.
    cores = 1 if model.count() < _SMALL_MODEL else torch.get_num_threads()
    torch.set_num_threads(training.threads or cores)
    typer.echo(f"{model.count():,} parameters, {training.steps:,} steps, on {device} to {folder}")
    trainer = Trainer(folder, model, task, training, device)
    if monitor is not None:
        trainer.monitor, trainer.monitor_every = monitor
    _run(trainer, resume=resume, take_over=take_over)


@app.command()
def modadd(
    preset: flag.Preset = "grok",
    out: flag.Out = None,
    resume: flag.Resume = False,
    take_over: flag.TakeOver = False,
    modulus: flag.Modulus = None,
    train_fraction: flag.TrainFraction = None,
    steps: flag.Steps = None,
    layers: flag.Layers = None,
    heads: flag.Heads = None,
    width: flag.Width = None,
    mlp: flag.Mlp = None,
    batch_size: flag.Batch = None,
    lr: flag.Rate = None,
    weight_decay: flag.Decay = None,
    warmup: flag.Warmup = None,
    grad_clip: flag.Clip = None,
    model_seed: flag.ModelSeed = None,
    data_seed: flag.DataSeed = None,
    fc1_band: flag.Fc1 = None,
    fc2_band: flag.Fc2 = None,
    device: flag.Device = None,
    threads: flag.Threads = None,
    eval_every: flag.EvalEvery = None,
    snapshot_every: flag.Every = None,
    schedule: flag.Schedule = None,
    keep_last: flag.KeepLast = None,
    max_disk: flag.MaxDisk = None,
    checkpoint_every: flag.CheckpointEvery = None,
    weight_monitor: flag.WeightMonitor = False,
    weight_monitor_interval: flag.MonitorInterval = 100,
    weight_monitor_sample_size: flag.MonitorSample = 1024,
    weight_monitor_vanishing: flag.MonitorVanishing = VANISHING,
    weight_monitor_exploding: flag.MonitorExploding = EXPLODING,
) -> None:
    """Learn addition modulo p from a share of all pairs: the model that groks."""
    flags = locals()
    need_torch()
    monitor = values.monitor_of(flags)
    from strobe.train.config import MODADD
    from strobe.train.loop import pick_device
    from strobe.train.tasks import ModularAdditionTask

    chosen, folder = launch.preset_of(MODADD, preset), values.folder_of(out, preset)
    saved = values.saved_of(folder, resume)
    training = launch.training_of(chosen, saved, flag.values_of(flag.TRAINING, flags), batch_size)
    used = pick_device(training.device)
    numbers = _task_numbers(folder, chosen["task"], {"modulus": modulus, "train_fraction": train_fraction}, saved)
    task = ModularAdditionTask(training, used, **numbers)
    shape = {"vocab_size": task.vocab_size, "block_size": task.block_size}
    model = launch.model_of(chosen, saved, flag.values_of(flag.MODEL, flags), **shape)
    _start(model, task, training, folder, used, resume=resume, take_over=take_over, monitor=monitor)


def _manifest_task(folder: Path) -> dict[str, Any]:
    from etl.run.manifest import read

    return read(folder).task


def _task_numbers(
    folder: Path, preset: dict[str, Any], given: dict[str, Any], saved: dict[str, Any] | None
) -> dict[str, Any]:
    from strobe.train.config import ConfigError

    chosen = {key: value for key, value in given.items() if value is not None}
    if saved is None:
        return {**preset, **chosen}
    task = _manifest_task(folder)
    kept = {key: task[key] for key in preset}
    if any(kept[key] != value for key, value in chosen.items()):
        raise ConfigError(f"a resumed run keeps its task {kept}; leave these flags out")
    return kept


@app.command()
def text(
    data: flag.Data,
    size: flag.Size = "small",
    out: flag.Out = None,
    resume: flag.Resume = False,
    take_over: flag.TakeOver = False,
    steps: flag.Steps = None,
    layers: flag.Layers = None,
    heads: flag.Heads = None,
    width: flag.Width = None,
    mlp: flag.Mlp = None,
    block_size: flag.BlockSize = None,
    batch_size: flag.Batch = None,
    lr: flag.Rate = None,
    weight_decay: flag.Decay = None,
    warmup: flag.Warmup = None,
    grad_clip: flag.Clip = None,
    model_seed: flag.ModelSeed = None,
    data_seed: flag.DataSeed = None,
    fc1_band: flag.Fc1 = None,
    fc2_band: flag.Fc2 = None,
    device: flag.Device = None,
    threads: flag.Threads = None,
    eval_every: flag.EvalEvery = None,
    snapshot_every: flag.Every = None,
    schedule: flag.Schedule = None,
    keep_last: flag.KeepLast = None,
    max_disk: flag.MaxDisk = None,
    checkpoint_every: flag.CheckpointEvery = None,
    weight_monitor: flag.WeightMonitor = False,
    weight_monitor_interval: flag.MonitorInterval = 100,
    weight_monitor_sample_size: flag.MonitorSample = 1024,
    weight_monitor_vanishing: flag.MonitorVanishing = VANISHING,
    weight_monitor_exploding: flag.MonitorExploding = EXPLODING,
) -> None:
    """Learn to predict the next byte of a text."""
    flags = locals()
    need_torch()
    monitor = values.monitor_of(flags)
    from strobe.train.config import TEXT
    from strobe.train.loop import pick_device
    from strobe.train.tasks import TextTask

    chosen, folder = launch.preset_of(TEXT, size), values.folder_of(out, f"text-{size}")
    saved = values.saved_of(folder, resume)
    training = launch.training_of(chosen, saved, flag.values_of(flag.TRAINING, flags), batch_size)
    model = launch.model_of(
        chosen, saved, flag.values_of(flag.MODEL, flags) | {"block_size": block_size}, vocab_size=256
    )
    used = pick_device(training.device)
    task = TextTask(training, used, path=data, block_size=model.block_size)
    if saved is not None and _manifest_task(folder).get("crc32") != task.entry()["crc32"]:
        raise StrobeError(f"{data}: is not the text that the run in {folder} has learned from; give that one")
    _start(model, task, training, folder, used, resume=resume, take_over=take_over, monitor=monitor)
