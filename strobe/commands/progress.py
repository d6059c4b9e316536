"""What a training shows while it runs: a bar with loss and time left, or lines where there is no terminal."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

_LINE_EVERY_S = 10.0


class TrainingProgress:
    """Loss, accuracy and time left, on stderr."""

    def __init__(self, first: int, last: int, folder: Path) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        live = self._console.is_terminal
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not live, refresh_per_second=4)
        self._task = self._bar.add_task(folder.name, total=last, completed=first)
        self._seen: dict[str, float] = {}
        self._first, self._last = first, last
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def report(self, step: int, values: dict[str, float]) -> None:
        """Take in one step."""
        self._seen |= values
        now = time.monotonic()
        if self._console.is_terminal:
            self._bar.update(self._task, completed=step, description=self._words())
        elif now - self._said >= _LINE_EVERY_S:
            self._said = now
            left = (now - self._began) / max(1, step - self._first) * (self._last - step)
            self._console.print(
                f"step {step:,} of {self._last:,}  {self._words()}  {left:.0f} s left", highlight=False
            )

    def _words(self) -> str:
        names = {"train_loss": "train", "val_loss": "val", "val_accuracy": "val accuracy"}
        return "  ".join(f"{label} {self._seen[name]:.4g}" for name, label in names.items() if name in self._seen)
