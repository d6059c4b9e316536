"""The processes of a distributed training: the first one records, the others take part in what needs all of them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from strobe.record.order import Clock
from strobe.record.source import TensorSource, appeared
from strobe.record.status import Status
from strobe.record.tensors import TensorSpec

log = logging.getLogger("strobe.record")


def rank() -> int:
    """This process's place in a distributed training; 0 outside one."""
    import torch

    distributed = torch.distributed
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def is_sharded(model: Any) -> bool:
    """Whether a parameter lies in parts on several processes, so that reading it needs them all."""
    return any(hasattr(parameter, "full_tensor") for parameter in model.parameters())


class SilentRecorder:
    """In place of a Recorder on a process that records nothing: it counts updates, and takes part where a snapshot
    gathers what is sharded, in the order in which the recording process reads it."""

    def __init__(self, folder: Path, source: TensorSource, clock: Clock, *, sharded: bool) -> None:
        self.folder, self.status, self.manifest = folder, Status(), dict[str, Any]()
        self._source, self._clock, self._sharded = source, clock, sharded
        self._specs: list[TensorSpec] = list(source.specs()) if sharded else []
        self._finished = False
        clock.start()

    def snapshot(self, step: int, scalars: Mapping[str, Any] | None = None) -> bool:  # noqa: ARG002
        """Take part in the snapshot of a step."""
        if self._sharded and not self._finished:
            try:
                self._source.prepare()
                self._specs += appeared(self._source)
                _gather(self._specs)
            except Exception as error:
                self.trouble(f"step {step:,}", error)
        return True

    def log(self, step: Any = None, /, *more: Any, **metrics: Any) -> None:
        """Nothing: the recording process logs."""

    def trouble(self, what: str, error: BaseException) -> None:
        """Say what failed here."""
        log.warning("%s: %s: %s", what, type(error).__name__, error)

    def flush(self) -> bool:
        """Nothing is written here."""
        return True

    def finish(self, end: str = "finished", reason: str | None = None) -> None:  # noqa: ARG002
        """Hear nothing more."""
        self._finished = True
        self._clock.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()


def _gather(specs: Sequence[TensorSpec]) -> None:
    for spec in specs:
        with contextlib.suppress(Exception):
            tensor = spec.tensor() if callable(spec.tensor) and not hasattr(spec.tensor, "detach") else spec.tensor
            if hasattr(tensor, "full_tensor"):
                tensor.full_tensor()
