"""A recorded run as a model that adds modulo p: its inputs and split, its passes over all of them, its keys."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from etl.run.snapshot_errors import SnapshotError
from strobe.analysis.forward import Pass, forward
from strobe.analysis.fourier import KeyFrequencies, key_frequencies, neuron_shares
from strobe.derive.addition_sequence import inputs_of
from strobe.derive.addition_split import Split, split_of
from strobe.derive.recorded_run import NotApplicableError, RecordedRun
from strobe.derive.runnable import Runnable

_AT_ONCE: Final = 4096
"""Sums that go through together where little of each is kept: their arrays stay a few megabytes."""
MOST_SUMS: Final = 4_000_000
"""All p * p sums go through the model, and what it makes of them stays in memory."""


class AdditionModel:
    """The model of one run on all p * p sums. The forward pass of the snapshot that was looked at last is kept."""

    def __init__(self, recorded: RecordedRun) -> None:
        self.recorded = recorded
        self._last: tuple[int, Pass] | None = None

    @cached_property
    def modulus(self) -> int:
        """p: all that a Fourier basis needs. Raises NotApplicableError for any task but modular addition."""
        task: Mapping[str, Any] = self.recorded.run.manifest.task
        if task.get("kind") != "modular_addition":
            kind = task.get("kind") or "not known"
            raise NotApplicableError(f"the task is {kind}, not modular addition: there is no Fourier basis mod p")
        p = task.get("modulus")
        if type(p) is not int or p < 2:
            raise NotApplicableError(f"the manifest's task.modulus is {p!r:.80}, not an integer from 2 on")
        return p

    @cached_property
    def inputs(self) -> npt.NDArray[np.int32]:
        """All p * p sums as the run writes them: int32 (p * p, positions). Raises NotApplicableError."""
        return inputs_of(self.recorded.run.manifest.task, self.modulus)

    @cached_property
    def split(self) -> Split:
        """Which rows of `inputs` the run was trained on, or why that is not known."""
        return split_of(self.recorded, self.modulus)

    @cached_property
    def runnable(self) -> Runnable:
        """The model that all inputs go through. Raises NotApplicableError where it cannot be run on them."""
        p, made = self.modulus, Runnable(self.recorded)
        if made.vocabulary < p or made.classes < p:
            raise NotApplicableError(
                f"{made.vocabulary} embeddings and {made.classes} logits do not hold {p} residues"
            )
        if p * p > MOST_SUMS:
            raise NotApplicableError(f"task.modulus is {p:,}, and more than {MOST_SUMS:,} sums are not run")
        if self.inputs.shape[1] > made.positions:
            raise NotApplicableError(f"{self.inputs.shape[1]} tokens a sum are more than {made.positions} positions")
        if (token := int(self.inputs.max())) >= made.vocabulary:
            raise NotApplicableError(f"the sums hold the token {token}, and there are {made.vocabulary} embeddings")
        return made

    def check(self) -> None:
        """Raises NotApplicableError where the manifest already tells that the model cannot be run."""
        _ = self.runnable

    def forward(self, step: int) -> Pass:
        """All p * p inputs through the parameters of a snapshot, at their last position: float32."""
        if self._last is None or self._last[0] != step:
            params = self.runnable.params(self.recorded.at(step))
            made = forward(params, self.runnable.architecture, self.inputs, position=-1)
            self._last = (step, made)
        return self._last[1]

    def activations(self, step: int, layers: Sequence[int], neurons: Sequence[int]) -> npt.NDArray[np.float32]:
        """Of some neurons of the MLP alone, given by their layers and numbers: float32 (neurons, p * p)."""
        params = self.runnable.params(self.recorded.at(step))
        own = np.empty((len(layers), len(self.inputs)), np.float32)
        for start in range(0, len(self.inputs), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            made = forward(params, self.runnable.architecture, self.inputs[some], position=-1)
            own[:, some] = made.activation[list(layers), :, list(neurons)]
        return own

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
