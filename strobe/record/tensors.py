"""What a Recorder is told to record, and how each tensor becomes a host array of its own."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from etl.errors import StrobeError
from etl.run.journal import MAX_STEP, parsed_number
from etl.run.layout import DTYPES
from etl.run.wrapping import unwrapped
from strobe.record.errors import RecorderError
from strobe.record.host import PAIR, Array, NothingError, host_array

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


_OPTIONS = ("layer", "group", "taken", "scale", "role", "original", "causal", "trainable")
"""What a spec may say and its manifest entry then has."""

COUNTED = "counted"
"""`taken` of a tensor of which nothing is said: the optimizer's updates and backward passes tell, where they are
counted."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor to record at every snapshot.

    `tensor` is a torch tensor, a numpy array, or a callable that returns one, or None where there is none now; a
    zero-dimensional one is recorded as shape [1], a complex one with a last axis "part" of two. `shape` and `dtype`
    (a name of the snapshot format) may be given where a callable cannot be called yet when the recorder begins; else
    the tensor is missing until it can. `role` says what the tensor is, `original` how the model itself names it where
    that differs, `causal` whether attention looks only back, `trainable` whether a parameter is to be trained.
    `taken` is when it is recorded: "before_update", "after_update", None where nobody knows; by default what the
    recorder's `optimizer` shows, or the one that it hears. The rest is as in the manifest.
    """

    name: str
    section: str
    dims: Sequence[str]
    tensor: Any
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    layer: int | None = None
    group: str | None = None
    taken: str | None = COUNTED
    scale: str | None = None
    role: str | None = None
    original: str | None = None
    causal: bool | None = None
    trainable: bool | None = None

    @property
    def full_name(self) -> str:
        """`section/tensor`, whether or not `name` has the section already; without what compiling or wrapping a model
        puts before its names, and with its slashes as %2F."""
        return f"{self.section}/{_shown(self._own_name)}"

    @property
    def _own_name(self) -> str:
        return self.name.removeprefix(f"{self.section}/")

    def read(self) -> Array:
        """The tensor as it is now, in host memory. Raises RecorderError where there is none, or none to store."""
        try:
            return host_array(self.tensor)
        except NothingError:
            raise RecorderError("had no gradient" if self.section == "grads" else "there was none") from None

    def entry(self) -> dict[str, Any]:
        """This tensor's manifest entry, still without its offset; with `missing` where it has no data yet. Raises
        RecorderError where its axes are not named."""
        shape, dtype, missing = self.shape, self.dtype, None
        if shape is None or dtype is None:
            try:
                array = self.read()
                shape, dtype = array.shape, array.dtype.name
            except Exception as error:
                missing = reason(error)
                shape, dtype = (1,) * max(1, len(self.dims)), "float32"
        if dtype not in DTYPES:
            raise RecorderError(f"tensor {self.full_name}: {dtype} cannot be recorded; use {', '.join(DTYPES)}")
        entry = {
            "name": self.full_name,
            "section": self.section,
            "dims": self.axes(shape),
            "shape": list(shape),
            "dtype": dtype,
        }
        options = {name: getattr(self, name) for name in _OPTIONS} | {"missing": missing}
        if options["taken"] == COUNTED:
            options["taken"] = None
        if options["original"] is None and _shown(self._own_name) != self._own_name:
            options["original"] = self._own_name
        return entry | {key: value for key, value in options.items() if value is not None}

    def axes(self, shape: Sequence[int]) -> list[str]:
        """The names of the axes of `shape`. Raises RecorderError where there are more or fewer than `dims`."""
        dims = list(self.dims) or ["one"]
        if len(dims) + 1 == len(shape) and shape[-1] == 2 and _is_complex(self.tensor):
            return [*dims, PAIR]
        if len(dims) != len(shape):
            raise RecorderError(
                f"tensor {self.full_name}: dims {list(self.dims)} do not name the axes of shape {list(shape)}"
            )
        return dims


def _is_complex(tensor: Any) -> bool:
    value = tensor() if callable(tensor) and not hasattr(tensor, "detach") else tensor
    return bool(value.is_complex()) if hasattr(value, "is_complex") else np.asarray(value).dtype.kind == "c"


def _shown(name: str) -> str:
    return unwrapped(name).replace("/", "%2F")


_MAX_REASON = 200


def reason(error: BaseException) -> str:
    """Why a tensor has no data, as a manifest can hold it: one line of printable text."""
    words = str(error) if isinstance(error, StrobeError) else f"{type(error).__name__}: {error}"
    plain = "".join(character if character.isprintable() else " " for character in words)
    return " ".join(plain.split())[:_MAX_REASON] or type(error).__name__


def with_taken(specs: Iterable[TensorSpec], taken: str | None) -> list[TensorSpec]:
    """The specs, those that leave it open with this `taken`."""
    return [replace(spec, taken=taken) if spec.taken == COUNTED else spec for spec in specs]


def scalar_entries(names: Iterable[str], taken: str | None) -> list[dict[str, Any]]:
    """Manifest entries of the section `scalars`."""
    specs = [TensorSpec(name, "scalars", ("one",), None, shape=(1,), dtype="float64") for name in names]
    return [spec.entry() for spec in with_taken(specs, taken)]


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
        if not name.isascii():
            name.encode()
    except UnicodeEncodeError:
        raise RecorderError("its name holds half of a surrogate pair") from None
    return name


def metric_value(value: Any) -> float | int | str:
    """A metric's value, as a line has it. Raises RecorderError for what is no number."""
    if type(value) is float:
        return value
    if isinstance(value, int | float | str) and parsed_number(value) is not None:
        return value
    try:
        return plain_number(value)
    except Exception:
        raise RecorderError(f"it is a {type(value).__name__} and no number") from None


def whole_step(step: object) -> int:
    """A step as a number that readers take. Raises RecorderError."""
    try:
        number = operator.index(step)  # type: ignore[arg-type]
    except Exception:
        number = None
    if number is None or isinstance(step, bool):
        raise RecorderError("a step is not a whole number")
    if not 0 <= number <= MAX_STEP:
        raise RecorderError("a step is not from 0 to 2^53")
    return number
