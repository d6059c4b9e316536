"""What is wrong with a tensor's learning: the rules, and the words."""

from __future__ import annotations

from dataclasses import dataclass

from strobe.analysis.health import (
    CANCELLED,
    EXPLODING,
    STILL,
    STILL_CHECKS,
    TROUBLE,
    VANISHING,
    Kind,
    check_thresholds,
)

__all__ = ["TROUBLE", "Finding", "Kind", "Thresholds", "worst"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where trouble begins. Each is inclusive.

    `vanishing`, `exploding`: L2 of a tensor's gradient, as the optimizer uses it or before clipping.
    `frozen_ratio`, `frozen_checks`: an update ratio no larger, at so many checks one after another.
    `decay_error`: how far, relative to the movement, a movement may be from what weight decay alone gives.
    `cancelled`: a bias's gradient over that of its module's weight, where it is rounding and does not vanish.
    """

    vanishing: float = VANISHING
    exploding: float = EXPLODING
    frozen_ratio: float = STILL
    frozen_checks: int = STILL_CHECKS
    decay_error: float = 1e-3
    cancelled: float = CANCELLED

    def __post_init__(self) -> None:
        """Raises ValueError for a threshold that nothing or everything would pass."""
        check_thresholds(self.vanishing, self.exploding)
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
