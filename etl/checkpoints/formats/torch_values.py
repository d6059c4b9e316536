"""What PyTorch's pickles say of tensors: storages by their keys, and views of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from etl.checkpoints.formats.contents import Stored, dtype_of
from etl.checkpoints.formats.unpickling import Made, Named, Persistent

_STORAGES: Final[Mapping[str, str]] = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
}  # fmt: skip
_DTYPES: Final = frozenset(
    ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32",
     "uint64", "bool", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
     "float8_e5m2fnuz", "float8_e8m0fnu")
)  # fmt: skip
_REBUILDS: Final = frozenset(("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"))
_OTHER_REBUILDS: Final = frozenset(
    ("_rebuild_qtensor", "_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor", "_rebuild_nested_tensor",
     "_rebuild_meta_tensor_no_storage", "_rebuild_device_tensor_from_numpy", "_rebuild_wrapper_subclass")
)  # fmt: skip
_WRAPPERS: Final = frozenset(("_rebuild_parameter", "_rebuild_parameter_with_state"))
_PLAIN: Final[Mapping[str, frozenset[str]]] = {
    "collections": frozenset(("OrderedDict", "defaultdict", "Counter")),
    "torch._utils": _REBUILDS | _OTHER_REBUILDS | _WRAPPERS,
    "torch._tensor": frozenset(("_rebuild_from_type_v2",)),
    "torch": _DTYPES | _STORAGES.keys() | {"Size", "device", "Tensor", "Generator", "strided", "per_tensor_affine"},
    "torch.storage": frozenset(("UntypedStorage", "TypedStorage")),
    "torch.serialization": frozenset(("_get_layout",)),
    "torch.nn.parameter": frozenset(("Parameter", "Buffer")),
    "numpy": frozenset(("dtype", "ndarray", "float64", "float32", "int64")),
    "numpy.core.multiarray": frozenset(("scalar", "_reconstruct")),
    "numpy._core.multiarray": frozenset(("scalar", "_reconstruct")),
    "_codecs": frozenset(("encode",)),
    "argparse": frozenset(("Namespace",)),
    "lightning_fabric.utilities.data": frozenset(("AttributeDict",)),
    "lightning.fabric.utilities.data": frozenset(("AttributeDict",)),
    "types": frozenset(("SimpleNamespace",)),
    "pathlib": frozenset(("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    "builtins": frozenset(("set", "frozenset", "list", "dict", "tuple", "int", "float", "bool", "str", "bytes",
                           "bytearray", "complex", "slice", "range")),
    "datetime": frozenset(("datetime", "date", "timedelta", "timezone")),
}  # fmt: skip
"""Module -> what a state dict, and the plain settings that are saved beside one, may name. None of it is called."""


def allowed(module: str, name: str) -> bool:
    """Whether a pickle may name this."""
    return name in _PLAIN.get("builtins" if module == "__builtin__" else module, ())


class Storage(NamedTuple):
    """Bytes that tensors are views of: `numel` values under a key of the file."""

    key: str
    dtype: str
    numel: int


class View(NamedTuple):
    """A tensor: a view of a storage, everything counted in values of `dtype`."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class NoTensorError(ValueError):
    """Why something that was meant as a tensor is none that is read."""


def storage_of(value: object) -> Storage:
    """From the id ("storage", type, key, device, numel) of what lies outside a pickle. Raises NoTensorError."""
    if isinstance(value, Made) and value.what.name == "TypedStorage" and value.args:
        value = value.args[0]
    if not isinstance(value, Persistent) or not isinstance(value.id, tuple) or len(value.id) < 5:
        raise NoTensorError("has no storage in the file")
    word, kind, key, _, numel = value.id[:5]
    if word != "storage" or not isinstance(kind, Named) or kind.name not in _STORAGES:
        raise NoTensorError(f"has a storage of a kind that is not read: {getattr(kind, 'name', kind)!r:.60}")
    if len(value.id) > 5 and value.id[5] is not None:
        raise NoTensorError("is a view of a storage that is itself a view")
    if not isinstance(key, str | int) or not _is_size(numel):
        raise NoTensorError("has a storage without key or size")
    return Storage(str(key), _STORAGES[kind.name], numel)


def is_tensor(value: object) -> bool:
    """Whether something in a pickle stands for a tensor, of whatever kind."""
    if not isinstance(value, Made):
        return False
    module, name = value.what.module, value.what.name
    return module in ("torch._utils", "torch._tensor") or (module, name) == ("torch.nn.parameter", "Parameter")


def view_of(value: object) -> View:
    """The view that a `Made` tensor or parameter is. Raises NoTensorError for kinds that are no plain view."""
    for _ in range(4):  # a parameter of a subclass of a tensor
        if not isinstance(value, Made):
            break
        name, args = value.what.name, value.args
        if name in _REBUILDS:
            return _view(name, args)
        if name in _WRAPPERS or name == "Parameter":
            value = args[0] if args else None
        elif name == "_rebuild_from_type_v2" and len(args) >= 3 and isinstance(args[0], Named):
            value = Made(args[0], args[2] if isinstance(args[2], tuple) else ())
        else:
            raise NoTensorError(f"is made by {name}, which is not read")
    raise NoTensorError("is no tensor")


def _view(name: str, args: tuple[Any, ...]) -> View:
    if len(args) < 4:
        raise NoTensorError("lacks its storage, its shape or its strides")
    storage, (offset, shape, strides) = storage_of(args[0]), args[1:4]
    shape, strides = _sizes(shape), _sizes(strides)
    if not _is_size(offset) or len(shape) != len(strides):
        raise NoTensorError("has a shape or an offset that are no sizes")
    dtype = storage.dtype
    if name == "_rebuild_tensor_v3":
        given = args[6] if len(args) > 6 else None
        if not isinstance(given, Named) or given.name not in _DTYPES:
            raise NoTensorError(f"has a dtype that is not read: {getattr(given, 'name', given)!r:.60}")
        dtype = given.name
    return View(storage, dtype, offset, shape, strides)


def _sizes(values: object) -> tuple[int, ...]:
    if isinstance(values, Made) and values.what.name == "Size" and values.args:
        values = values.args[0]
    if not isinstance(values, tuple | list) or not all(map(_is_size, values)):
        raise NoTensorError("has a shape that is no tuple of sizes")
    return tuple(values)


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**62


def stored(view: View, start: int, size: int) -> Stored:
    """A view of a storage whose `size` bytes begin at byte `start` of a file. Raises NoTensorError where it reaches
    beyond them, or the storage is of another size than it says."""
    itemsize = dtype_of(view.dtype).itemsize
    due = view.storage.numel * dtype_of(view.storage.dtype).itemsize
    if due != size:
        raise NoTensorError(f"has a storage of {size:,} bytes that should have {due:,}")
    last = view.offset + sum((n - 1) * step for n, step in zip(view.shape, view.strides, strict=True))
    if math.prod(view.shape) * itemsize > max(size, itemsize):
        raise NoTensorError(f"has more values than its storage: {list(view.shape)}")
    if math.prod(view.shape) and (last + 1) * itemsize > size:
        raise NoTensorError(f"reaches to byte {(last + 1) * itemsize:,} of a storage of {size:,}")
    steps = tuple(step if n > 1 else 0 for n, step in zip(view.shape, view.strides, strict=True))
    place = start + view.offset * itemsize
    return Stored(view.dtype, view.shape, 0, place, steps if math.prod(view.shape) else None)
