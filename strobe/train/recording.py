"""What the training loop asks of whatever records it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Protocol, Self

Ending = Literal["finished", "interrupted"]


class Recording(Protocol):
    """The record of one attempt. Its `with` block is the attempt; an exception that leaves it is how that ended."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def log(self, step: int, /, **metrics: Any) -> None:
        """Take in the metrics of one step, by name."""

    def snapshot(self, step: int, scalars: Mapping[str, Any] | None = None) -> bool:
        """Record the tensors as they are now, after the backward pass of `step` and before its update."""
        ...

    def flush(self) -> bool:
        """Wait until all of it is on disk, or was given up."""
        ...

    def finish(self, end: Ending, reason: str | None = None) -> None:
        """The last step is done, or a signal asked for an end before it."""


class Monitor(Protocol):
    """Looks at gradients before an update and at weights after it."""

    def check_gradients(self, model: Any, optimizer: Any, *, step: int, clip_scale: float) -> object: ...

    def check_updates(self, model: Any, optimizer: Any, *, step: int) -> object: ...

    def aggregate_gradient_stats(self) -> dict[str, float]:
        """Series of the last look at gradients, by name."""
        ...

    def aggregate_update_stats(self) -> dict[str, float]:
        """Series of the last look at an update, by name."""
        ...


StartRecording = Callable[[], Recording]
"""Called once the trainer knows at which step it begins."""
