"""numpy's .npz and llm.c's .bin, read without a pickle and without padding."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from etl.checkpoints.formats.contents import CheckpointError
from etl.checkpoints.formats.opening import contents
from tests.support.checkpoints import gpt2_arrays, llmc_bytes, values


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_npz(save: Any, tmp_path: Path) -> None:
    arrays = {
        "params/w": np.arange(6.0).reshape(2, 3),
        "turned": np.asfortranarray(np.arange(6, dtype=np.float16).reshape(3, 2)),
        "one": np.array(2.5),
        "empty": np.zeros((0, 3)),
        "long": np.random.default_rng(0).normal(size=9000),
    }
    save(tmp_path / "a.npz", **arrays, words=np.array(["a"]), things=np.array([None]), big=np.arange(2, dtype=">f4"))
    found = values(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    left_out = contents(tmp_path / "a.npz").left_out
    assert sorted(left_out) == ["big", "things", "words"]
    assert "not of numbers" in left_out["things"]


def test_an_array_that_does_not_fill_its_member_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", w=np.zeros(3))
    data = (tmp_path / "a.npz").read_bytes().replace(b"(3,)", b"(9,)")
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"shape \(9,\) does not take 24 bytes"):
        contents(tmp_path / "a.npz")


@pytest.mark.parametrize("version", [3, 5])
def test_llmc_without_its_padding(version: int, tmp_path: Path) -> None:
    arrays = gpt2_arrays()
    if version == 5:
        arrays = {name: array.astype(ml_dtypes.bfloat16) for name, array in arrays.items()}
    path = tmp_path / "model_00100.bin"
    path.write_bytes(llmc_bytes(arrays, heads=2, positions=6, vocabulary=13, version=version))
    found = values(path)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array[:13] if name == "wte" else array)


@pytest.mark.parametrize(
    ("place", "number", "why"),
    [
        (1, 2, "version 2"),
        (4, 0, "impossible sizes"),
        (4, 2**30, "impossible sizes"),
        (7, 12, "impossible"),
        (4, 3, "makes"),
    ],
)
def test_a_false_header_of_llmc_is_refused(place: int, number: int, why: str, tmp_path: Path) -> None:
    data = bytearray(llmc_bytes(gpt2_arrays(), heads=2, positions=6, vocabulary=13))
    data[4 * place : 4 * place + 4] = struct.pack("<i", number)
    (tmp_path / "model_00100.bin").write_bytes(data)
    with pytest.raises(CheckpointError, match=why):
        contents(tmp_path / "model_00100.bin")


def test_trailing_bytes_of_llmc_are_refused(tmp_path: Path) -> None:
    data = llmc_bytes(gpt2_arrays(), heads=2, positions=6, vocabulary=13)
    (tmp_path / "model_00100.bin").write_bytes(data + b"\0")
    with pytest.raises(CheckpointError, match=f"is {len(data) + 1:,} bytes"):
        contents(tmp_path / "model_00100.bin")


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x80\x02}.")
    with pytest.raises(CheckpointError, match="is no checkpoint that is read"):
        contents(tmp_path / "a.bin")
