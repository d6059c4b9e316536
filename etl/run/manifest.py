"""The schema of manifest.json, which says what every snapshot of a run holds.

A manifest is hostile input until it is read: every number is checked here, before anything is allocated or mapped,
and each refusal names the file, the tensor and the field.
"""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, PrivateAttr, ValidationError

from etl.errors import StrobeError
from etl.local_files import NotAFileError, open_regular
from etl.run import strict_json
from etl.run.file_names import MANIFEST
from etl.run.layout import ALIGNMENT, DTYPES, HEADER_BYTES, aligned, itemsize
from etl.run.parsed import ParsedLately
from etl.run.roles import Role
from etl.run.snapshot import fnv1a64

MAX_NAME = 16_384
RUN_ID = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
MAX_LAYERS = 2**15 - 1
"""What the tables' SMALLINT column holds."""
_MAX = 2**63 - 1


class ManifestError(StrobeError):
    """A manifest that cannot be trusted; the message is one line that names the file and the field."""


def _printable(text: str) -> str:
    for character in text:
        if character in _BIDI or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(f"holds the control character U+{ord(character):04X}")
    return text


def _tensor_name(name: str) -> str:
    section, slash, tensor = name.partition("/")
    if not slash or not section or not tensor:
        raise ValueError("must be section/tensor")
    if "\\" in name or "/" in tensor or {section, tensor} & {".", ".."}:
        raise ValueError("must be section/tensor and no path")
    return name


def _run_id(text: str) -> str:
    if RUN_ID.fullmatch(text) is None:
        raise ValueError("must match [a-z][a-z0-9._-]{0,63}")
    return text


def _moment(value: float | str) -> float | str:
    if isinstance(value, str):
        datetime.fromisoformat(value)
    return value


Text = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_printable)]
Size = Annotated[int, Field(ge=1, le=_MAX)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class RunInfo(_Part):
    """`run`: who recorded this, and when (Unix seconds, or an ISO 8601 string)."""

    id: Annotated[Text, AfterValidator(_run_id)]
    name: Text
    created_at: Annotated[float | str, AfterValidator(_moment)]
    writer: Text


class Model(_Part):
    """`model`: only the family is required of every writer."""

    family: Text


class Gpt2(Model):
    """The hyperparameters that family "gpt2" must give."""

    family: Literal["gpt2"]
    n_layer: Size
    n_head: Size
    n_embd: Size
    mlp_width: Size
    block_size: Size
    vocab_size: Size
    activation: Literal["gelu_tanh", "gelu", "relu"]
    layernorm: Literal["pre", "none"]
    layernorm_eps: float
    bias: bool
    tied_embeddings: bool


class Tensor(_Part):
    """One tensor of every snapshot: where it lies, what it holds, and what its axes mean."""

    name: Annotated[Text, AfterValidator(_tensor_name)]
    section: Text
    dims: Annotated[list[Text], Field(max_length=8)]
    shape: Annotated[list[Size], Field(min_length=1, max_length=8)]
    dtype: str
    offset: Annotated[int, Field(ge=HEADER_BYTES, le=_MAX, multiple_of=ALIGNMENT)]
    taken: Literal["before_update", "after_update"] | None = None
    layer: Annotated[int, Field(ge=0, le=MAX_LAYERS)] | None = None
    group: Text | None = None
    role: Role | None = None
    scale: str | None = None
    missing: Text | None = None
    trainable: bool | None = None


class SnapshotInfo(_Part):
    """`snapshot`: the size of every snapshot file and its tensors in file order."""

    bytes: Annotated[int, Field(ge=HEADER_BYTES, le=_MAX, multiple_of=ALIGNMENT)]
    tensors: Annotated[list[Tensor], FailFast()]


class Manifest(_Part):
    """A validated manifest.json. `raw` is its plain JSON and `hash` the FNV-1a hash of its bytes."""

    format: Literal["strobe-snapshot"]
    version: Literal[1]
    run: RunInfo
    model: Model
    snapshot: SnapshotInfo
    task: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)
    _hash: int = PrivateAttr(default=0)

    @property
    def raw(self) -> dict[str, Any]:
        return self._raw

    @property
    def hash(self) -> int:
        return self._hash


def _refuse_null(fields: Collection[str], part: object, path: str) -> None:
    for key, value in part.items() if isinstance(part, dict) else ():
        if value is None and key in fields:
            raise ValueError(f"{path}{key}: is null; leave out what is unknown")


def _check_nulls(document: dict[str, Any]) -> None:
    """Absent means unknown: a null in a field that this version knows is a writer's mistake."""
    _refuse_null(Manifest.model_fields, document, "")
    _refuse_null(RunInfo.model_fields, document.get("run"), "run.")
    _refuse_null(Gpt2.model_fields, document.get("model"), "model.")
    snapshot = document.get("snapshot")
    tensors = snapshot.get("tensors") if isinstance(snapshot, dict) else None
    for number, tensor in enumerate(tensors if isinstance(tensors, list) else []):
        _refuse_null(Tensor.model_fields, tensor, f"snapshot.tensors[{number}].")


def _where(document: Any, location: tuple[int | str, ...]) -> str:
    """`snapshot.tensors.3.shape.0` in words: the tensor by name, then the field."""
    if location[:2] != ("snapshot", "tensors") or len(location) < 3:
        return ".".join(map(str, location))
    try:
        name = document["snapshot"]["tensors"][location[2]]["name"]
    except (KeyError, TypeError, IndexError):
        name = None
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location[3:]).lstrip(".")
    return f"tensor {_shown(name)} (number {location[2]}): {field or 'entry'}"


def _shown(value: object) -> str:
    if isinstance(value, list | dict) and len(value) > 80:
        return f"a {type(value).__name__} of {len(value):,}"
    text = ascii(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 80 else text[:77] + "..."


def _first_fault(error: ValidationError, document: Any) -> str:
    fault = error.errors(include_url=False, include_context=False)[0]
    message = fault["msg"].removeprefix("Value error, ")
    given = "" if fault["type"] == "missing" else f" (found {_shown(fault['input'])})"
    return f"{_where(document, fault['loc'])}: {message}{given}"


def _check_tensor(tensor: Tensor, section_of: dict[str, Tensor], end: int, size: int) -> int:
    """Checks that need more than one field; returns the byte after this tensor."""
    if tensor.dtype not in DTYPES:
        raise ValueError(f"dtype: {_shown(tensor.dtype)} is unknown; known are {', '.join(DTYPES)}")
    if tensor.name.partition("/")[0] != tensor.section:
        raise ValueError(f"section: {_shown(tensor.section)} is not what the name begins with")
    if len(tensor.dims) != len(tensor.shape) or len(set(tensor.dims)) != len(tensor.dims):
        raise ValueError("dims: must be distinct and as many as the shape has axes")
    if tensor.dims[0] == "layer" and tensor.shape[0] > MAX_LAYERS:
        raise ValueError(f"shape: has {tensor.shape[0]:,} layers; at most {MAX_LAYERS:,} are read")
    if tensor.offset != aligned(end):
        raise ValueError(f"offset: is {tensor.offset}; in file order it must be {aligned(end)}")
    stop = tensor.offset + (0 if tensor.missing else math.prod(tensor.shape) * itemsize(tensor.dtype))
    if stop > size:
        raise ValueError(f"shape: ends at byte {_shown(stop)}, after snapshot.bytes = {size}")
    scale = section_of.get(tensor.scale) if tensor.scale is not None else None
    if tensor.scale is not None and (scale is None or scale.dtype != "float32" or scale.shape != tensor.shape[:-1]):
        raise ValueError(f"scale: {_shown(tensor.scale)} must be a float32 tensor of shape {tensor.shape[:-1]}")
    return stop


def _check_layout(info: SnapshotInfo) -> None:
    by_name: dict[str, Tensor] = {}
    for tensor in info.tensors:
        if tensor.name in by_name:
            raise ValueError(f"tensor {_shown(tensor.name)}: name: stands twice")
        by_name[tensor.name] = tensor
    end = HEADER_BYTES
    for number, tensor in enumerate(info.tensors):
        try:
            end = _check_tensor(tensor, by_name, end, info.bytes)
        except ValueError as error:
            raise ValueError(f"tensor {_shown(tensor.name)} (number {number}): {error}") from None
    if aligned(end) != info.bytes:
        raise ValueError(f"snapshot.bytes: is {info.bytes}; the tensors end at {aligned(end)}")


def parse(data: bytes, where: str | os.PathLike[str]) -> Manifest:
    """Validate the bytes of a manifest; `where` is named in errors. Raises ManifestError, and nothing else."""
    document: Any = None
    try:
        document = strict_json.load(data)
        _check_nulls(document)
        manifest = Manifest.model_validate(document)
        if manifest.model.family == "gpt2":
            Gpt2.model_validate(document["model"])
        _check_layout(manifest.snapshot)
    except ValidationError as error:
        raise ManifestError(f"{where}: {_first_fault(error, document)}") from None
    except ValueError as error:
        raise ManifestError(f"{where}: {error}") from None
    manifest._raw = document
    manifest._hash = fnv1a64(data)
    return manifest


def _others(names: Iterable[str]) -> str:
    shown = sorted(names)[:5]
    return f"it holds {', '.join(map(_shown, shown))}" if shown else "it is empty"


def read(folder: str | os.PathLike[str], name: str = MANIFEST) -> Manifest:
    """The manifest of a run's folder, or of a part of the run. Raises ManifestError with what is wrong and what to
    do."""
    path = Path(folder) / name
    if not path.parent.is_dir():
        raise ManifestError(f"{path.parent}: is no folder; give the folder of a run, which holds {MANIFEST}")
    if not path.is_symlink() and not path.exists():
        there = _others(entry.name for entry in path.parent.iterdir())
        raise ManifestError(f"{path}: is missing, and step files cannot be read without it; {there}")
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            data = file.read(strict_json.MAX_BYTES + 1)
    except NotAFileError as error:
        raise ManifestError(str(error)) from None
    return _LATELY.get(data, lambda data: parse(data, path))


_LATELY: Final = ParsedLately[Manifest]()
