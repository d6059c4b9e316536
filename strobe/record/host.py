"""Copies of tensors in host memory, of any kind that PyTorch or numpy has, in a dtype of the format.

What can be stored as it is, is stored bit for bit. Of the rest each has its answer: sparse tensors are made dense up
to a limit, complex ones become pairs, quantised ones and 8-bit floats the float32 numbers that they stand for, small
integers wider ones. What has no data is refused by its reason.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from etl.run.layout import DTYPES
from etl.run.snapshot import numpy_dtype
from strobe.record.errors import RecorderError

Array = npt.NDArray[Any]

MOST_DENSE: Final = 1 << 28
"""Bytes that a sparse tensor may take when it is made dense."""
NESTED: Final = "is nested: its parts are of several shapes"
"""Why such a tensor is not recorded."""
PAIR: Final = "part"
"""The last axis of a complex tensor: its real and its imaginary part."""
_WIDER: Final = {"bool": "uint8", "int16": "int32", "uint16": "int32", "uint32": "int64"}
_MOST_AXES: Final = 8
_NATIVE: Final = frozenset(numpy_dtype(name) for name in DTYPES if name != "bfloat16")


class NothingError(RecorderError):
    """There is no tensor, where one may come to be."""


class NotDueError(RecorderError):
    """There is no tensor and should be none: a manifest says why, and nothing is counted as lost."""


def host_array(tensor: Callable[[], Any] | Any) -> Array:
    """A C-contiguous copy of `tensor` in host memory; shape () becomes (1,), a complex one gets the axis PAIR.

    Raises RecorderError for what has no data, or none that can be stored, and whatever a callable raises.
    """
    value = tensor() if callable(tensor) and not hasattr(tensor, "detach") else tensor
    if value is None:
        raise NothingError("there is none")
    array = _from_torch(value) if hasattr(value, "detach") else _from_numpy(value)
    array = _storable(array.reshape(1) if array.ndim == 0 else array)
    if not array.size:
        raise RecorderError(f"has no elements: its shape is {list(array.shape)}")
    if array.ndim > _MOST_AXES:
        raise RecorderError(f"has {array.ndim} axes, and {_MOST_AXES} at most are recorded")
    return array


def _from_numpy(value: Any) -> Array:
    try:
        array = np.array(value, order="C")
    except ValueError as error:
        raise RecorderError(f"is a {type(value).__name__} and no array ({error})") from None
    if array.dtype.kind in "OSUMmV" and not _is_small_float(array):
        raise RecorderError(f"is {array.dtype} and no array of numbers")
    return array


def _is_small_float(array: Array) -> bool:
    return array.dtype.name.startswith(("float8", "float6", "float4", "bfloat16"))


def _storable(array: Array) -> Array:
    """The same numbers in a dtype of the format."""
    # A dtype's name takes longer to make than a small tensor to copy.
    if array.dtype in _NATIVE:
        return array
    if array.dtype.kind == "c":
        real = np.float32 if array.dtype.itemsize <= 8 else np.float64
        array = np.ascontiguousarray(array).view(real).reshape(*array.shape, 2)
    if array.dtype.name in DTYPES:
        return array
    if _is_small_float(array):
        return array.astype(np.float32)
    if array.dtype.name in _WIDER:
        return array.astype(_WIDER[array.dtype.name])
    raise RecorderError(f"{array.dtype} cannot be recorded; use {', '.join(DTYPES)}")


def _from_torch(tensor: Any) -> Array:
    import torch

    tensor = _strided(tensor)
    # On a device `cpu()` is the copy; on the CPU it would hand out the live memory.
    tensor = tensor.cpu().contiguous() if tensor.device.type != "cpu" else tensor.clone().contiguous()
    if tensor.dtype == torch.bfloat16:
        bits: Array = tensor.view(torch.int16).numpy()
        return bits.view(numpy_dtype("bfloat16"))
    array: Array = tensor.numpy()
    return array


def _strided(tensor: Any) -> Any:
    """A detached tensor of a plain layout and dtype. Raises RecorderError where it has no data."""
    import torch

    if type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.device.type != "meta":
        plain = tensor.detach()
    elif torch.nn.parameter.is_lazy(tensor):
        raise RecorderError("is not initialised yet: its module has seen no input")
    else:
        plain = tensor.detach()
        plain = plain.full_tensor() if hasattr(plain, "full_tensor") else plain
    if plain.device.type == "meta":
        raise RecorderError("is on the device meta, so it has no data")
    if plain.is_nested:
        raise RecorderError(NESTED)
    return plain if plain.layout == torch.strided and plain.dtype in _torch_dtypes() else _plain(plain)


@functools.cache
def _torch_dtypes() -> frozenset[Any]:
    """Those that are copied bit for bit."""
    import torch

    return frozenset(getattr(torch, name) for name in DTYPES)


def _plain(tensor: Any) -> Any:
    """What a tensor of another layout or dtype stands for, strided, in a dtype that numpy has."""
    import torch

    if tensor.layout != torch.strided:
        if (size := tensor.numel() * tensor.element_size()) > MOST_DENSE:
            raise RecorderError(f"is sparse, and dense it would take {size:,} bytes, more than {MOST_DENSE:,}")
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        return tensor.dequantize()
    if tensor.is_complex():
        return torch.view_as_real(tensor.resolve_conj())
    if tensor.is_floating_point() and tensor.element_size() == 1:
        return tensor.float()
    return tensor
