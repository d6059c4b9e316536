"""What an optimizer keeps of each parameter: the norms of Adam's moments, reduced where they lie, and its rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from strobe.record.learning_rate import learning_rate

MOMENTS: Final = {"m_l2": "exp_avg", "v_l2": "exp_avg_sq"}
"""The name that a norm is recorded under -> what torch's optimizers call the moment."""
RATE: Final = "lr"
"""The name that the learning rate of a parameter's group is recorded under."""


def norms(parameters: Mapping[str, Any], optimizer: Any) -> dict[str, float | Exception]:
    """L2 of both moments of each parameter that has them, or why it could not be taken, by "m_l2.NAME" and
    "v_l2.NAME": one transfer a device.

    In float64: the square of a tiny second moment underflows in float32. Before the first update both are 0.
    """
    import torch

    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    found: dict[str, float | Exception] = {}
    waiting: dict[Any, list[tuple[str, Any]]] = defaultdict(list)
    adam = not optimizer.state or any("exp_avg" in state for state in optimizer.state.values())
    for name, parameter in parameters.items():
        state = optimizer.state.get(parameter, {})
        for short, key in MOMENTS.items():
            if key in state:
                try:
                    norm = _norm(state[key].detach())
                    waiting[norm.device].append((f"{short}.{name}", norm))
                except Exception as error:
                    found[f"{short}.{name}"] = error
            elif not state and id(parameter) in held and adam and key in _moments_of(optimizer):
                found[f"{short}.{name}"] = 0.0
    for pairs in waiting.values():
        numbers = torch.stack([norm for _, norm in pairs]).tolist()
        found |= {name: number for (name, _), number in zip(pairs, numbers, strict=True)}
    return found


def _norm(moment: Any) -> Any:
    import torch

    # The moments of complex parameters count by their magnitudes.
    real = torch.view_as_real(moment.resolve_conj()) if moment.is_complex() else moment
    norm = torch.linalg.vector_norm(real.reshape(-1), dtype=torch.float64)
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm


def rates(parameters: Mapping[str, Any], optimizer: Any) -> dict[str, float]:
    """The learning rate of the group of each parameter that has one, by "lr.NAME"."""
    own = {id(p): learning_rate(group) for group in optimizer.param_groups for p in group["params"]}
    known = {name: own.get(id(parameter)) for name, parameter in parameters.items()}
    return {f"{RATE}.{name}": rate for name, rate in known.items() if rate is not None}


def _moments_of(optimizer: Any) -> tuple[str, ...]:
    """The moments that an optimizer keeps, as far as its hyperparameters tell before its first update."""
    return tuple(MOMENTS.values()) if "betas" in optimizer.defaults else ()
