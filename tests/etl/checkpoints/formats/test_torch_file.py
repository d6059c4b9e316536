"""PyTorch's files without PyTorch: the same values, and nothing that a pickle names is ever run."""

from __future__ import annotations

import argparse
import collections
import contextlib
import datetime
import io
import json
import os
import pickle
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etl.checkpoints.formats.contents import CheckpointError
from etl.checkpoints.formats.opening import contents
from etl.checkpoints.formats.torch_file import read_file
from tests.support.checkpoints import values, values_of
from tests.support.effort import tries

KINDS = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int8,
    torch.uint8,
    torch.bool,
)


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    base = torch.randn(4, 6)
    return {
        "plain": base,
        "tied": base,
        "turned": base.T,
        "part": base[1:3, ::2],
        "parameter": torch.nn.Parameter(torch.randn(3)),
        "buffer": torch.nn.Buffer(torch.randn(2)),
        "one": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "complex": torch.randn(2, dtype=torch.complex64),
        **{str(kind): torch.arange(5).to(kind) for kind in KINDS},
    }


@pytest.mark.parametrize("of_today", [True, False], ids=["zip", "before 1.6"])
def test_values_are_those_of_pytorch(of_today: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(collections.OrderedDict(tensors()), path, _use_new_zipfile_serialization=of_today)
    found = values(path)
    for name, tensor in tensors().items():
        due = tensor.detach()
        due = due.float() if due.dtype == torch.bfloat16 else due
        np.testing.assert_array_equal(found[name].astype(due.numpy().dtype), due.numpy(), err_msg=name)
    read = read_file(path)
    assert read.tensors["tied"].place == read.tensors["plain"].place


def test_dtypes_of_untyped_storages(tmp_path: Path) -> None:
    due = {str(kind): torch.arange(4).to(kind) for kind in (torch.uint16, torch.uint32, torch.float8_e5m2)}
    torch.save(due, tmp_path / "a.pt")
    found = values(tmp_path / "a.pt")
    for name in due:
        np.testing.assert_array_equal(found[name].astype(np.float64), np.arange(4.0))


def test_the_model_is_found_beside_an_optimizer_and_settings(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(3)).sum().backward()
    optimizer.step()
    torch.save(
        {
            "optimizer": optimizer.state_dict(),
            "model": model.state_dict(),
            "iter_num": 7,
            "best_val_loss": torch.tensor(1.5),
            "config": {"lr": 1e-3, "name": "a", "deep": {"er": True}},
            "args": argparse.Namespace(heads=4),
        },
        tmp_path / "ckpt.pt",
    )
    read = read_file(tmp_path / "ckpt.pt")
    assert sorted(read.tensors) == ["bias", "weight"]
    assert read.facts["iter_num"] == 7
    assert read.facts["config"] == {"lr": 1e-3, "name": "a", "deep": {"er": True}}
    assert read.facts["args"] == {"heads": 4}


def test_what_is_no_plain_tensor_is_left_out_with_its_reason(tmp_path: Path) -> None:
    torch.save(
        {"a": torch.ones(2), "sparse": torch.eye(3).to_sparse(), "wide": torch.ones(1).expand(9)}, tmp_path / "a.pt"
    )
    read = read_file(tmp_path / "a.pt")
    assert sorted(read.tensors) == ["a"]
    assert read.left_out == {
        "sparse": "is made by _rebuild_sparse_tensor, which is not read",
        "wide": "has more values than its storage: [9]",
    }


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], tuple(self.call[1:])


def payloads(mark: Path) -> dict[str, object]:
    touch = f"touch {mark}"
    code = f"open({str(mark)!r}, 'w')"
    return {
        "a call": Payload(os.system, touch),
        "eval": Payload(eval, code),
        "exec": Payload(exec, code),
        "open": Payload(open, str(mark), "w"),
        "in a list": [torch.ones(2), Payload(os.system, touch)],
        "beside a model": {"model": {"w": torch.ones(2)}, "extra": Payload(os.system, touch)},
        "as a tensor": {"w": torch.ones(2), "x": Payload(os.system, touch)},
        "by getattr": Payload(getattr, Payload(__import__, "os"), "system"),
        "torch.load again": Payload(torch.storage._load_from_bytes, b"\x80\x02."),
    }


@pytest.mark.parametrize("kind", payloads(Path()))
@pytest.mark.parametrize("of_today", [True, False], ids=["zip", "before 1.6"])
def test_a_payload_is_refused_and_nothing_runs(kind: str, of_today: bool, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "a.pt"
    torch.save(payloads(mark)[kind], path, _use_new_zipfile_serialization=of_today)
    with pytest.raises(CheckpointError, match="none of it was run"):
        read_file(path)
    assert not mark.exists()


def test_the_payloads_would_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    torch.save(payloads(mark)["beside a model"], tmp_path / "a.pt")
    torch.load(tmp_path / "a.pt", weights_only=False)
    assert mark.exists()


def in_zip(path: Path, data: bytes, **members: bytes) -> Path:
    """A file of PyTorch's kind with any pickle in it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", data)
        for name, content in members.items():
            archive.writestr(f"a/data/{name}", content)
    return path


HAND_MADE: dict[str, bytes] = {
    "INST": b"(S'touch x'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'touch x'\no.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x07touch x\x85R.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent text": b"Px\n.",
    "a call of a text": b"\x80\x02X\x01\0\0\0a)R.",
    "no stop": b"\x80\x02}",
    "an empty stack": b"\x80\x02.",
    "too much taken": b"\x80\x02\x87.",
    "a memo that is not there": b"\x80\x02h\x07.",
    "no mark": b"\x80\x02u.",
    "a key to a list": b"\x80\x02]NNs.",
    "a huge number": b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
    "a huge text": b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"a.",
    "an unknown opcode": b"\x80\x02\xfe.",
    "nothing": b"",
}


@pytest.mark.parametrize("case", HAND_MADE)
def test_a_pickle_that_no_state_dict_needs_is_refused(case: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        read_file(in_zip(tmp_path / "a.pt", HAND_MADE[case]))


@pytest.mark.parametrize("pickled", [b"\x80\x02}r\xff\xff\xff\x7f.", b"\x80\x02)" + b"2\x86" * 60 + b"}q\0h\0N\x86."])
def test_little_memory_is_taken(pickled: bytes, tmp_path: Path) -> None:
    """A memo of two thousand million places; tuples of tuples that a hash would walk for ever."""
    tracemalloc.start()
    with pytest.raises(CheckpointError):
        read_file(in_zip(tmp_path / "a.pt", pickled))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def tensor_pickle(offset: int, shape: tuple[int, ...], strides: tuple[int, ...], numel: int) -> bytes:
    """The pickle of {"w": a view of the float32 storage "0"}."""
    stream = io.BytesIO()

    class Outside(pickle._Pickler):  # type: ignore[name-defined,misc]
        def persistent_id(self, value: object) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", numel) if value is marker else None

    marker = object()

    class Tensor:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor_v2, (marker, offset, shape, strides, False, None)

    Outside(stream, 2).dump({"w": Tensor()})
    return stream.getvalue()


@pytest.mark.parametrize(
    ("view", "why"),
    [
        ((0, (3,), (1,), 3), "storage of 16 bytes that should have 12"),
        ((2, (3,), (1,), 4), "reaches to byte 20"),
        ((0, (2, 2), (3, 1), 4), "reaches to byte 20"),
        ((0, (2**40,), (0,), 4), "more values than its storage"),
        ((2**61, (1,), (1,), 4), "reaches to byte"),
        ((-1, (1,), (1,), 4), "no sizes"),
        ((0, (-1,), (1,), 4), "no tuple of sizes"),
        ((0, (1, 1), (1,), 4), "no sizes"),
    ],
)
def test_a_view_lies_inside_its_storage(view: Any, why: str, tmp_path: Path) -> None:
    offset, shape, strides, numel = view
    path = in_zip(tmp_path / "a.pt", tensor_pickle(offset, shape, strides, numel), **{"0": bytes(16)})
    with pytest.raises(CheckpointError, match=why):
        read_file(path)
    sound = in_zip(tmp_path / "b.pt", tensor_pickle(1, (3,), (1,), 4), **{"0": np.arange(4, dtype="<f4").tobytes()})
    np.testing.assert_array_equal(values(sound)["w"], [1, 2, 3])


def with_directory(change: Callable[[zipfile.ZipInfo], None], path: Path) -> Path:
    """A zip file whose list of members was changed."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", tensor_pickle(0, (4,), (1,), 4))
        archive.writestr("a/data/0", bytes(16))
        archive.writestr("a/data/1", bytes(16))
        change(archive.filelist[1])
    return path


def test_a_pickle_that_costs_much_time_or_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02N" + b"2" * 1_000_000)
    with pytest.raises(CheckpointError, match="is deflated, which PyTorch does not do"):
        read_file(tmp_path / "a.pt")
    monkeypatch.setattr("etl.checkpoints.formats.unpickling.MOST_OPCODES", 1000)
    with pytest.raises(CheckpointError, match="more than 1,000 opcodes"):
        read_file(in_zip(tmp_path / "b.pt", b"\x80\x02N" + b"2" * 2000 + b"."))
    monkeypatch.setattr("etl.checkpoints.formats.zipped._MOST_LIST", 500)
    with pytest.raises(CheckpointError, match="a list of members of"):
        read_file(in_zip(tmp_path / "c.pt", b"\x80\x02}.", **{str(number): b"" for number in range(50)}))


def test_plain_values_beside_tensors_may_be_of_many_kinds(tmp_path: Path) -> None:
    beside = {
        "best": np.float64(1.5), "array": np.ones(2), "path": Path("x"), "when": datetime.datetime(2020, 1, 2),
        "set": {1, 2}, "size": torch.Size([2]), "dtype": torch.float16, "device": torch.device("cpu"), "none": None,
        "complex": 1j, "slice": slice(1, 2), "counts": collections.Counter("aab"), "text": "a",
    }  # fmt: skip
    torch.save({"model": {"w": torch.ones(2)}, **beside}, tmp_path / "a.pt")
    read = read_file(tmp_path / "a.pt")
    assert sorted(read.tensors) == ["w"]
    assert read.facts == {"text": "a"}


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    def onto_the_next(info: zipfile.ZipInfo) -> None:
        info.file_size = info.compress_size = 60

    with pytest.raises(CheckpointError, match="'a/data/0' and 'a/data/1' overlap"):
        read_file(with_directory(onto_the_next, tmp_path / "a.pt"))

    def far_out(info: zipfile.ZipInfo) -> None:
        info.file_size = info.compress_size = 17 << 30

    with pytest.raises(CheckpointError, match="'a/data/0' ends behind the end of the file"):
        read_file(with_directory(far_out, tmp_path / "b.pt"))


def test_a_whole_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="names torch.nn.modules.linear.Linear"):
        read_file(tmp_path / "a.pt")
    torch.save({"epoch": 3}, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match=r"save model\.state_dict\(\)"):
        read_file(tmp_path / "b.pt")


@pytest.mark.parametrize("of_today", [True, False], ids=["zip", "before 1.6"])
def test_changed_bytes_are_refused_or_read(of_today: bool, tmp_path: Path) -> None:
    saved = {"model": {"a": torch.randn(3, 2), "b": torch.arange(4)}, "step": 3}
    torch.save(saved, tmp_path / "a.pt", _use_new_zipfile_serialization=of_today)
    whole, choice = (tmp_path / "a.pt").read_bytes(), random.Random(2)
    for _ in range(tries(60, 2000)):
        data = bytearray(whole)
        for _ in range(choice.randint(1, 6)):
            place = choice.randrange(len(data))
            data[place] = choice.randrange(256)
        if choice.random() < 0.3:
            del data[choice.randrange(len(data)) :]
        path = tmp_path / "b.pt"
        path.write_bytes(data)
        with contextlib.suppress(CheckpointError):
            values_of(read_file(path))


def test_shards_with_an_index(tmp_path: Path) -> None:
    where = {}
    for number, name in enumerate("ab", 1):
        shard = f"pytorch_model-0000{number}-of-00002.bin"
        torch.save({name: torch.full((2,), float(number))}, tmp_path / shard)
        where[name] = shard
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": where}))
    found = values(tmp_path)
    assert {name: value.tolist() for name, value in found.items()} == {"a": [1, 1], "b": [2, 2]}
    assert {check.file for check in contents(tmp_path).checks} == {0, 1}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "a.pt")
    (tmp_path / "b.pt").symlink_to(tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="symbolic link"):
        contents(tmp_path / "b.pt")
