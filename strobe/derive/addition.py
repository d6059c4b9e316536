"""A recorded run as a model that adds modulo p: its inputs and split, its passes over all of them, its keys."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.run.snapshot import SnapshotError
from strobe.analysis.forward import Pass, forward, missing_weights, weight_names
from strobe.analysis.fourier import KeyFrequencies, key_frequencies, neuron_shares
from strobe.analysis.tasks import ModularAddition, modular_addition
from strobe.derive.recorded_run import NotApplicableError, RecordedRun


class AdditionModel:
    """The model of one run on all p * p sums. The forward pass of the snapshot that was looked at last is kept."""

    def __init__(self, recorded: RecordedRun) -> None:
        self.recorded = recorded
        self._last: tuple[int, Pass] | None = None

    @cached_property
    def task(self) -> ModularAddition:
        """Inputs and split of the modular addition. Raises NotApplicableError for any other task."""
        task: Mapping[str, Any] = self.recorded.run.manifest.task
        if task.get("kind") != "modular_addition":
            kind = task.get("kind") or "not known"
            raise NotApplicableError(f"the task is {kind}, not modular addition: there is no Fourier basis mod p")
        try:
            return modular_addition(int(task["modulus"]), float(task["train_fraction"]), int(task["data_seed"]))
        except (KeyError, TypeError, ValueError) as error:
            raise NotApplicableError(
                f"the manifest's task lacks modulus, train_fraction or data_seed ({error})"
            ) from None

    @property
    def modulus(self) -> int:
        """p. Raises NotApplicableError as `task` does."""
        return self.task.modulus

    def check(self) -> None:
        """Raises NotApplicableError where the manifest already tells that the model cannot be run."""
        _ = self.task, self.recorded.architecture, self._weights

    @cached_property
    def _weights(self) -> dict[str, str]:
        """The params tensors that a forward pass takes -> the names under which it does."""
        try:
            names = weight_names(self.recorded.roles)
        except ValueError as error:
            raise NotApplicableError(f"no forward pass for this model ({error})") from None
        if missing := missing_weights(names.values(), self.recorded.architecture):
            raise NotApplicableError(f"the snapshots lack the weight {missing[0]!r}, so the model cannot be run")
        return names

    def forward(self, step: int) -> Pass:
        """All p * p inputs through the parameters of a snapshot, at the position of "=": float32."""
        if self._last is None or self._last[0] != step:
            snapshot = self.recorded.at(step)
            params = {place: snapshot.values(f"params/{name}") for name, place in self._weights.items()}
            made = forward(params, self.recorded.architecture, self.task.inputs, position=-1)
            self._last = (step, made)
        return self._last[1]

    def shares(self, step: int) -> npt.NDArray[np.float64]:
        """Frequency shares (layer, K, neurons) of the MLP's neurons at a snapshot."""
        p = self.modulus
        activation = self.forward(step).activation
        grids = activation.transpose(0, 2, 1).reshape(*activation.shape[::2], p, p)
        return np.stack([neuron_shares(grid, p) for grid in grids])

    @cached_property
    def keys(self) -> KeyFrequencies:
        """The key frequencies: of the specialised neurons, in any layer, of the final snapshot that is sound."""
        for step in reversed(self.recorded.steps):
            with contextlib.suppress(SnapshotError):
                return key_frequencies(np.concatenate(list(self.shares(step)), axis=1))
        raise NotApplicableError("none of its snapshots can be read")
