"""The weight monitor beside a watched run: it looks at the updates whose step is due, and logs its series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strobe.record.monitor.mirror import PREFIX


class Monitoring:
    """A WeightMonitor's two looks at one update; `log` is given its series and the step."""

    def __init__(
        self, monitor: Any, model: Any, optimizer: Any, log: Callable[[dict[str, float], int], None]
    ) -> None:
        self._monitor, self._model, self._optimizer, self._log = monitor, model, optimizer, log
        self._step: int | None = None

    def before(self, step: int) -> None:
        """The gradients are those that the update will use."""
        self._monitor.check_gradients(self._model, self._optimizer, step=step)
        self._step = step

    def after(self) -> None:
        """The update was made."""
        if self._step is None:
            return
        step, self._step = self._step, None
        self._monitor.check_updates(self._model, self._optimizer, step=step)
        found = self._monitor.aggregate_gradient_stats() | self._monitor.aggregate_update_stats()
        self._log({PREFIX + name: value for name, value in found.items()}, step)


def monitor_of(given: Any) -> Any:
    """A WeightMonitor: the one given, or one as it comes for True; None for False."""
    from strobe.record.monitor import WeightMonitor

    return WeightMonitor() if given is True else given or None
