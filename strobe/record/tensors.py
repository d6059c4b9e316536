"""What a Recorder is told to record, and how each tensor becomes a host array of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.errors import StrobeError
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


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor to record at every snapshot.

    `source` is a torch tensor, a numpy array, or a callable that returns one; a zero-dimensional one is recorded as
    shape [1]. `shape` and `dtype` (a name of the snapshot format) are only needed where the source cannot be read
    yet when the recorder begins. The rest is as in the manifest.
    """

    name: str
    section: str
    dims: Sequence[str]
    source: Any
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    layer: int | None = None
    group: str | None = None
    taken: str | None = "before_update"
    scale: str | None = None

    @property
    def full_name(self) -> str:
        """`section/tensor`, whether or not `name` has the section already."""
        return self.name if self.name.startswith(f"{self.section}/") else f"{self.section}/{self.name}"

    def entry(self) -> dict[str, Any]:
        """This tensor's manifest entry, still without its offset. Raises RecorderError when it cannot be stored."""
        shape, dtype = self.shape, self.dtype
        if shape is None or dtype is None:
            array = host_array(self.source)
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
        options = {"layer": self.layer, "group": self.group, "taken": self.taken, "scale": self.scale}
        return entry | {key: value for key, value in options.items() if value is not None}


Given = TensorSpec | tuple[str, str, Sequence[str], Any]


def as_specs(tensors: Iterable[Given]) -> list[TensorSpec]:
    """TensorSpecs as they are; (name, section, dims, tensor) tuples made into them."""
    return [given if isinstance(given, TensorSpec) else TensorSpec(*given) for given in tensors]


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


def host_array(source: Callable[[], Any] | Any) -> Array:
    """A C-contiguous copy of `source` in host memory, bit for bit; shape () becomes (1,)."""
    value = source() if callable(source) else source
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


def run_id(name: str) -> str:
    """`name` made to fit what a run may be called: ^[a-z][a-z0-9._-]{0,63}$."""
    fitted = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "run"
    return (fitted if fitted[0].isalpha() else f"r-{fitted}")[:64]
