"""What a Recorder is told to record, and how each tensor becomes a host array of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.errors import StrobeError
from etl.run.journal import parsed_number
from etl.run.snapshot import DTYPES, numpy_dtype

Array = npt.NDArray[Any]

SCALARS = (
    "train_loss",
    "val_loss",
    "train_accuracy",
    "val_accuracy",
    "learning_rate",
    "grad_norm",
    "grad_clip_scale",
    "tokens_seen",
    "step_time_ms",
    "tokens_per_second",
    "mfu",
    "memory_allocated_bytes",
    "memory_peak_bytes",
    "recorder_ms",
)
"""The scalars every snapshot holds, one float64 each; NaN means unknown."""


class RecorderError(StrobeError):
    """A recorder that cannot begin; once it has begun it raises nothing."""


_OPTIONS = ("layer", "group", "taken", "scale", "role", "original")
"""What a spec may say and its manifest entry then has."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor to record at every snapshot.

    `tensor` is a torch tensor, a numpy array, or a callable that returns one; a zero-dimensional one is recorded as
    shape [1]. `shape` and `dtype` (a name of the snapshot format) are only needed where a callable cannot be called
    yet when the recorder begins. `role` says what the tensor is, `original` how the model itself names it where that
    differs. The rest is as in the manifest.
    """

    name: str
    section: str
    dims: Sequence[str]
    tensor: Any
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    layer: int | None = None
    group: str | None = None
    taken: str | None = "before_update"
    scale: str | None = None
    role: str | None = None
    original: str | None = None

    @property
    def full_name(self) -> str:
        """`section/tensor`, whether or not `name` has the section already."""
        return self.name if self.name.startswith(f"{self.section}/") else f"{self.section}/{self.name}"

    def entry(self) -> dict[str, Any]:
        """This tensor's manifest entry, still without its offset. Raises RecorderError when it cannot be stored."""
        shape, dtype = self.shape, self.dtype
        if shape is None or dtype is None:
            array = host_array(self.tensor)
            shape, dtype = array.shape, array.dtype.name
        if dtype not in DTYPES:
            raise RecorderError(f"tensor {self.full_name}: {dtype} cannot be recorded; use {', '.join(DTYPES)}")
        if len(self.dims) != len(shape):
            raise RecorderError(
                f"tensor {self.full_name}: dims {list(self.dims)} do not name the axes of shape {list(shape)}"
            )
        entry = {
            "name": self.full_name,
            "section": self.section,
            "dims": list(self.dims),
            "shape": list(shape),
            "dtype": dtype,
        }
        options = {name: getattr(self, name) for name in _OPTIONS}
        return entry | {key: value for key, value in options.items() if value is not None}


def _from_torch(tensor: Any) -> Array:
    tensor = tensor.detach()
    # On a device `cpu()` is the copy; on the CPU it would hand out the live memory.
    tensor = tensor.cpu().contiguous() if tensor.device.type != "cpu" else tensor.clone().contiguous()
    if str(tensor.dtype) == "torch.bfloat16":
        import torch

        bits: Array = tensor.view(torch.int16).numpy()
        return bits.view(numpy_dtype("bfloat16"))
    array: Array = tensor.numpy()
    return array


def host_array(tensor: Callable[[], Any] | Any) -> Array:
    """A C-contiguous copy of `tensor` in host memory, bit for bit; shape () becomes (1,)."""
    value = tensor() if callable(tensor) else tensor
    array = _from_torch(value) if hasattr(value, "detach") else np.array(value, order="C")
    return array.reshape(1) if array.ndim == 0 else array


def scalar_entries(names: Iterable[str]) -> list[dict[str, Any]]:
    """Manifest entries of the section `scalars`."""
    return [TensorSpec(name, "scalars", ("one",), None, shape=(1,), dtype="float64").entry() for name in names]


def scalar_arrays(names: Iterable[str], values: Mapping[str, Any]) -> dict[str, Array]:
    """One float64 array of shape (1,) a scalar; NaN where `values` has none."""
    return {f"scalars/{name}": np.array([plain_number(values[name]) if name in values else np.nan]) for name in names}


def plain_number(value: Any) -> float:
    """A Python float of a number, a numpy scalar or a one-element tensor."""
    return float(value.item() if hasattr(value, "item") else value)


_TAKEN = ("step", "time", "attempt")


def metric_name(name: object) -> str:
    """The name of a metric, as a line has it. Raises RecorderError for one that is a line's own, or cannot be
    written."""
    if not isinstance(name, str) or name in _TAKEN:
        raise RecorderError(
            f"no metric can be called so: {', '.join(_TAKEN)} are each line's own, and names are text"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise RecorderError("its name holds half of a surrogate pair") from None
    return name


def metric_value(value: Any) -> float | int | str:
    """A metric's value, as a line has it. Raises RecorderError for what is no number."""
    if isinstance(value, int | float | str) and parsed_number(value) is not None:
        return value
    try:
        return plain_number(value)
    except Exception:
        raise RecorderError(f"it is a {type(value).__name__} and no number") from None
