"""The weight monitor: two calls round an optimizer step, and what is wrong by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from strobe.record.monitor.aggregates import gradient_aggregates, update_aggregates
from strobe.record.monitor.findings import TROUBLE, Finding, Kind, Thresholds, worst
from strobe.record.monitor.gradients import GradientStats, cancelled, gradient_finding, gradient_stats
from strobe.record.monitor.parameters import Setting, named_parameters, settings
from strobe.record.monitor.sample import Sample
from strobe.record.monitor.updates import (
    Floats,
    UpdateStats,
    is_decay_alone,
    update_finding,
    update_ratio,
    why_still,
)

log = logging.getLogger("strobe.monitor")

SAMPLE_SIZE = 1024
_NAMED = 5
"""Tensors that one warning names."""


class WeightMonitor:
    """Says which tensors do not learn, or learn too wildly.

    >>> monitor = WeightMonitor()
    >>> loss.backward()
    >>> monitor.check_gradients(model, optimizer, step=step)
    >>> optimizer.step()
    >>> monitor.check_updates(model, optimizer, step=step)
    >>> recorder.log(step, **monitor.aggregate_gradient_stats(), **monitor.aggregate_update_stats())

    Both calls belong to one step, so that an update ratio is that of the one update between them. `check_gradients`
    reads min(sample_size, n) weights of each tensor, `check_updates` the same ones again. The two cost a few small
    kernels a tensor and one transfer a device each: call them every so many steps. `model` is a module, or (name,
    parameter) pairs.

    What is trouble (`findings.TROUBLE`) goes to the log `strobe.monitor`, once until it is gone, worst first.
    """

    def __init__(
        self, *, thresholds: Thresholds | None = None, sample_size: int = SAMPLE_SIZE, warn: bool = True
    ) -> None:
        """Raises ValueError for a sample of no weights."""
        if sample_size < 1:
            raise ValueError(f"sample_size {sample_size} is not at least 1")
        self.thresholds = thresholds or Thresholds()
        self.gradients: list[GradientStats] = []
        self.updates: list[UpdateStats] = []
        self._sample, self._warn = Sample(sample_size), warn
        self._before: dict[str, Floats] = {}
        self._settings: dict[int, Setting] = {}
        self._still: dict[str, int] = {}
        self._warned: set[tuple[str, str]] = set()
        self._gradient_findings: list[Finding] = []
        self._cancelled: set[str] = set()
        self._update_findings: list[Finding] = []

    @property
    def findings(self) -> list[Finding]:
        """What the last two calls found, every tensor and every kind."""
        return self._gradient_findings + self._update_findings

    def check_gradients(
        self, model: Any, optimizer: Any = None, *, step: int | None = None, clip_scale: float = 1.0
    ) -> list[Finding]:
        """Look at every gradient, after the backward pass (and unscaling and clipping) and before the update.

        `clip_scale` is the factor that clipping applied: trouble is judged by the norm before it.
        """
        parameters = list(named_parameters(model))
        self.gradients = gradient_stats(parameters, clip_scale)
        self._before = self._sample.read(parameters)
        self._settings = settings(optimizer)
        self._cancelled = cancelled(self.gradients, self.thresholds)
        each = (gradient_finding(s, self.thresholds, step) for s in self.gradients if s.tensor not in self._cancelled)
        self._gradient_findings = [finding for finding in each if finding is not None]
        self.updates, self._update_findings = [], []
        self._say(self._gradient_findings, [stats.tensor for stats in self.gradients], _OF_GRADIENTS)
        return self._gradient_findings

    def check_updates(self, model: Any, optimizer: Any = None, *, step: int | None = None) -> list[Finding]:
        """Look at what the update just made did, after `check_gradients` of the same step. Without that call, or for
        a tensor that was not there then, there is nothing to compare with and nothing is said."""
        parameters = [
            (name, p) for name, p in named_parameters(model) if name in self._before
        ]  # fmt: skip
        after, now = self._sample.read(parameters), settings(optimizer)
        gradient_kinds = {finding.tensor: finding.kind for finding in self._gradient_findings}
        self.updates, self._update_findings = [], []
        for name, parameter in parameters:
            if name not in after or self._before[name].shape != after[name].shape:
                continue
            options = [s for s in (self._settings.get(id(parameter)), now.get(id(parameter))) if s is not None]
            stats = self._moved(name, after[name], parameter.dtype, options)
            kind = gradient_kinds.get(name)
            why = why_still(kind, options[-1] if options else None, parameter.dtype, bool(now or self._settings))
            finding = update_finding(stats, self.thresholds, step, why)
            self.updates.append(stats)
            if finding is not None and not self._is_expected(finding, kind):
                self._update_findings.append(finding)
        self._before = {}
        self._say(self._update_findings, [stats.tensor for stats in self.updates], _OF_UPDATES)
        return self._update_findings

    def _is_expected(self, finding: Finding, gradient: Kind | None) -> bool:
        """Whether nobody would want the tensor to move, and it did not, but for weight decay."""
        taken_out = finding.tensor in self._cancelled and finding.kind is not Kind.NONFINITE_WEIGHT
        return gradient is Kind.NOT_TRAINED or taken_out

    def _moved(self, name: str, after: Floats, dtype: Any, options: list[Setting]) -> UpdateStats:
        before, limits = self._before[name], self.thresholds
        ratio = update_ratio(before, after)
        self._still[name] = self._still.get(name, 0) + 1 if ratio <= limits.frozen_ratio else 0
        alone = ratio > limits.frozen_ratio and is_decay_alone(before, after, dtype, options, limits.decay_error)
        return UpdateStats(name, ratio, self._still[name], alone)

    def _say(self, findings: list[Finding], looked_at: list[str], kinds: tuple[Kind, ...]) -> None:
        """Warn of what is trouble and was none at the last check; what is gone may be warned of again."""
        trouble = [finding for finding in findings if finding.kind in TROUBLE]
        fresh = [finding for finding in trouble if (finding.tensor, finding.kind) not in self._warned]
        names = set(looked_at)
        self._warned = {(name, kind) for name, kind in self._warned if kind not in kinds or name not in names}
        self._warned |= {(finding.tensor, finding.kind.value) for finding in trouble}
        if not fresh or not self._warn:
            return
        named = worst(fresh, _NAMED)
        more = f"; and {len(fresh) - len(named):,} more" if len(fresh) > len(named) else ""
        log.warning("%s%s", "; ".join(map(str, named)), more)

    def aggregate_gradient_stats(self) -> dict[str, float]:
        """Series of the last `check_gradients`, by name; NaN where there was nothing to take one of."""
        return gradient_aggregates(self.gradients, self._gradient_findings)

    def aggregate_update_stats(self) -> dict[str, float]:
        """Series of the last `check_updates`, by name; NaN where there was nothing to take one of."""
        return update_aggregates(self.updates, self._update_findings)

    def top_k_largest_gradients(self, k: int = _NAMED) -> list[tuple[str, float]]:
        """(tensor, L2) of the largest, those that are not finite first."""
        there = [(s.tensor, s.l2 if s.finite else float("inf")) for s in self.gradients if s.l2 is not None]
        return sorted(there, key=lambda pair: -pair[1])[:k]

    def top_k_smallest_updates(self, k: int = _NAMED) -> list[tuple[str, float]]:
        """(tensor, update ratio) of the smallest."""
        return sorted(((s.tensor, s.ratio) for s in self.updates if s.ratio == s.ratio), key=lambda pair: pair[1])[:k]

    def state_dict(self) -> dict[str, Any]:
        """What must outlive the process: how long each tensor has been still, and what was warned of."""
        return {"still": dict(self._still), "warned": sorted(self._warned)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self._still = {str(name): int(checks) for name, checks in state["still"].items()}
        self._warned = {(str(name), str(kind)) for name, kind in state["warned"]}


_OF_GRADIENTS = (Kind.NONFINITE_GRADIENT, Kind.EXPLODING, Kind.VANISHING)
_OF_UPDATES = (Kind.NONFINITE_WEIGHT, Kind.FROZEN, Kind.DECAY_ALONE)
