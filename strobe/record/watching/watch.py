"""`strobe.watch`: the one line that records a training."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from etl.errors import StrobeError
from strobe.record.errors import RecorderError
from strobe.record.limits import WhenFull
from strobe.record.modules.probe import Causal
from strobe.record.monitor.mirror import MonitorMirror, ScalarWriter
from strobe.record.recorder import Recorder
from strobe.record.source import TensorSource
from strobe.record.watching.begin import Begun, Resume, begin, folder_for
from strobe.record.watching.choice import Every, Names, chosen, due_at, statistics_of
from strobe.record.watching.gradients import Unscaling
from strobe.record.watching.monitoring import Monitoring, monitor_of
from strobe.record.watching.ranks import SilentRecorder, is_sharded, rank
from strobe.record.watching.scalars import training
from strobe.record.watching.sources import SECTIONS, sections_of, sources_of
from strobe.record.watching.unnamed import tell_unnamed
from strobe.record.watching.watcher import Watcher


def watch(
    model: Any,
    optimizer: Any = None,
    folder: str | os.PathLike[str] | None = None,
    *,
    every: Every = 100,
    log: Iterable[str] = ("params", "grads"),
    keep: str | Mapping[str, str] = "full",
    include: Names = None,
    exclude: Names = None,
    probe: Any = None,
    scaler: Any = None,
    metrics: Mapping[str, str] | None = None,
    config: Any = None,
    causal: Causal = None,
    resume: Resume = "never",
    updates: int | None = None,
    rank0_only: bool = True,
    monitor: Any = False,
    writer: ScalarWriter | None = None,
) -> Watcher:
    """Record the training of any torch module from here on; see docs/record.md.

    With an `optimizer` of torch, snapshots are taken where its step begins: parameters before the update, and the
    gradients that it will use, accumulated, unscaled and clipped. Without one, call `step()` once after each update;
    snapshots then hold the parameters after it, and say so.

    `folder` is the run's, by default one under `$STROBE_RUNS` or `./runs`. `every` is a number of updates between
    snapshots, a schedule ("0-1000/100,5000"), or a function of the step. `log` takes "params", "grads", "optimizer"
    and "buffers", and with a `probe` (what the model is given: a tensor, arguments, or a function of the model) also
    "activations" and "attention", of which `causal` may say whether it looks only back. `keep` "stats" records
    statistics instead of all of these tensors, or with {"grads": "stats"} of some, reduced where they lie. `include`
    and `exclude` choose tensors by name: a glob, a list of them, or a function.

    `scaler` is the gradient scaler, if there is one. `metrics` says under which names this run's metrics are stored,
    {"my/loss": "train_loss"}, beside the usual ones. `config` goes into the manifest: a mapping, a Namespace, a
    dataclass, or anything else as text. `resume` "allow" continues a run that is in the folder, "must" wants one
    there; `updates` is how many came before, by default as many as the optimizer's loaded state counts, else as the
    run came to.

    `rank0_only`: of a distributed training the first process records, and all of them make the same calls; False
    gives each a run of its own. `monitor` True, or a WeightMonitor, looks at each update that a snapshot stands
    before, and logs its series under `monitor/`; `writer`, a SummaryWriter of TensorBoard, gets them too.

    Raises RecorderError when it cannot begin, and its Watcher raises nothing.
    """
    try:
        inner = _plain_optimizer(optimizer)
        begun = begin(_place(folder, model, rank0_only=rank0_only), inner, resume, updates)
        unscaling = Unscaling(inner, scaler)
        own, every_source = sources_of(
            model, inner, unscaling, sections=sections_of(log, probe), probe=probe, causal=causal,
            chosen=chosen(include, exclude), statistics_of=statistics_of(keep, SECTIONS),
        )  # fmt: skip
        due, about = due_at(every), {"training": _training(config, inner), "metric_names": metrics}
        recorder: Recorder | SilentRecorder
        if rank() and rank0_only:
            recorder = SilentRecorder(begun.place, every_source, begun.clock, sharded=is_sharded(model))
        else:
            recorder = _recorder(begun, every_source, about, is_sharded(model))
            if inner is not None:
                tell_unnamed(recorder, model, inner)
        watcher = monitor_of(monitor)
        seen = Monitoring(watcher, model, inner, _series(recorder, writer)) if watcher is not None else None
        return Watcher(recorder, own, begun.clock, due, unscaling, inner, seen, begun.lost)
    except StrobeError:
        raise
    except Exception as error:
        raise RecorderError(f"watch cannot begin: {type(error).__name__}: {error}") from error


def _place(folder: str | os.PathLike[str] | None, model: Any, *, rank0_only: bool) -> Path:
    """The run's folder; of a process that records beside the first one, its own."""
    place = folder_for(folder, model)
    return place.with_name(f"{place.name}-rank{rank()}") if rank() and not rank0_only else place


def _recorder(begun: Begun, source: TensorSource, about: Mapping[str, Any], sharded: bool) -> Recorder:
    if not source.specs():
        raise RecorderError("no tensor is left to record; see include, exclude and log")
    # A snapshot that is left out here would leave the other processes waiting for this one.
    when_full: WhenFull = "wait" if sharded else "skip"
    return Recorder(
        begun.place, source, **about, optimizer=begun.clock, resume=begun.again, step=begun.clock.updates,
        when_full=when_full,
    )  # fmt: skip


def _series(
    recorder: Recorder | SilentRecorder, writer: ScalarWriter | None
) -> Callable[[dict[str, float], int], None]:
    """Where the monitor's series go."""
    mirror = MonitorMirror(writer) if writer is not None else None

    def log(series: dict[str, float], step: int) -> None:
        recorder.log(step, series)
        if mirror is not None:
            mirror.add(series, step)

    return log


def hooked(optimizer: Any) -> Any:
    """The optimizer of torch that others wrap; None for something that has none."""
    import torch

    inner = optimizer
    while isinstance(getattr(inner, "optimizer", None), torch.optim.Optimizer):
        inner = inner.optimizer
    return inner if hasattr(inner, "register_step_pre_hook") else None


def _plain_optimizer(optimizer: Any) -> Any:
    """`hooked`. Raises RecorderError for something that has none."""
    plain_one = hooked(optimizer)
    if plain_one is None and optimizer is not None:
        raise RecorderError(
            f"optimizer is a {type(optimizer).__name__}; give an optimizer of torch, or none and call step()"
        )
    return plain_one


def _training(config: Any, optimizer: Any) -> dict[str, Any]:
    """The manifest's `training`: what the optimizer says of itself, and the person's own words over it."""
    told: dict[str, Any] = {}
    if optimizer is not None:
        told = {"optimizer": type(optimizer).__name__, **_hyperparameters(optimizer)}
    return told | training(config)


def _hyperparameters(optimizer: Any) -> dict[str, Any]:
    """Numbers and flags that all of its groups share."""
    groups: list[Mapping[str, Any]] = optimizer.param_groups
    first = {key: value for key, value in groups[0].items() if key != "params" and value is not None}
    shared = {key: value for key, value in first.items() if all(_same(group.get(key), value) for group in groups)}
    return {("learning_rate" if key == "lr" else key): value for key, value in shared.items()}


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (TypeError, ValueError, RuntimeError):
        # Arrays, which somebody keeps in a group, are no one setting.
        return False
