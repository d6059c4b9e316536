"""safetensors, read strictly: what the library writes is read as it is, what is false is refused by name."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from etl.checkpoints.formats.contents import CheckpointError
from etl.checkpoints.formats.opening import contents
from etl.checkpoints.formats.safetensors import read_file
from tests.support.checkpoints import safetensors, safetensors_bytes, values, values_of
from tests.support.effort import tries

NUMBERS = st.sampled_from([np.float32, np.float64, np.float16, np.int32, np.int64, np.uint8])
ARRAYS = NUMBERS.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(data)
    return path


@given(arrays=st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"), ARRAYS))
def test_what_the_library_writes_is_read(arrays: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    from safetensors.numpy import save

    path = written(tmp_path_factory.mktemp("safetensors"), save(arrays, {"format": "np"}))
    read = read_file(path)
    assert read.facts == {"format": "np"}
    found = values_of(read)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_dtypes_that_numpy_lacks(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save

    kinds = (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.bool, torch.uint16, torch.complex64)
    tensors = {str(kind): torch.tensor([0.0, 1.0, 2.0]).to(kind) for kind in kinds}
    found = values(written(tmp_path, save(tensors)))
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name].astype(np.complex64), tensor.to(torch.complex64).numpy())


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
REFUSED: dict[str, tuple[bytes, str]] = {
    "17 GB header": (
        safetensors_bytes({"a": ENTRY}, bytes(8), length=17 << 30),
        "a header of 18,253,611,008",
    ),
    "header beyond the file": (safetensors_bytes({"a": ENTRY}, bytes(8), length=1000), "declares a header of 1,000"),
    "trailing bytes": (safetensors_bytes({"a": ENTRY}, bytes(9)), "trailing bytes"),
    "cut off": (safetensors_bytes({"a": ENTRY}, bytes(7)), "fewer bytes than its tensors take"),
    "overlap": (
        safetensors_bytes({"a": ENTRY, "b": ENTRY | {"data_offsets": [4, 12]}}, bytes(12)),
        "tensor 'b': overlaps the one before",
    ),
    "gap": (safetensors_bytes({"a": ENTRY | {"data_offsets": [4, 12]}}, bytes(12)), "tensor 'a': leaves a gap"),
    "the same bytes twice": (safetensors_bytes({"a": ENTRY, "b": ENTRY}, bytes(8)), "tensor 'b': overlaps"),
    "a key twice": (
        safetensors_bytes(b'{"a":%b,"a":%b}' % ((json.dumps(ENTRY).encode(),) * 2), bytes(8)),
        "the key 'a' stands twice",
    ),
    "wrong size": (safetensors_bytes({"a": ENTRY | {"shape": [3]}}, bytes(8)), "takes 12 bytes, and has 8"),
    "another dtype": (
        safetensors_bytes({"a": ENTRY | {"dtype": "F64"}}, bytes(8)),
        "takes 16 bytes, and has 8",
    ),
    "backwards": (safetensors_bytes({"a": ENTRY | {"data_offsets": [8, 0]}}, bytes(8)), "takes 8 bytes, and has -8"),
    "unknown dtype": (safetensors_bytes({"a": ENTRY | {"dtype": "F33"}}, bytes(8)), "dtype 'F33' is unknown"),
    "huge shape": (safetensors_bytes({"a": ENTRY | {"shape": [2**62, 2**62]}}, bytes(8)), "tensor 'a'"),
    "negative": (safetensors_bytes({"a": ENTRY | {"shape": [-2]}}, bytes(8)), "no whole numbers"),
    "true is no number": (safetensors_bytes({"a": ENTRY | {"shape": [True, 2]}}, bytes(8)), "no whole numbers"),
    "one offset": (safetensors_bytes({"a": ENTRY | {"data_offsets": [0]}}, bytes(8)), "no whole numbers"),
    "no object": (safetensors_bytes({"a": 7}, bytes(8)), "not an object"),
    "no JSON": (safetensors_bytes(b'{"a":', bytes(8)), "is not JSON"),
    "NaN": (safetensors_bytes(b'{"a":NaN}', bytes(8)), "NaN is not JSON"),
    "deep": (safetensors_bytes(b'{"a":' + b"[" * 100_000, b""), "nested too deeply"),
    "seven bytes": (b"\x02\0\0\0\0\0\0", "cut off"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_false_is_refused_by_name(case: str, tmp_path: Path) -> None:
    data, why = REFUSED[case]
    path = written(tmp_path, data)
    with pytest.raises(CheckpointError) as refused:
        read_file(path)
    assert str(path) in str(refused.value)
    assert why in str(refused.value)


def test_changed_bytes_are_refused_or_read(tmp_path: Path) -> None:
    whole = safetensors(
        {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(4), "c": np.zeros(0, np.uint8)}
    )
    choice = random.Random(1)
    for _ in range(tries(100, 2000)):
        data = bytearray(whole)
        for _ in range(choice.randint(1, 4)):
            place = choice.randrange(len(data))
            data[place : place + choice.randint(0, 2)] = choice.randbytes(choice.randint(0, 2))
        path = written(tmp_path, bytes(data))
        with contextlib.suppress(CheckpointError):
            values(path)


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    one, two = {"a": np.arange(3.0)}, {"b": np.arange(4.0), "c": np.ones((2, 2))}
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(safetensors(one))
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(safetensors(two))
    places = dict.fromkeys(one, "model-00001-of-00002.safetensors") | dict.fromkeys(
        two, "model-00002-of-00002.safetensors"
    )
    without_index = values(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    for found in (values(tmp_path), without_index):
        for name, array in (one | two).items():
            np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("places", "why"),
    [
        ({"a": "../a.safetensors"}, "no file beside it"),
        ({"a": "/etc/passwd"}, "no file beside it"),
        ({"a": ".."}, "no file beside it"),
        ({"a": 7}, "no file beside it"),
        ({"z": "one.safetensors"}, "tensor 'z' is said to lie in one.safetensors, and does not"),
        ({"a": "gone.safetensors"}, "gone.safetensors"),
        ({"a": "one.safetensors", "b": "two.safetensors"}, "tensor 'a' stands in two files"),
        ({}, "no weight_map"),
    ],
)
def test_a_false_index_is_refused(places: dict[str, Any], why: str, tmp_path: Path) -> None:
    (tmp_path / "one.safetensors").write_bytes(safetensors({"a": np.arange(3.0)}))
    (tmp_path / "two.safetensors").write_bytes(safetensors({"a": np.arange(3.0), "b": np.arange(2.0)}))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    with pytest.raises(CheckpointError, match=why):
        contents(tmp_path)


def test_a_shard_that_is_not_there_yet_is_missed(tmp_path: Path) -> None:
    (tmp_path / "model-00001-of-00003.safetensors").write_bytes(safetensors({"a": np.arange(3.0)}))
    with pytest.raises(CheckpointError, match="has 1 of 3 files of its model"):
        contents(tmp_path)
