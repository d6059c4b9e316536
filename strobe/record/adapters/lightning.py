"""Recording a Lightning `Trainer`: one callback."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger

from strobe.record.watching.watch import watch
from strobe.record.watching.watcher import Watcher


class StrobeCallback(Callback):
    """`Trainer(..., callbacks=[StrobeCallback()])` records the training as `strobe.watch` does.

    Snapshots are taken inside the optimizer's step, when its closure has computed the gradients, unscaled and
    clipped. Whatever the module logs becomes metrics, at the step at which Lightning logs it. `options` are those of
    `strobe.watch`; the step is that of the first optimizer.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, **options: Any) -> None:
        self._folder, self._options = folder, options
        self.run: Watcher | None = None
        """The run while it is recorded."""

    def setup(self, trainer: Any, _module: Any, stage: str) -> None:
        """Hear what is logged."""
        if stage == "fit" and not any(isinstance(logger, _Metrics) for logger in trainer.loggers):
            trainer.loggers = [*trainer.loggers, _Metrics(self)]

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Begin the run. Raises RecorderError where it cannot."""
        optimizer = trainer.optimizers[0] if trainer.optimizers else None
        options = {"config": dict(module.hparams), "updates": trainer.global_step} | self._options
        self.run = watch(module, optimizer, self._folder, **options)

    def on_train_end(self, _trainer: Any, _module: Any) -> None:
        """End the run."""
        if self.run is not None:
            self.run.finish()

    def on_exception(self, _trainer: Any, _module: Any, exception: BaseException) -> None:
        """End the run as what it was ended by says."""
        if self.run is not None:
            self.run.__exit__(type(exception), exception, None)


class _Metrics(Logger):
    """Hands on what Lightning logs."""

    def __init__(self, callback: StrobeCallback) -> None:
        super().__init__()
        self._callback = callback

    @property
    def name(self) -> str:
        return "strobe"

    @property
    def version(self) -> str:
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if self._callback.run is not None:
            self._callback.run.log(metrics, step=step)

    def log_hyperparams(self, params: Any, *_: Any, **_more: Any) -> None:
        """They are the manifest's already."""
