"""Curves without any structure, many at once, for how often a rule takes them for something."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def noise(kind: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Series along the last axis: "white", "Student t 3", "AR 0.9" (any coefficient; unit spread), "random walk"
    (unit steps)."""
    if kind == "Student t 3":
        return random.standard_t(3, shape)
    if kind == "random walk":
        return np.cumsum(random.standard_normal(shape), axis=-1)
    memory = float(kind.removeprefix("AR ")) if kind != "white" else 0.0
    drawn = random.standard_normal((*shape[:-1], shape[-1] + 200))
    for k in range(1, drawn.shape[-1]):
        drawn[..., k] += memory * drawn[..., k - 1]
    return drawn[..., 200:] * np.sqrt(1 - memory**2)


LOSSES = (
    "white noise", "noise with memory", "random walks", "four that fall", "memorized, rest noise",
    "memorized, rest walks", "grokked, rest noise",
)  # fmt: skip


def losses(kind: str, snapshots: int, count: int, random: np.random.Generator) -> Array:
    """Train, test, excluded and restricted loss (count, 4, snapshots) that know nothing of one another.

    Of LOSSES: 0.3 of white noise, 0.5 of AR 0.9 or a walk with steps of 0.3, in ln; four losses that fall by factors
    e to e⁸ at their own rates with 0.3 of AR 0.9; a train loss that falls by e⁸ beside a test loss that rises by e,
    or beside walks; and one that groks beside excluded and restricted losses of white noise.
    """
    shape, x = (count, snapshots), np.linspace(0, 1, snapshots)
    wander = 0.3 * noise("AR 0.9", (count, 4, snapshots), random)
    walks = 0.3 * noise("random walk", (count, 4, snapshots), random)
    white = 0.3 * noise("white", (count, 4, snapshots), random)
    rates = random.uniform(2, 10, (count, 4, 1))
    falls = -random.uniform(1, 8, (count, 4, 1)) * (1 - np.exp(-x * rates)) + wander
    known = -8 * (1 - np.exp(-x * rates[:, 0])) + wander[:, 0]
    stays = np.broadcast_to(1 - np.exp(-5 * x), shape)
    made = {
        "white noise": white, "noise with memory": wander * (0.5 / 0.3), "random walks": walks,
        "four that fall": falls,
        "memorized, rest noise": np.stack([known, stays + wander[:, 1], wander[:, 2], wander[:, 3]], axis=1),
        "memorized, rest walks": np.concatenate([known[:, None], walks[:, 1:]], axis=1),
        "grokked, rest noise": np.concatenate(
            [known[:, None], (stays - 8 / (1 + np.exp(-(x - 0.6) / 0.05)))[:, None], white[:, 2:]], axis=1
        ),
    }[kind]  # fmt: skip
    return np.exp(made)
