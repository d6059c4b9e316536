"""What MLP neurons do over training: switches of frequency, commitment, coarseness, dead and always-on units."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.fourier import SPECIALISED

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def switches(frequency: Array, share: Array, threshold: float = SPECIALISED) -> Ints:
    """How often each neuron changed its frequency: (neurons,), from `frequency` and `share` (snapshots, neurons).

    Only snapshots with share >= threshold count: a switch is two such in a row, whatever lies between them, with
    different frequencies. NaN shares are below any threshold.
    """
    frequency = np.asarray(frequency)
    special = _specialised(frequency, share, threshold)
    last = np.zeros(frequency.shape[1], frequency.dtype)
    count = np.zeros(frequency.shape[1], np.int64)
    for now, counts in zip(frequency, special, strict=True):
        count += counts & (last != 0) & (now != last)
        last = np.where(counts, now, last)
    return count


def commitment_step(steps: Array, frequency: Array, share: Array, threshold: float = SPECIALISED) -> Floats:
    """The step from which each neuron keeps its final frequency at share >= threshold up to the end: (neurons,).

    `steps` (snapshots,) ascending; the others (snapshots, neurons). NaN for a neuron that is not specialised at the
    end: never is never.
    """
    steps = np.asarray(steps)
    frequency = np.asarray(frequency)
    if len(steps) != len(frequency):
        raise ValueError(f"{len(steps)} steps do not fit {len(frequency)} snapshots")
    kept = _specialised(frequency, share, threshold) & (frequency == frequency[-1:])
    run = np.logical_and.accumulate(kept[::-1])[::-1]
    first: Floats = np.where(run.any(axis=0), steps[run.argmax(axis=0)], np.nan)
    return first


def final_frequency(frequency: Array, share: Array, threshold: float = SPECIALISED) -> Ints:
    """The frequency of each neuron at the last snapshot, 0 where its share there is below threshold: (neurons,)."""
    frequency = np.asarray(frequency)
    special = _specialised(frequency, share, threshold)
    last: Ints = np.where(special[-1], frequency[-1], 0)
    return last


def _specialised(frequency: Array, share: Array, threshold: float) -> npt.NDArray[np.bool_]:
    share = np.asarray(share)
    if frequency.ndim != 2 or frequency.shape != share.shape or not len(share):
        raise ValueError(f"frequencies {frequency.shape} and shares {share.shape} are not (snapshots, neurons) alike")
    special: npt.NDArray[np.bool_] = (share >= threshold) & (frequency > 0)
    return special


BLOB, PLAID = 0.7, 0.5
"""A neuron is a "blob" from the one coarseness on, and "plaid" below the other."""


def coarseness(shares: Floats) -> Floats:
    """The sum of each neuron's shares (K, neurons) over k = 1..3: (neurons,); NaN for one that does not vary."""
    total: Floats = shares[:3].sum(axis=0)
    return total


class LayerCoarseness(NamedTuple):
    """Over the neurons that vary; NaN where none does."""

    neurons: int
    mean: float
    blob: float
    """The share of them that are blobs."""
    plaid: float
    """The share of them that are plaid."""


def layer_coarseness(shares: Floats) -> LayerCoarseness:
    """The coarseness of one layer's neurons together, from their shares (K, neurons)."""
    each = coarseness(shares)
    each = each[~np.isnan(each)]
    if not len(each):
        return LayerCoarseness(0, np.nan, np.nan, np.nan)
    return LayerCoarseness(len(each), *(float(values.mean()) for values in (each, each >= BLOB, each < PLAID)))


class UnitStates(NamedTuple):
    """Counts over the neurons, each (...)."""

    dead: Ints
    always_on: Ints
    unknown: Ints
    """Neurons whose share is NaN."""


def unit_states(unit_active: Array) -> UnitStates:
    """How many neurons never and always have a positive pre-activation, from the share of positions: (..., neurons).

    0 is dead, 1 is always on, over the positions of the shares alone (our recorders take the step's training batch):
    a unit dead there may live elsewhere.
    """
    active = np.asarray(unit_active)
    return UnitStates((active == 0).sum(axis=-1), (active == 1).sum(axis=-1), np.isnan(active).sum(axis=-1))
