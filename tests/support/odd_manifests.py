"""Runs whose manifest says what its tensors are not: a seeded generator, one or a few odd things a run.

The bytes always fit the tensors that the manifest lists, so a reader that trusts the numbers beside them goes wrong.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from etl.run.file_names import MANIFEST, file_name
from etl.run.header import Header
from etl.run.journal import METRICS, Journal
from etl.run.layout import DTYPES, place
from etl.run.roles import ROLES
from etl.run.snapshot import fnv1a64, numpy_dtype
from strobe.analysis.tasks import SPLIT
from tests.support.adding import DIMS, HEADS, LAYERS, MODEL, VOCABULARY, WIDTH, P, weights

STEPS: Final = (0, 10, 20)
_ABSENT: Final = object()
_ODD: Final = (
    _ABSENT, 0, -1, 1, 2, 3, 7, 1000, 2**31, 2**63 - 1, 2**70, 1.5, -0.25, 1e300, math.nan, math.inf, "4", "", None,
    True, [], [3], {}, {"a": 1}, "\u202e", "x" * 5000,
)  # fmt: skip
"""What stands where a number should."""
_LARGE: Final = (1, 2, 3, 4, 5, 1000, 2**31, 2**40, 2**63 - 1)
_PROBES: Final = 2

Manifest = dict[str, Any]
Mutation = Callable[[np.random.Generator, Manifest], str]


def odd_run(folder: Path, seed: int) -> list[str]:
    """Write run number `seed` to `folder`; returns in words what is odd about it."""
    random = np.random.default_rng([17, seed])
    manifest, said = _sound(), []
    for _ in range(int(random.integers(1, 4))):
        said.append(_MUTATIONS[int(random.integers(len(_MUTATIONS)))](random, manifest))
    if random.random() < 0.03:
        said.append(_part(random, manifest))
    _write(folder, manifest, random)
    return said


def _sound() -> Manifest:
    """A manifest of a model that adds, with every section that pages draw."""
    shapes = {f"params/{name}": (DIMS[name], value.shape) for name, value in weights().items()}
    shapes |= {f"grads/{name}": shapes[f"params/{name}"] for name in ("wte", "qkvw", "fcw")}
    sequence = ["probe", "position", "channel"]
    shapes |= {
        "attention/att": (["layer", "probe", "head", "query", "key"], (LAYERS, _PROBES, HEADS, 3, 3)),
        "residual/encoded": (sequence, (_PROBES, 3, WIDTH)),
        "residual/residual3": (["layer", *sequence], (LAYERS, _PROBES, 3, WIDTH)),
        "probe/tokens": (["probe", "position"], (_PROBES, 3)),
        "probe/train_rows": (["row"], (P * P // 2,)),
        "activations/unit_active": (["layer", "neuron"], (LAYERS, 9)),
        "activations/residual_rms": (["layer"], (LAYERS,)),
        "optimizer/m_l2.qkvw": (["layer"], (LAYERS,)),
        "scalars/train_loss": (["one"], (1,)),
    }
    dtypes = {"probe/tokens": "int32", "probe/train_rows": "int64", "scalars/train_loss": "float64"}
    tensors = [
        {"name": name, "section": name.partition("/")[0], "dims": list(dims), "shape": list(shape),
         "dtype": dtypes.get(name, "float32")}
        for name, (dims, shape) in shapes.items()
    ]  # fmt: skip
    return {
        "format": "strobe-snapshot", "version": 1, "model": dict(MODEL),
        "task": {"kind": "modular_addition", "modulus": P, "split": SPLIT, "train_fraction": 0.5, "data_seed": 1},
        "training": {"optimizer": "adamw", "tokens_per_step": 3, "device": "cpu", "peak_flops": 1e12},
        "run": {"id": "odd", "name": "odd", "created_at": 1.0, "writer": "tests"},
        "snapshot": {"tensors": tensors},
    }  # fmt: skip


def _put(part: dict[str, Any], field: str, value: object) -> str:
    if value is _ABSENT:
        part.pop(field, None)
        return f"{field} absent"
    part[field] = value
    return f"{field} = {value!r:.40}"


def _pick(random: np.random.Generator, among: Sequence[Any]) -> Any:
    return among[int(random.integers(len(among)))]


def _model(random: np.random.Generator, manifest: Manifest) -> str:
    """A number of the model that is none, or another one than its tensors have."""
    if random.random() < 0.25:
        field = _pick(random, ("n_layer", "n_head", "n_embd", "mlp_width", "block_size", "vocab_size"))
        return f"model.{_put(manifest['model'], field, _pick(random, _LARGE))}"
    said = ""
    if random.random() < 0.8:
        # Another family's numbers are nothing that a manifest must have: readers alone can refuse them.
        manifest["model"]["family"] = "mlp"
        said = "family mlp, "
    field = _pick(random, (
        "n_layer", "n_head", "n_embd", "mlp_width", "block_size", "vocab_size", "layernorm_eps", "bias",
        "tied_embeddings", "head_size", "n_kv_head", "qkv_layout", "activation", "layernorm", "family",
    ))  # fmt: skip
    return f"{said}model.{_put(manifest['model'], field, _pick(random, _ODD))}"


def _whole_model(random: np.random.Generator, manifest: Manifest) -> str:
    """Sound numbers of another model than the recorded one."""
    heads, size = int(random.integers(1, 6)), int(random.integers(1, 6))
    manifest["model"] |= {
        "n_layer": int(random.integers(1, 5)), "n_head": heads, "n_embd": heads * size,
        "mlp_width": int(random.integers(1, 12)), "block_size": int(random.integers(1, 6)),
        "vocab_size": int(random.integers(1, 12)), "tied_embeddings": bool(random.random() < 0.5),
        "qkv_layout": _pick(random, ("stacked", "interleaved")),
    }  # fmt: skip
    return f"model of {heads} heads of {size}"


_TASK: Final[dict[str, tuple[object, ...]]] = {
    "kind": ("modular_addition", "text", "copy"),
    "modulus": (P + 1, P + 2, P - 2, 97, 10_007),
    "train_fraction": (0, 1, 2, 0.001, 0.999),
    "data_seed": (-5, 2**64, 2**65),
    "split": ("rows", "random", SPLIT.upper()),
    "train_rows": ([1, 1], [-1, 3], [P * P], [2**70], list(range(P * P)), [0.5], "all", [[1], [2]], [True]),
    "sequence": (["a"], ["b", "a"], ["a", "b", "=", "="], ["a", "b", 10**6], ["a", "a", "b"], ["a", "b", "?"], "ab=",
                 ["a", "b"] + ["="] * 9),
    "equals_token": (P + 9, 2**31, "="),
    "token_names": (["0"], [None] * VOCABULARY, [["a"]] * VOCABULARY, list("abcdefg"), "abcdefg", ["\u202e" * 9] * 7),
    "batches": ("full", "odd", 3),
    "classes": (0, P, 1e9),
}  # fmt: skip


def _task(random: np.random.Generator, manifest: Manifest) -> str:
    field = _pick(random, tuple(_TASK))
    if field == "train_rows":
        manifest["task"]["split"] = "rows"
        if random.random() < 0.7:
            _remove(manifest, "probe/train_rows")
    return f"task.{_put(manifest['task'], field, _pick(random, (*_ODD, *_TASK[field] * 3)))}"


def _training(random: np.random.Generator, manifest: Manifest) -> str:
    field = _pick(random, ("tokens_per_step", "device", "peak_flops", "updates_ahead", "optimizer", "learning_rate"))
    return f"training.{_put(manifest['training'], field, _pick(random, _ODD))}"


def _run(random: np.random.Generator, manifest: Manifest) -> str:
    field = _pick(random, ("name", "created_at", "writer"))
    return f"run.{_put(manifest['run'], field, _pick(random, (*_ODD, 'now', '9999-12-31T23:59:59', 1e18, -1e18)))}"


def _part(random: np.random.Generator, manifest: Manifest) -> str:
    return _put(manifest, _pick(random, ("task", "training", "model")), _pick(random, _ODD))


def _tensor(random: np.random.Generator, manifest: Manifest) -> Manifest:
    chosen: Manifest = _pick(random, manifest["snapshot"]["tensors"])
    return chosen


def _shape(random: np.random.Generator, manifest: Manifest) -> str:
    """Another shape, or other axes: turned, longer, shorter, of more or fewer axes."""
    tensor = _tensor(random, manifest)
    shape, dims = tensor["shape"], tensor["dims"]
    at = int(random.integers(len(shape))) if shape else 0
    kind = int(random.integers(7))
    if kind == 0:
        tensor["shape"] = shape[::-1]
    elif kind == 1:
        tensor["shape"], tensor["dims"] = shape[::-1], dims[::-1]
    elif kind == 2:
        tensor["shape"] = [*shape[:at], int(random.integers(1, 9)), *shape[at + 1 :]]
    elif kind == 3:
        tensor["shape"], tensor["dims"] = [*shape[:at], *shape[at + 1 :]], [*dims[:at], *dims[at + 1 :]]
    elif kind == 4:
        tensor["shape"], tensor["dims"] = [*shape[:at], 2, *shape[at:]], [*dims[:at], "more", *dims[at:]]
    elif kind == 5:
        tensor["shape"] = [*shape[:at], _pick(random, (0, -1, 2**40, 1.0, "3", None)), *shape[at + 1 :]]
    else:
        tensor["dims"] = [f"axis{k}" for k in range(len(shape))]
        tensor["shape"] = [4] * len(shape)
    return f"{tensor['name']}: shape {tensor['shape']}, dims {tensor['dims']}"


def _axes(random: np.random.Generator, manifest: Manifest) -> str:
    tensor = _tensor(random, manifest)
    names = ("layer", "head", "token", "channel", "out", "in", "neuron", "x" * 300, "position")
    tensor["dims"] = [str(name) for name in random.permutation(names)[: len(tensor["shape"])]]
    return f"{tensor['name']}: dims {tensor['dims']}"[:120]


def _field(random: np.random.Generator, manifest: Manifest) -> str:
    """A role that the tensor has not, or an entry's field that is odd."""
    tensor = _tensor(random, manifest)
    field = _pick(random, ("role", "role", "role", "role", "layer", "causal", "dtype", "dtype", "section", "scale"))
    known: dict[str, tuple[object, ...]] = {
        "role": ROLES * 2, "dtype": tuple(DTYPES) * 4, "causal": (True, False, "unknown"), "layer": (0, 1, 40_000),
        "section": ("params", "odd"), "scale": ("params/wte", "params/lnfw"),
    }  # fmt: skip
    return f"{tensor['name']}: {_put(tensor, field, _pick(random, (*known[field] * 8, *_ODD)))}"


def _name(random: np.random.Generator, manifest: Manifest) -> str:
    tensor = _tensor(random, manifest)
    section, _, name = tensor["name"].partition("/")
    new = _pick(random, (
        f"{section}/", "no-slash", f"{section}/a/b", f"{section}/" + "x" * 3000, f"odd/{name}", f"{section}/'; DROP",
        "params/wte", "attention/att", "probe/tokens", f"activations/{name}", f"scalars/{name}",
        f"optimizer/v_l2.{name}",
    ))  # fmt: skip
    said = f"{tensor['name']} called {new[:60]}"
    tensor["name"] = new
    if random.random() < 0.8:
        tensor["section"] = new.partition("/")[0]
    return said


def _missing(random: np.random.Generator, manifest: Manifest) -> str:
    return _remove(manifest, str(_tensor(random, manifest)["name"]))


def _remove(manifest: Manifest, name: str) -> str:
    kept = [each for each in manifest["snapshot"]["tensors"] if each["name"] != name]
    if kept:
        manifest["snapshot"]["tensors"] = kept
    return f"{name} absent"


def _attention(random: np.random.Generator, manifest: Manifest) -> str:
    """Attention of another number of axes, or of queries, keys, layers and heads that nothing else has."""
    shape = [int(random.integers(1, 5)) for _ in range(int(random.integers(1, 7)))]
    for tensor in manifest["snapshot"]["tensors"]:
        if tensor["name"] == "attention/att":
            tensor["shape"] = shape
            tensor["dims"] = ["layer", "probe", "head", "query", "key", "more"][: len(shape)]
    return f"attention of shape {shape}"


def _probe(random: np.random.Generator, manifest: Manifest) -> str:
    """Tokens of another length, number or rank than the attention."""
    shape = [int(random.integers(1, 7)) for _ in range(int(random.integers(1, 4)))]
    for tensor in manifest["snapshot"]["tensors"]:
        if tensor["name"] == "probe/tokens":
            tensor["shape"], tensor["dims"] = shape, ["probe", "position", "more"][: len(shape)]
            tensor["dtype"] = _pick(random, ("int32", "int64", "float32", "uint8", "float64"))
    manifest["odd_tokens"] = bool(random.random() < 0.5)
    return f"tokens of shape {shape}"


_MUTATIONS: Final[tuple[Mutation, ...]] = (
    *(_model,) * 5, *(_whole_model,) * 2, *(_task,) * 4, _training, _run, *(_shape,) * 5, *(_axes,) * 2,
    *(_field,) * 4, _name, *(_missing,) * 2, *(_attention,) * 2, *(_probe,) * 2,
)  # fmt: skip


def _write(folder: Path, manifest: Manifest, random: np.random.Generator) -> None:
    """The manifest, and snapshots of just the bytes that its tensors take where these can be told."""
    folder.mkdir(parents=True)
    odd_tokens = manifest.pop("odd_tokens", False)
    tensors = manifest["snapshot"]["tensors"]
    try:
        manifest["snapshot"]["tensors"], size = place(tensors)
    except (TypeError, KeyError, ValueError, OverflowError):
        size = -1
    sound = size > 0 and all(type(axis) is int and axis > 0 for tensor in tensors for axis in tensor["shape"])
    size = size if sound and 0 < size < 1 << 24 else -1
    manifest["snapshot"]["bytes"] = max(64, size)
    data = json.dumps(manifest).encode()
    (folder / MANIFEST).write_bytes(data)
    log = Journal(folder / METRICS)
    for step in STEPS:
        log.append({"step": step, "time": 1.0 + step, "train_loss": 2.0 / (1 + step), "val_loss": 3.0})
        payload = b"" if size < 0 else _payload(manifest["snapshot"]["tensors"], size, random, odd_tokens)
        header = Header(step, len(payload), zlib.crc32(payload), 1.0 + step, fnv1a64(data), 0)
        (folder / file_name(step)).write_bytes(header.pack() + payload)
    log.close()


def _payload(tensors: list[Manifest], size: int, random: np.random.Generator, odd_tokens: bool) -> bytes:
    made = bytearray(size)
    for tensor in tensors:
        shape, dtype = tensor["shape"], numpy_dtype(tensor["dtype"])
        if tensor["section"] == "probe":
            rows = tensor["name"].endswith("train_rows")
            values = np.arange(math.prod(shape)) if rows else random.integers(0, P, math.prod(shape))
            values = values + (1000 if odd_tokens else 0)
        else:
            values = random.normal(size=math.prod(shape)) * (30 if dtype.kind in "iu" else 1)
        data = values.astype(dtype).tobytes()
        made[tensor["offset"] : tensor["offset"] + len(data)] = data
    return bytes(made[64:])
