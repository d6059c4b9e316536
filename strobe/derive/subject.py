"""What the analyses of one run look at."""

from __future__ import annotations

from functools import cached_property

from strobe.derive.addition import AdditionModel
from strobe.derive.recorded_run import RecordedRun
from strobe.derive.runnable import Runnable


class Subject:
    """A recorded run, and the same run as a model that adds modulo p, for the analyses that need one."""

    def __init__(self, recorded: RecordedRun) -> None:
        self.recorded = recorded

    @cached_property
    def addition(self) -> AdditionModel:
        """Whether the run is one shows when it is asked: its parts raise NotApplicableError where it is not."""
        return AdditionModel(self.recorded)

    @cached_property
    def runnable(self) -> Runnable:
        """The model as the forward pass takes it. Raises NotApplicableError where it cannot be run."""
        return Runnable(self.recorded)
