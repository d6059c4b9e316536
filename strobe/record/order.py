"""What an optimizer has done by the time of a snapshot: how many updates, and whether one came after the last
backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from strobe.record.errors import RecorderError

Taken = Literal["before_update", "after_update"]


class Handle(Protocol):
    """A hook that can be taken away again."""

    def remove(self) -> None: ...


class SteppedOptimizer(Protocol):
    """What is asked of an optimizer: those of torch have it."""

    param_groups: list[dict[str, Any]]

    def register_step_post_hook(self, hook: Callable[..., None]) -> Handle: ...


class Clock:
    """How many updates have been applied, and what a snapshot taken now is; whoever has it sets both."""

    def __init__(self, updates: int, taken: Taken | None = None) -> None:
        self.updates = updates
        """Applied since the initialisation."""
        self.taken = taken
        """What a snapshot taken now is; None before the first backward pass and the first update."""

    def now(self, step: int) -> tuple[Taken | None, int]:
        """What a snapshot taken now is, None where that is not known, and how many updates more than `step` it holds,
        0 where that is not known."""
        return self.taken, self.updates - step

    def start(self) -> None:
        """Begin to hear what happens."""

    def stop(self) -> None:
        """Hear nothing more."""


class UpdateClock(Clock):
    """Counts the updates of one optimizer from `updates` on, and hears each backward pass of its parameters.

    From `start` to `stop`, by torch's own hooks. Raises RecorderError for something that is no optimizer of torch.
    """

    def __init__(self, optimizer: SteppedOptimizer, updates: int) -> None:
        super().__init__(updates)
        if not hasattr(optimizer, "register_step_post_hook"):
            raise RecorderError(
                f"{type(optimizer).__name__} has no register_step_post_hook, so its updates cannot be counted; "
                "give an optimizer of torch, or none"
            )
        self._optimizer = optimizer
        self._handles: list[Handle] = []

    def start(self) -> None:
        """Hear every update and every backward pass from now on."""
        self._handles.append(self._optimizer.register_step_post_hook(self._updated))
        for group in self._optimizer.param_groups:
            for parameter in group["params"]:
                # A parameter that is frozen now has no gradient to wait for, and torch refuses the hook.
                if parameter.requires_grad:
                    self._handles.append(parameter.register_post_accumulate_grad_hook(self._went_back))

    def stop(self) -> None:
        """Hear nothing more."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _updated(self, optimizer: Any, *_: object) -> None:
        if not overflowed(optimizer):
            self.updates += 1
            self.taken = "after_update"

    def _went_back(self, _: object) -> None:
        self.taken = "before_update"


def updates_of(optimizer: Any) -> int | None:
    """How many updates the loaded state of an optimizer counts; None where it counts none."""
    counted = [int(state["step"]) for state in getattr(optimizer, "state", {}).values() if "step" in state]
    return max(counted, default=None)


def overflowed(optimizer: Any) -> bool:
    """Whether a fused optimizer under a gradient scaler made no update, since a gradient overflowed."""
    found = getattr(optimizer, "found_inf", None)
    return found is not None and float(found) > 0


class SnapshotOrder:
    """When snapshots are taken, as the first one shows; whatever is not so afterwards is warned of once."""

    def __init__(
        self, clock: Clock, settle: Callable[[Taken | None, int], bool], warn_once: Callable[[str, str], None]
    ) -> None:
        """`settle` puts what the first snapshot shows into the manifest: when it was taken, and how many updates more
        than its step it holds. False where the manifest says otherwise and stays. `warn_once` takes a kind and words.
        """
        self._clock, self._settle, self._warn_once = clock, settle, warn_once
        self._first: tuple[Taken | None, int] | None = None
        self.taken: Taken | None = None
        """What the last snapshot was; None before the first, and where that is not known."""
        self.stop = clock.stop
        clock.start()

    def count_from(self, updates: int) -> None:
        """So many updates have been applied by now: of a run that is continued from where only its steps tell."""
        self._clock.updates = updates

    def settle(self, step: int) -> None:
        """Called before each snapshot. Raises OSError when the manifest cannot be written: the next one tries
        again."""
        self.taken, ahead = self._clock.now(step)
        if self._first is None:
            if not self._settle(self.taken, ahead):
                self._warn_once(
                    "order", f"step {step:,} is taken {_spoken(self.taken)}; the run's manifest says otherwise"
                )
            self._first = (self.taken, 0)
        elif self._first[0] not in (None, self.taken):
            self._warn_once("order", _otherwise(step, self.taken, self._first[0]))
        if ahead != self._first[1]:
            self._first = (self._first[0], ahead)
            self._warn_once("updates", _misnumbered(step, step + ahead))


def _otherwise(step: int, taken: Taken | None, first: Taken | None) -> str:
    before = f"and the first snapshot was {_spoken(first)}"
    if taken is None:
        return f"nobody knows when step {step:,} is taken, {before}; give the recorder the optimizer"
    return f"step {step:,} is taken {_spoken(taken)}, {before}"


def _spoken(taken: Taken | None) -> str:
    return taken.replace("_", " the ") if taken is not None else "before any update"


def _misnumbered(step: int, updates: int) -> str:
    many = "1 update" if updates == 1 else f"{updates:,} updates"
    hint = "; take it before optimizer.step(), or count on by one" if updates == step + 1 else ""
    return f"the snapshot of step {step:,} holds the parameters after {many}, and step s means s updates{hint}"
