"""A fixed sample of each tensor's weights: the same elements at every check, in every process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_SEED = 1234
_OFFSET, _PRIME = 0x811C9DC5, 0x01000193
_LARGEST_INT32 = 2**31 - 1


def fnv1a32(data: bytes) -> int:
    """The 32-bit FNV-1a hash (offset basis 0x811c9dc5, prime 0x01000193)."""
    value = _OFFSET
    for byte in data:
        value = (value ^ byte) * _PRIME & 0xFFFFFFFF
    return value


def sample_places(name: str, n: int, size: int) -> npt.NDArray[np.int64]:
    """Ascending places (min(size, n),) among n elements in C order, drawn without replacement by numpy's generator
    seeded with 1234 + FNV-1a-32(name) + n."""
    if n <= size:
        return np.arange(n)
    random = np.random.default_rng(_SEED + fnv1a32(name.encode()) + n)
    return np.sort(random.choice(n, size, replace=False, shuffle=False))


class Sample:
    """Reads the same elements of each tensor again and again; keeps nothing but where they are."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._places: dict[tuple[str, int, torch.device], Tensor] = {}

    def read(self, parameters: Iterable[tuple[str, Any]]) -> dict[str, npt.NDArray[np.float64]]:
        """The sampled values (min(size, n),) of each, as float64; of complex ones twice as many, real and imaginary
        parts. One transfer a device. Tensors of a layout without places, such as sparse ones, are left out."""
        by_device: dict[torch.device, list[tuple[str, Tensor]]] = {}
        for name, parameter in parameters:
            tensor = local(parameter)
            if tensor.layout == torch.strided:
                values = self._take(name, tensor)
                by_device.setdefault(values.device, []).append((name, values))
        found: dict[str, npt.NDArray[np.float64]] = {}
        for values_here in by_device.values():
            wide = any(values.dtype == torch.float64 for _, values in values_here)
            kind = torch.float64 if wide else torch.float32
            flat = torch.cat([values.to(kind) for _, values in values_here]).cpu().numpy().astype(np.float64)
            ends = np.cumsum([values.numel() for _, values in values_here])
            found |= {name: part for (name, _), part in zip(values_here, np.split(flat, ends[:-1]), strict=True)}
        return found

    def _take(self, name: str, tensor: Tensor) -> Tensor:
        key = (name, tensor.numel(), tensor.device)
        if key not in self._places:
            drawn = torch.from_numpy(sample_places(name, tensor.numel(), self._size))
            narrow = drawn.to(torch.int32) if tensor.numel() <= _LARGEST_INT32 else drawn
            self._places[key] = narrow.to(tensor.device)
        # `take` reads a transposed or sliced tensor where it lies; `flatten` would copy it whole.
        places = self._places[key].long()
        if tensor.is_floating_point() and tensor.element_size() == 1:
            # Nothing is taken of 8-bit floats but their bits.
            return torch.take(tensor.view(torch.uint8), places).view(tensor.dtype).float()
        values = torch.take(tensor, places)
        return torch.view_as_real(values).flatten() if values.is_complex() else values


def local(parameter: Any) -> Tensor:
    """The parameter's data, of a sharded one the part on this rank, without its graph."""
    data: Tensor = parameter.detach()
    return data.to_local() if hasattr(data, "to_local") else data
