"""How far from the diagonal the weight of a matrix lies, at each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from strobe.analysis.banding import BandProfile, band_profile
from strobe.views.matrices import WeightMatrix, read_matrix
from strobe.views.reading import at_steps
from strobe.views.run_view import RunView

POINTS: Final = 96
"""Of the profile: distances are grouped so that there are no more."""
INSIDE: Final = {"10": "within 10% of the width", "25": "within 25%", "50": "within 50%"}
"""Shares of the width, in percent, by which the energy near the diagonal is told."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class BandProfiles:
    """`energy` float64 (steps, distances) sums to 1 at each step; `entries` (distances,) is how many weights lie
    there. Where there is no profile, `steps` is empty and `reason` says why."""

    steps: list[int]
    energy: Array
    entries: Array
    reason: str = ""

    @property
    def grouped(self) -> int:
        """Distances that one point of `density` holds."""
        return -(-len(self.entries) // POINTS)

    def distances(self) -> Array:
        """(points,) float32: the middle of the distances that each point holds."""
        starts = self._starts()
        ends = np.append(starts[1:], self.energy.shape[1])
        return np.asarray(((starts + ends - 1) / 2).astype(np.float32))

    def density(self) -> Array:
        """(steps, points) float64: the mean square at each distance over that of the whole matrix, 1 without
        structure."""
        starts = self._starts()
        counts = np.add.reduceat(self.entries, starts)
        return np.asarray(np.add.reduceat(self.energy, starts, axis=1) * self.entries.sum() / counts)

    def _starts(self) -> Array:
        return np.arange(0, self.energy.shape[1], self.grouped)

    def inside(self, steps: Sequence[int]) -> pa.Table:
        """step, series (a key of INSIDE), value: the share of the energy near the diagonal, at those of `steps` that
        have a profile."""
        own = [k for k, step in enumerate(self.steps) if step in set(steps)]
        near, rows = np.cumsum(self.energy[own], axis=1), []
        for percent in INSIDE:
            at = max(0, round(int(percent) / 100 * self.energy.shape[1]) - 1)
            rows += [
                {"step": self.steps[k], "series": percent, "value": float(value)}
                for k, value in zip(own, near[:, at], strict=True)
            ]
        schema = pa.schema([("step", pa.int64()), ("series", pa.string()), ("value", pa.float64())])
        return pa.Table.from_pylist(rows, schema)


def profiles(view: RunView, matrix: WeightMatrix, steps: Sequence[int]) -> Iterator[tuple[int, BandProfile | None]]:
    """(step, the profile there) one after the other, None where a snapshot cannot be read."""
    return at_steps(view, steps, lambda snapshot: band_profile(read_matrix(snapshot, matrix)))


def bands(read: Mapping[int, BandProfile | None], steps: Sequence[int]) -> BandProfiles:
    """The profiles at those of `steps` that were `read` and have one."""
    sound = {
        step: profile
        for step in steps
        if (profile := read[step]) is not None and np.isfinite(profile.energy).all()
    }  # fmt: skip
    if not sound:
        reason = "No snapshot of this matrix has a band profile: it is all zero, not finite, or unreadable."
        return BandProfiles([], np.zeros((0, 0)), np.zeros(0), reason)
    energy = np.stack([profile.energy for profile in sound.values()])
    return BandProfiles(list(sound), energy, next(iter(sound.values())).entries)
