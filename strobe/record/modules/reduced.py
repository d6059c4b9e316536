"""The statistics of tensors where they lie, without the tensors: one small transfer for all of a device."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from etl.ingest.differences import delta_l2
from etl.ingest.statistics import Statistics, statistics
from etl.run.snapshot import numpy_dtype
from strobe.record.errors import RecorderError
from strobe.record.host import NESTED, NothingError

STATISTICS: Final = (
    "n", "l2", "mean", "std", "min", "max", "abs_max", "zeros", "nonfinite", "update_l2", "update_ratio",
)  # fmt: skip
"""What a vector of the section `stats` holds, in this order; NaN is what was not measured."""
_EPSILON: Final = 1e-12

Vector = npt.NDArray[np.float64]
Update = tuple[float, float]
"""(L2 of what one optimizer step changed, that over L2 before it + 1e-12)."""


def vectors(tensors: Mapping[str, Any]) -> dict[str, Vector | Exception]:
    """STATISTICS of each tensor, or why it has none; the two of an update are left NaN.

    On the CPU in one pass in float64, as an ingest measures a recorded tensor; elsewhere by the device. Complex
    numbers count by their magnitude, a sparse tensor with its zeros, quantised ones as what they stand for.
    """
    found: dict[str, Vector | Exception] = {}
    waiting: dict[Any, list[tuple[str, int, Any]]] = defaultdict(list)
    for name, tensor in tensors.items():
        try:
            plain, zeros = _plain(tensor)
            if plain.device.type == "cpu":
                found[name] = _vector(statistics(_array(plain)), zeros)
            else:
                waiting[plain.device].append((name, zeros, on_device(plain)))
        except Exception as error:
            found[name] = error
    for group in waiting.values():
        import torch

        rows = torch.stack([numbers for _, _, numbers in group]).tolist()
        for (name, zeros, _), row in zip(group, rows, strict=True):
            found[name] = _vector(_statistics(row), zeros)
    return found


def updates(before: Mapping[str, Any], now: Mapping[str, Any], norms: Mapping[str, float]) -> dict[str, Update]:
    """What one step changed in each tensor of `before` that is still there in its shape and on its device. `norms`
    are those of `before` that are known."""
    import torch

    found: dict[str, Update] = {}
    waiting: dict[Any, list[tuple[str, Any]]] = defaultdict(list)
    for name, old in before.items():
        new = now.get(name)
        if new is None or new.shape != old.shape or (new.device, new.dtype) != (old.device, old.dtype):
            continue
        if old.device.type == "cpu":
            change = delta_l2(_array(new.detach()), _array(old))
            norm = norms[name] if name in norms else statistics(_array(old)).l2
            found[name] = (change, change / (norm + _EPSILON))
        else:
            pair = [torch.linalg.vector_norm(x, dtype=torch.float64) for x in (new.detach() - old, old)]
            waiting[old.device].append((name, torch.stack(pair)))
    for group in waiting.values():
        for (name, _), (change, norm) in zip(group, torch.stack([n for _, n in group]).tolist(), strict=True):
            found[name] = (change, change / (norm + _EPSILON))
    return found


def copies(tensors: Mapping[str, Any], room: Mapping[str, Any]) -> dict[str, Any]:
    """Copies, where the tensors lie, of those that `updates` can compare: floating and strided. On the CPU they are
    written into `room`, earlier copies, where one fits."""
    import torch

    plain = {
        name: tensor.detach()
        for name, tensor in tensors.items()
        # Of a class of its own may be one that has no data yet, and raises at any question.
        if type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.layout == torch.strided
        and tensor.is_floating_point() and tensor.element_size() > 1 and tensor.device.type != "meta"
    }  # fmt: skip
    return {name: _copy(tensor, room.get(name)) for name, tensor in plain.items()}


def _copy(tensor: Any, room: Any) -> Any:
    import torch

    if room is not None and (room.shape, room.dtype, room.device) == (tensor.shape, tensor.dtype, tensor.device):
        return room.copy_(tensor)
    return tensor.clone(memory_format=torch.contiguous_format)


def on_device(tensor: Any) -> Any:
    """(n, l2, mean, std, min, max, zeros, nonfinite) of a real tensor as one float64 tensor on its device; but for
    the first and last over finite values."""
    import torch

    flat = tensor.reshape(-1)
    flat = flat if flat.is_floating_point() else flat.double()
    finite = torch.isfinite(flat)
    count = finite.sum(dtype=torch.float64)
    # In float64 a large mean cancels nothing that a float32 tensor has.
    values = torch.where(finite, flat, torch.zeros((), dtype=flat.dtype, device=flat.device))
    mean = values.sum(dtype=torch.float64) / count
    spread = torch.where(finite, values.double() - mean, 0.0).square().sum() / count
    ends = (torch.where(finite, flat, math.inf).min().double(), torch.where(finite, flat, -math.inf).max().double())
    l2 = torch.linalg.vector_norm(values, dtype=torch.float64)
    zeros = ((values == 0) & finite).sum(dtype=torch.float64)
    size = torch.full((), float(flat.numel()), dtype=torch.float64, device=flat.device)
    return torch.stack([size, l2, mean, spread.sqrt(), *ends, zeros, size - count])


def _statistics(row: list[float]) -> Statistics:
    size, l2, mean, std, low, high, zeros, nonfinite = row
    finite = size - nonfinite
    if not finite:
        unknown = math.nan
        return Statistics(int(size), unknown, unknown, unknown, unknown, unknown, unknown, unknown, int(nonfinite))
    return Statistics(int(size), l2, mean, std, low, high, max(abs(low), abs(high)), zeros / finite, int(nonfinite))


def _vector(of: Statistics, more_zeros: int) -> Vector:
    """`more_zeros` are those that a sparse tensor has beside the values that were measured."""
    zeros = of.zero_fraction * (of.n - of.nonfinite)
    measured = (of.n, of.l2, of.mean, of.std, of.min, of.max, of.abs_max, zeros, of.nonfinite)
    if more_zeros:
        finite, count = of.n - of.nonfinite, of.n - of.nonfinite + more_zeros
        total, square = (of.mean * finite, of.l2**2) if finite else (0.0, 0.0)
        mean = total / count
        deviation = math.sqrt(max(square / count - mean**2, 0.0))
        ends = (min(of.min, 0.0), max(of.max, 0.0)) if finite else (0.0, 0.0)
        measured = (
            of.n + more_zeros, math.sqrt(square), mean, deviation, *ends, max(map(abs, ends)),
            (zeros if finite else 0.0) + more_zeros, of.nonfinite,
        )  # fmt: skip
    return np.array([*measured, math.nan, math.nan])


def _plain(tensor: Any) -> tuple[Any, int]:
    """A strided real tensor of the values, and how many zeros there are beside them. Raises RecorderError where there
    is no data."""
    import torch

    if tensor is None:
        raise NothingError("there is none")
    if torch.nn.parameter.is_lazy(tensor):
        raise RecorderError("is not initialised yet: its module has seen no input")
    plain, zeros = tensor.detach(), 0
    plain = plain.full_tensor() if hasattr(plain, "full_tensor") else plain
    if plain.device.type == "meta":
        raise RecorderError("is on the device meta, so it has no data")
    if plain.is_nested:
        raise RecorderError(NESTED)
    if plain.is_sparse:
        size = plain.numel()
        plain = plain.coalesce().values()
        zeros = size - plain.numel()
    elif plain.layout != torch.strided:
        plain = plain.to_dense()
    if plain.is_quantized:
        plain = plain.dequantize()
    if plain.is_complex():
        plain = plain.abs()
    if plain.is_floating_point() and plain.element_size() == 1:
        plain = plain.float()
    if not plain.numel() + zeros:
        raise RecorderError(f"has no elements: its shape is {list(tensor.shape)}")
    return plain, zeros


def _array(tensor: Any) -> npt.NDArray[Any]:
    """The memory of a tensor of the CPU as an array."""
    import torch

    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        bits: npt.NDArray[Any] = tensor.view(torch.int16).numpy()
        return bits.view(numpy_dtype("bfloat16"))
    array: npt.NDArray[Any] = tensor.to(torch.uint8).numpy() if tensor.dtype == torch.bool else tensor.numpy()
    return array
