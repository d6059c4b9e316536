"""`strobe train`: the reference trainings, each number with its flag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.errors import StrobeError

if TYPE_CHECKING:
    from strobe.train.loop import Trainer

_SMALL_MODEL = 1_000_000

app = typer.Typer(help="Train a small transformer and record it.", no_args_is_help=True)

Out = Annotated[
    Path | None, typer.Option(help="Folder of the run; default $STROBE_RUNS/<preset>, else ./runs/<preset>.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in --out, bit for bit.")]
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
Schedule = Annotated[str | None, typer.Option(help='Steps of snapshots, as "0-1400/100,1500-8500/500".')]
KeepLast = Annotated[int | None, typer.Option(help="Keep so many newest snapshots, and the first.")]
MaxDisk = Annotated[str | None, typer.Option(help="Thin the oldest snapshots beyond this size, such as 10GB.")]
CheckpointEvery = Annotated[
    int | None, typer.Option(help="Steps between saved states to resume from: what a kill can cost.")
]
Preset = Annotated[str, typer.Option(help="grok, small or nanda.")]

_MODEL = {
    **{"layers": "n_layer", "heads": "n_head", "width": "n_embd", "mlp": "mlp_width"},
    **{"fc1_band": "fc1_band", "fc2_band": "fc2_band"},
}
_TRAINING = {
    **{name: name for name in ("steps", "weight_decay", "warmup", "grad_clip", "model_seed", "data_seed")},
    **{name: name for name in ("device", "threads", "eval_every", "snapshot_every", "schedule")},
    **{name: name for name in ("keep_last", "max_disk", "checkpoint_every")},
    "lr": "learning_rate",
}
"""Which hyperparameter each flag sets."""


def _given(names: dict[str, str], flags: dict[str, Any]) -> dict[str, Any]:
    return {field: flags[flag] for flag, field in names.items()}


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


def _run(trainer: Trainer, resume: bool) -> None:
    from strobe.commands.progress import TrainingProgress

    if resume:
        trainer.resume()
    with TrainingProgress(trainer.step, trainer.training.steps, trainer.folder) as progress:
        end = trainer.run(progress.report, resume=resume)
    if trainer.trouble is not None:
        typer.echo(f"strobe: {trainer.trouble}", err=True)
    again = "" if end == "finished" else f"; continue with --resume --out {trainer.folder}"
    typer.echo(f"{end} at step {trainer.step:,} in {trainer.folder}{again}")
    typer.echo(f"look at it: strobe ingest {trainer.folder} && strobe app")
    if end != "finished":
        raise typer.Exit(130)


def _start(model_config: Any, task: Any, training: Any, folder: Path, device: Any, resume: bool) -> None:
    import torch

    from strobe.train.loop import Trainer
    from strobe.train.model import GPT

    model = GPT(model_config, training.model_seed).to(device)
    # Thousands of tiny products a second: a second thread costs more than it does.
    cores = 1 if model.count() < _SMALL_MODEL else torch.get_num_threads()
    torch.set_num_threads(training.threads or cores)
    typer.echo(f"{model.count():,} parameters, {training.steps:,} steps, on {device} to {folder}")
    _run(Trainer(folder, model, task, training, device), resume)


@app.command()
def modadd(
    preset: Preset = "grok",
    out: Out = None,
    resume: Resume = False,
    modulus: Annotated[int | None, typer.Option(help="The p of a + b mod p.")] = None,
    train_fraction: Annotated[float | None, typer.Option(help="Share of the p x p pairs to train on.")] = None,
    steps: Steps = None,
    layers: Layers = None,
    heads: Heads = None,
    width: Width = None,
    mlp: Mlp = None,
    batch_size: Batch = None,
    lr: Rate = None,
    weight_decay: Decay = None,
    warmup: Warmup = None,
    grad_clip: Clip = None,
    model_seed: ModelSeed = None,
    data_seed: DataSeed = None,
    fc1_band: Fc1 = None,
    fc2_band: Fc2 = None,
    device: Device = None,
    threads: Threads = None,
    eval_every: EvalEvery = None,
    snapshot_every: Every = None,
    schedule: Schedule = None,
    keep_last: KeepLast = None,
    max_disk: MaxDisk = None,
    checkpoint_every: CheckpointEvery = None,
) -> None:
    """Learn addition modulo p from a share of all pairs: the model that groks."""
    flags = locals()
    _need_torch()
    from strobe.train.config import MODADD
    from strobe.train.loop import pick_device
    from strobe.train.tasks import ModularAdditionTask

    chosen, folder = _preset(MODADD, preset), _folder(out, preset)
    saved = _saved(folder, resume)
    training = _training(chosen, saved, _given(_TRAINING, flags), batch_size)
    used = pick_device(training.device)
    numbers = _task_numbers(folder, chosen["task"], {"modulus": modulus, "train_fraction": train_fraction}, saved)
    task = ModularAdditionTask(training, used, **numbers)
    shape = {"vocab_size": task.vocab_size, "block_size": task.block_size}
    _start(_model(chosen, saved, _given(_MODEL, flags), **shape), task, training, folder, used, resume)


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
    out: Out = None,
    resume: Resume = False,
    steps: Steps = None,
    layers: Layers = None,
    heads: Heads = None,
    width: Width = None,
    mlp: Mlp = None,
    block_size: Annotated[int | None, typer.Option(help="Bytes of context.")] = None,
    batch_size: Batch = None,
    lr: Rate = None,
    weight_decay: Decay = None,
    warmup: Warmup = None,
    grad_clip: Clip = None,
    model_seed: ModelSeed = None,
    data_seed: DataSeed = None,
    fc1_band: Fc1 = None,
    fc2_band: Fc2 = None,
    device: Device = None,
    threads: Threads = None,
    eval_every: EvalEvery = None,
    snapshot_every: Every = None,
    schedule: Schedule = None,
    keep_last: KeepLast = None,
    max_disk: MaxDisk = None,
    checkpoint_every: CheckpointEvery = None,
) -> None:
    """Learn to predict the next byte of a text."""
    flags = locals()
    _need_torch()
    from strobe.train.config import TEXT
    from strobe.train.loop import pick_device
    from strobe.train.tasks import TextTask

    chosen, folder = _preset(TEXT, size), _folder(out, f"text-{size}")
    saved = _saved(folder, resume)
    training = _training(chosen, saved, _given(_TRAINING, flags), batch_size)
    model = _model(chosen, saved, _given(_MODEL, flags) | {"block_size": block_size}, vocab_size=256)
    used = pick_device(training.device)
    task = TextTask(training, used, path=data, block_size=model.block_size)
    if saved is not None and _manifest_task(folder).get("crc32") != task.entry()["crc32"]:
        raise StrobeError(f"{data}: is not the text that the run in {folder} has learned from; give that one")
    _start(model, task, training, folder, used, resume)
