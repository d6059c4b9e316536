"""Recording a `transformers.Trainer`: one callback."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from etl.run.names import run_id
from strobe.record.watching.begin import free_folder
from strobe.record.watching.watch import hooked, watch
from strobe.record.watching.watcher import Watcher

_OF_THE_WHOLE = "train_runtime"
"""What the Trainer logs once, at the end, beside means over the whole training."""


class StrobeCallback(TrainerCallback):
    """`Trainer(..., callbacks=[StrobeCallback()])` records the training as `strobe.watch` does.

    Snapshots are taken as the optimizer's step begins: gradients are accumulated, unscaled and clipped. What the
    Trainer logs becomes metrics at its own global step, which for the training loss is the end of the steps that it
    is the mean of.

    `options` are those of `strobe.watch`. Without `folder` the run lies in the Trainer's output folder, under
    `strobe/`; a training that resumes from a checkpoint continues its run. Only the first process of a distributed
    training records.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, **options: Any) -> None:
        self._folder, self._options, self._counts_itself = folder, options, False
        self.run: Watcher | None = None
        """The run while it is recorded."""

    def on_train_begin(self, args: Any, state: Any, _: Any, **kwargs: Any) -> None:
        """Begin the run. Raises RecorderError where it cannot."""
        resumes = state.global_step > 0
        folder = self._folder if self._folder is not None else _inside(Path(args.output_dir), resumes)
        options = {"config": args.to_dict(), "resume": "allow" if resumes else "never"} | self._options
        optimizer = hooked(kwargs.get("optimizer"))
        self._counts_itself = optimizer is None
        self.run = watch(kwargs["model"], optimizer, folder, updates=state.global_step, **options)

    def on_optimizer_step(self, *_: Any, **_more: Any) -> None:
        """Count an update of an optimizer that is not torch's, such as DeepSpeed's: snapshots come after it then."""
        if self.run is not None and self._counts_itself:
            self.run.step()

    def on_log(self, _args: Any, state: Any, _: Any, logs: Any = None, **_more: Any) -> None:
        """Take in what the Trainer logs."""
        if self.run is not None and logs:
            whole = _OF_THE_WHOLE in logs
            named = {f"whole_{name}" if whole and name == "train_loss" else name: v for name, v in logs.items()}
            self.run.log(named, step=state.global_step)

    def on_train_end(self, *_: Any, **_more: Any) -> None:
        """End the run."""
        if self.run is not None:
            self.run.finish()


def _inside(output: Path, resumes: bool) -> Path:
    """A run's folder in the Trainer's: the first that is free, or the last one to resume."""
    name = run_id(output.resolve().name)
    first = output / "strobe" / name
    if not resumes:
        return free_folder(first)
    numbered = sorted(first.parent.glob(f"{name}*"), key=lambda path: (len(path.name), path.name))
    return numbered[-1] if numbered else first
