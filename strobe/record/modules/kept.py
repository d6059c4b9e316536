"""Tensors of which statistics alone are kept: they are measured together before each snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from strobe.record.modules.reduced import STATISTICS, Update, Vector, copies, updates, vectors
from strobe.record.tensors import TensorSpec

_L2 = STATISTICS.index("l2")


class KeptStatistics:
    """Specs of vectors of statistics in place of tensors, and the measuring of what these read.

    The parameters before one update are held as copies, where they lie, from `hold` to `compare`. Where one follows
    the other at each step, those of the CPU stay for the next: the pages of fresh memory take longer than the copies.
    """

    def __init__(self) -> None:
        self._read: dict[str, Callable[[], Any]] = {}
        self._parameters: dict[str, str] = {}
        self._measured: dict[str, Vector | Exception] = {}
        self._held: dict[str, Any] = {}
        self._room: dict[str, Any] = {}
        self._norms: dict[str, float] = {}
        self._updates: dict[str, Update] = {}

    def spec(self, of: TensorSpec, parameter: str | None) -> TensorSpec:
        """The spec of the statistics of what `of` reads; `parameter` is its name in the model, None for other
        tensors: the update of a parameter is measured as well."""
        name = of.full_name.replace("%2F", "/")
        self._read[name] = of.tensor
        if parameter is not None:
            self._parameters[name] = parameter
        return TensorSpec(
            name, "stats", ("statistic",), lambda: self._vector(name), (len(STATISTICS),), "float64", of.layer,
            of.group, of.taken, original=of.original, trainable=of.trainable,
        )  # fmt: skip

    def measure(self) -> None:
        """Take the statistics of all that is there now."""
        tensors: dict[str, Any] = {}
        failed: dict[str, Vector | Exception] = {}
        for name, read in self._read.items():
            try:
                tensors[name] = read()
            except Exception as error:
                failed[name] = error
        self._measured = failed | vectors(tensors)
        for name, parameter in self._parameters.items():
            measured = self._measured[name]
            if parameter in self._updates and not isinstance(measured, Exception):
                measured[-2:] = self._updates[parameter]
        self._updates = {}

    def hold(self, parameters: Mapping[str, Any], *, measured: bool) -> None:
        """Before an update whose size the next snapshot tells; `measured`: they stand as `measure` found them."""
        wanted = set(self._parameters.values())
        self._norms = self._measured_norms() if measured else {}
        self._held = copies({name: tensor for name, tensor in parameters.items() if name in wanted}, self._room)

    def _measured_norms(self) -> dict[str, float]:
        found = {parameter: self._measured[name] for name, parameter in self._parameters.items()}
        return {parameter: float(of[_L2]) for parameter, of in found.items() if not isinstance(of, Exception)}

    def compare(self, parameters: Mapping[str, Any]) -> None:
        """After that update."""
        held, self._held = self._held, {}
        self._updates = updates(held, parameters, self._norms)
        # A device has an allocator that keeps memory, and less of it.
        self._room = {name: t for name, t in held.items() if name in self._norms and t.device.type == "cpu"}

    def _vector(self, name: str) -> Vector:
        measured = self._measured[name]
        if isinstance(measured, Exception):
            raise measured
        return measured
