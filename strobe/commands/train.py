"""`strobe train`: the reference trainings, each number with its flag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.errors import StrobeError
from strobe.commands import train_flags as flag

if TYPE_CHECKING:
    from strobe.record import Recorder, Status
    from strobe.train.loop import Trainer

_SMALL_MODEL = 1_000_000

app = typer.Typer(help="Train a small transformer and record it.", no_args_is_help=True)


def _preset(presets: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in presets:
        raise StrobeError(f"there is no preset {name!r}; there are {', '.join(presets)}")
    return presets[name]


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise StrobeError("training needs PyTorch: pip install -e '.[train]'") from None


def _batch_size(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text == "full":
        return {"batch_size": None}
    if not text.isdigit():
        raise StrobeError(f"batch size {text!r} is neither a number nor full")
    return {"batch_size": int(text)}


def _training(preset: dict[str, Any], saved: dict[str, Any] | None, given: dict[str, Any], batch: str | None) -> Any:
    """The preset, or what the resumed run was started with, and on top of it what was given."""
    from strobe.record.thin import parse_size
    from strobe.train.config import Training, build

    if given.get("max_disk") is not None:
        given["max_disk"] = parse_size(given["max_disk"])
    values = dict(saved["training"]) if saved else dict(preset["training"])
    if given.get("schedule") is not None or given.get("snapshot_every") is not None:
        values |= {"schedule": None, "snapshot_every": None}
    values |= _batch_size(batch)
    return build({"training": values}, "training", Training, given)


def _model(preset: dict[str, Any], saved: dict[str, Any] | None, given: dict[str, Any], **more: Any) -> Any:
    from strobe.train.config import ConfigError, build
    from strobe.train.model import ModelConfig

    if saved is not None:
        changed = [key for key, value in given.items() if value is not None and saved["model"].get(key) != value]
        if changed:
            raise ConfigError(f"a resumed run keeps its model; leave out {', '.join(changed)}")
        return build({"model": saved["model"]}, "model", ModelConfig, {})
    if given.get("n_embd") is not None and given.get("mlp_width") is None:
        given["mlp_width"] = 4 * given["n_embd"]
    if "init_gain" in preset:
        more["init_std"] = preset["init_gain"] / max(1, given.get("n_embd") or preset["model"]["n_embd"]) ** 0.5
    return build(preset, "model", ModelConfig, given, **more)


def _saved(folder: Path, resume: bool) -> dict[str, Any] | None:
    if not resume:
        return None
    from strobe.train.loop import saved_config

    return saved_config(folder)


def _folder(out: Path | None, preset: str) -> Path:
    from strobe.settings import runs_path

    return out if out is not None else runs_path() / preset


def recorder_of(trainer: Trainer, *, resume: bool, take_over: bool = False) -> Recorder:
    """A Recorder of all that the trainer's model goes through, in its folder, from its step on.

    Raises RecorderError or LockedError when it cannot begin.
    """
    from strobe.record import Recorder
    from strobe.record.adapters.gpt2 import Gpt2Source

    training = trainer.training
    return Recorder(
        trainer.folder,
        Gpt2Source(trainer.model, trainer.optimizer, trainer.task.probe(), lambda: trainer.batch),
        task=trainer.task.entry(),
        training=trainer.entry(),
        optimizer=trainer.optimizer,
        resume=resume,
        step=trainer.step,
        when_full="wait",
        keep_last=training.keep_last,
        max_disk=training.max_disk,
        take_over=take_over,
    )


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
    model_config: Any, task: Any, training: Any, folder: Path, device: Any, *, resume: bool, take_over: bool
) -> None:
    import torch

    from strobe.train.loop import Trainer
    from strobe.train.model import GPT

    model = GPT(model_config, training.model_seed).to(device)
    # Thousands of tiny products a second: a second thread costs more than it does.
    cores = 1 if model.count() < _SMALL_MODEL else torch.get_num_threads()
    torch.set_num_threads(training.threads or cores)
    typer.echo(f"{model.count():,} parameters, {training.steps:,} steps, on {device} to {folder}")
    _run(Trainer(folder, model, task, training, device), resume=resume, take_over=take_over)


@app.command()
def modadd(
    preset: flag.Preset = "grok",
    out: flag.Out = None,
    resume: flag.Resume = False,
    take_over: flag.TakeOver = False,
    modulus: Annotated[int | None, typer.Option(help="The p of a + b mod p.")] = None,
    train_fraction: Annotated[float | None, typer.Option(help="Share of the p x p pairs to train on.")] = None,
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
) -> None:
    """Learn addition modulo p from a share of all pairs: the model that groks."""
    flags = locals()
    _need_torch()
    from strobe.train.config import MODADD
    from strobe.train.loop import pick_device
    from strobe.train.tasks import ModularAdditionTask

    chosen, folder = _preset(MODADD, preset), _folder(out, preset)
    saved = _saved(folder, resume)
    training = _training(chosen, saved, flag.values_of(flag.TRAINING, flags), batch_size)
    used = pick_device(training.device)
    numbers = _task_numbers(folder, chosen["task"], {"modulus": modulus, "train_fraction": train_fraction}, saved)
    task = ModularAdditionTask(training, used, **numbers)
    shape = {"vocab_size": task.vocab_size, "block_size": task.block_size}
    model = _model(chosen, saved, flag.values_of(flag.MODEL, flags), **shape)
    _start(model, task, training, folder, used, resume=resume, take_over=take_over)


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
    data: Annotated[Path, typer.Option(help="A text file; its bytes are the tokens.")],
    size: Annotated[str, typer.Option(help="tiny (0.1 M parameters), small (0.8 M) or dev (7.5 M).")] = "small",
    out: flag.Out = None,
    resume: flag.Resume = False,
    take_over: flag.TakeOver = False,
    steps: flag.Steps = None,
    layers: flag.Layers = None,
    heads: flag.Heads = None,
    width: flag.Width = None,
    mlp: flag.Mlp = None,
    block_size: Annotated[int | None, typer.Option(help="Bytes of context.")] = None,
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
) -> None:
    """Learn to predict the next byte of a text."""
    flags = locals()
    _need_torch()
    from strobe.train.config import TEXT
    from strobe.train.loop import pick_device
    from strobe.train.tasks import TextTask

    chosen, folder = _preset(TEXT, size), _folder(out, f"text-{size}")
    saved = _saved(folder, resume)
    training = _training(chosen, saved, flag.values_of(flag.TRAINING, flags), batch_size)
    model = _model(chosen, saved, flag.values_of(flag.MODEL, flags) | {"block_size": block_size}, vocab_size=256)
    used = pick_device(training.device)
    task = TextTask(training, used, path=data, block_size=model.block_size)
    if saved is not None and _manifest_task(folder).get("crc32") != task.entry()["crc32"]:
        raise StrobeError(f"{data}: is not the text that the run in {folder} has learned from; give that one")
    _start(model, task, training, folder, used, resume=resume, take_over=take_over)
