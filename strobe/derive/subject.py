"""A run as the analyses see it: its snapshots' tensors, its architecture, and its task where it adds modulo p."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.roles import Role, first_with, role_of
from etl.run.snapshot import Snapshot, SnapshotError
from strobe.analysis.forward import Architecture, Pass, forward, weight_names
from strobe.analysis.fourier import KeyFrequencies, key_frequencies, neuron_shares
from strobe.analysis.tasks import ModularAddition, modular_addition

Array = npt.NDArray[Any]


class NotApplicableError(StrobeError):
    """An analysis that this run can never have; the text says why and what would be needed."""


class Subject:
    """One run under analysis. Forward passes are kept for the snapshot that was looked at last."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.paths = run.current()
        self._last: tuple[int, Pass] | None = None

    @property
    def steps(self) -> list[int]:
        """Steps with a snapshot, ascending, superseded attempts left out."""
        return list(self.paths)

    @property
    def superseded(self) -> set[int]:
        """Steps whose every snapshot a later attempt cut off; a step whose files were thinned away is not one."""
        return {step for step, _, _ in self.run.files()} - set(self.run.current())

    def at(self, step: int) -> Snapshot:
        """The snapshot of a step. Raises SnapshotError when it is damaged."""
        return self.run.open(self.paths[step])

    def names(self, section: str) -> list[str]:
        """The tensors of a section, without it: "wte"; empty where it was not recorded."""
        tensors = self.run.manifest.raw["snapshot"]["tensors"]
        return [tensor["name"].partition("/")[2] for tensor in tensors if tensor["section"] == section]

    def parameter(self, role: Role) -> str | None:
        """The first params tensor of a role, without its section; None where the model has none."""
        name = first_with(self.run.manifest.raw, role)
        return name and name.partition("/")[2]

    @cached_property
    def roles(self) -> dict[str, Role | None]:
        """The role of each params tensor, by its name without the section."""
        tensors = self.run.manifest.raw["snapshot"]["tensors"]
        return {t["name"].partition("/")[2]: role_of(t) for t in tensors if t["section"] == "params"}

    def require(self, table: str) -> None:
        """Raises NotApplicableError where the manifest already tells that the run cannot have a derived table."""
        if not self.steps:
            raise NotApplicableError("the run has no snapshots to analyse")
        if table == "spectra" and not self.names("params"):
            raise NotApplicableError("the snapshots hold no weight matrices (section params)")
        if table == "heads" and "att" not in self.names("attention"):
            raise NotApplicableError("the snapshots hold no attention (section attention)")
        if table in ("fourier", "neurons", "progress"):
            _ = self.modular
        if table in ("neurons", "progress"):
            _ = self.architecture

    @cached_property
    def modular(self) -> ModularAddition:
        """Inputs and split of the modular addition. Raises NotApplicableError for any other task."""
        task: Mapping[str, Any] = self.run.manifest.task
        if task.get("kind") != "modular_addition":
            kind = task.get("kind") or "not known"
            raise NotApplicableError(f"the task is {kind}, not modular addition: there is no Fourier basis mod p")
        try:
            return modular_addition(int(task["modulus"]), float(task["train_fraction"]), int(task["data_seed"]))
        except (KeyError, TypeError, ValueError) as error:
            raise NotApplicableError(
                f"the manifest's task lacks modulus, train_fraction or data_seed ({error})"
            ) from None

    @cached_property
    def architecture(self) -> Architecture:
        """Raises NotApplicableError where the model has no forward pass here."""
        try:
            return Architecture.of(self.run.manifest.raw["model"])
        except (KeyError, ValueError) as error:
            raise NotApplicableError(f"no forward pass for this model ({error})") from None

    @cached_property
    def weights(self) -> dict[str, str]:
        """The params tensors that a forward pass takes -> the names under which it does."""
        try:
            return weight_names(self.roles)
        except ValueError as error:
            raise NotApplicableError(f"no forward pass for this model ({error})") from None

    def forward(self, step: int) -> Pass:
        """All p * p inputs through the parameters of a snapshot, at the position of "=": float32."""
        if self._last is None or self._last[0] != step:
            snapshot, task = self.at(step), self.modular
            params = {here: snapshot.values(f"params/{name}") for name, here in self.weights.items()}
            try:
                made = forward(params, self.architecture, task.inputs, position=-1)
            except KeyError as error:
                raise NotApplicableError(
                    f"the snapshots lack the weight {error}, so the model cannot be run"
                ) from None
            self._last = (step, made)
        return self._last[1]

    def shares(self, step: int) -> npt.NDArray[np.float64]:
        """Frequency shares (layer, K, neurons) of the MLP's neurons at a snapshot."""
        p = self.modular.modulus
        activation = self.forward(step).activation
        grids = activation.transpose(0, 2, 1).reshape(*activation.shape[::2], p, p)
        return np.stack([neuron_shares(grid, p) for grid in grids])

    @cached_property
    def keys(self) -> KeyFrequencies:
        """The key frequencies: of the specialised neurons, in any layer, of the final snapshot that is sound."""
        for step in reversed(self.steps):
            with contextlib.suppress(SnapshotError):
                return key_frequencies(np.concatenate(list(self.shares(step)), axis=1))
        raise NotApplicableError("none of its snapshots can be read")
