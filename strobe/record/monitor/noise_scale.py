"""The simple gradient noise scale, from micro-batches that accumulate into one gradient.

B_simple = tr(S) / |G|^2: how many examples a batch needs before its noise is as small as the gradient itself.
Source: McCandlish, Kaplan, Amodei and the OpenAI Dota Team, "An Empirical Model of Large-Batch Training" (2018),
appendix A.1: unbiased estimates of |G|^2 and tr(S) from gradient norms at two batch sizes, each averaged over steps
before their ratio is taken.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from strobe.record.monitor.parameters import named_parameters


class NoiseEstimate(NamedTuple):
    """`squared_gradient` estimates |G|^2, `trace` the trace of the covariance of one example's gradient. Either may
    come out negative in one step: they are unbiased, not bounded."""

    squared_gradient: float
    trace: float


def simple_noise_scale(small_squared: float, big_squared: float, small: float, big: float) -> NoiseEstimate:
    """From E|G|^2 at batches of `small` and of `big` examples. Raises ValueError unless 0 < small < big."""
    if not 0 < small < big:
        raise ValueError(f"batch sizes {small:g} and {big:g}: the first must be above 0 and below the second")
    return NoiseEstimate(
        (big * big_squared - small * small_squared) / (big - small),
        (small_squared - big_squared) / (1 / small - 1 / big),
    )


class GradientNoiseScale:
    """Listens to each micro-batch's gradient before it is accumulated; no gradient is copied.

    >>> noise = GradientNoiseScale(model, micro_batch_size=8)
    >>> for batch in micro_batches:
    ...     (loss(batch) / len(micro_batches)).backward()
    >>> noise.update()                        # before optimizer.step()
    >>> recorder.log(step, gradient_noise_scale=noise.value)

    `divided`: each micro-batch's loss is divided by their number, as above; else gradients are summed. `decay` is how
    much of the running averages each step keeps.
    """

    def __init__(self, model: Any, micro_batch_size: int = 1, *, decay: float = 0.95, divided: bool = True) -> None:
        self._parameters = [p for _, p in named_parameters(model) if p.requires_grad]
        self._size, self._decay, self._divided = micro_batch_size, decay, divided
        self._squares: list[Tensor] = []
        self._backwards: dict[int, int] = {}
        self._weight, self._squared_gradient, self._trace = 0.0, 0.0, 0.0
        self._handles = [p.register_hook(self._heard(i)) for i, p in enumerate(self._parameters)]

    def _heard(self, place: int) -> Any:
        def hear(gradient: Tensor) -> None:
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            self._squares.append(torch.linalg.vector_norm(values).float() ** 2)
            self._backwards[place] = self._backwards.get(place, 0) + 1

        return hear

    def update(self) -> NoiseEstimate | None:
        """Take in one accumulated step: this step's own estimate, or None where there were not two micro-batches (one
        cannot be told from its noise) or a norm is not finite."""
        count = max(self._backwards.values(), default=0)
        squares = float(torch.stack([s.cpu() for s in self._squares]).sum()) if self._squares else 0.0
        self._squares, self._backwards = [], {}
        if count < 2:
            return None
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        whole = sum(
            float(torch.linalg.vector_norm(g.coalesce().values() if g.is_sparse else g)) ** 2 for g in gradients
        )
        # As means over their own batches, whatever the loss was divided by.
        small = squares / count * (count**2 if self._divided else 1)
        big = whole / (1 if self._divided else count**2)
        estimate = simple_noise_scale(small, big, self._size, self._size * count)
        if not all(map(_is_finite, estimate)):
            return None
        self._weight = self._decay * self._weight + 1
        self._squared_gradient = self._decay * self._squared_gradient + estimate.squared_gradient
        self._trace = self._decay * self._trace + estimate.trace
        return estimate

    @property
    def value(self) -> float:
        """B_simple in examples, of the running averages; NaN before the first step, and while the average of |G|^2 is
        not above 0: the gradient cannot be told from its noise then."""
        above = self._weight > 0 and self._squared_gradient > 0
        return self._trace / self._squared_gradient if above else float("nan")

    def close(self) -> None:
        """Listen no more."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")
