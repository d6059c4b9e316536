"""What is wrong with a tensor's learning: the rules, and the words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What can be wrong. Those of `TROUBLE` are worth a warning; the others explain."""

    NONFINITE_GRADIENT = "gradient not finite"
    NONFINITE_WEIGHT = "weights not finite"
    EXPLODING = "exploding gradient"
    VANISHING = "vanishing gradient"
    NO_GRADIENT = "no gradient"
    ZERO_GRADIENT = "zero gradient"
    FROZEN = "frozen"
    DECAY_ALONE = "moved by weight decay alone"
    NOT_TRAINED = "requires_grad is False"


TROUBLE: Final = (
    Kind.NONFINITE_WEIGHT, Kind.NONFINITE_GRADIENT, Kind.EXPLODING, Kind.VANISHING, Kind.FROZEN, Kind.DECAY_ALONE,
)  # fmt: skip
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where trouble begins. Each is inclusive.

    `vanishing`, `exploding`: L2 of a tensor's gradient, as the optimizer uses it or before clipping.
    `frozen_ratio`, `frozen_checks`: an update ratio no larger, at so many checks one after another.
    `decay_error`: how far, relative to the movement, a movement may be from what weight decay alone gives.
    """

    vanishing: float = 1e-7
    exploding: float = 1e2
    frozen_ratio: float = 1e-12
    frozen_checks: int = 3
    decay_error: float = 1e-3

    def __post_init__(self) -> None:
        """Raises ValueError for a threshold that nothing or everything would pass."""
        if not 0 <= self.vanishing < self.exploding:
            raise ValueError(f"vanishing {self.vanishing:g} is not from 0 to below exploding {self.exploding:g}")
        if self.frozen_checks < 1:
            raise ValueError(f"frozen_checks {self.frozen_checks} is not at least 1")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one tensor at one check. `value` is the measured number, None where there is none.
    `why` is the likely reason, "" where none is known."""

    tensor: str
    kind: Kind
    step: int | None
    value: float | None = None
    why: str = ""

    def __str__(self) -> str:
        at = f" at step {self.step:,}" if self.step is not None else ""
        number = f" ({self.value:.3g})" if self.value is not None else ""
        return f"{self.tensor}: {self.kind}{number}{at}" + (f", {self.why}" if self.why else "")


def worst(findings: list[Finding], k: int) -> list[Finding]:
    """The `k` worst of those that are trouble: by kind, then the largest gradient or else the smallest number."""

    def rank(finding: Finding) -> tuple[int, float]:
        value = finding.value if finding.value is not None else 0.0
        return TROUBLE.index(finding.kind), -value if finding.kind is Kind.EXPLODING else value

    return sorted((f for f in findings if f.kind in TROUBLE), key=rank)[:k]
