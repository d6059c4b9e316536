"""Every kind of tensor has an answer: its numbers, or a reason on disk; and what one lacks costs no other."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from etl.run.attempts import read_attempts
from etl.run.file_names import MANIFEST
from etl.run.folder import Run
from etl.run.verify import verify_run
from strobe.record import Recorder, RecorderError, TensorSpec, host

SOUND = ("w", "params", ("o",), np.arange(4, dtype=np.float32))


def recorded(folder: Path, tensor: Any, dims: tuple[str, ...] = ("o", "i"), section: str = "params") -> Run:
    with Recorder(folder, [SOUND, ("x", section, dims, tensor)], when_full="wait") as recorder:
        assert recorder.snapshot(0)
    run = Run(folder)
    np.testing.assert_array_equal(run.at(0)["params/w"], SOUND[3])
    assert all(finding.status == "ok" for finding in verify_run(folder))
    return run


def missing(folder: Path) -> str:
    """Why the manifest says that the tensor has no data."""
    entry = json.loads((folder / MANIFEST).read_bytes())["snapshot"]["tensors"][1]
    return str(entry["missing"])


BASE = torch.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("tensor", "values", "dtype"),
    [
        (BASE.to_sparse(), BASE.numpy(), "float32"),
        (BASE.to(torch.float8_e4m3fn), BASE.numpy(), "float32"),
        (BASE.to(torch.float8_e5m2), [[0, 1, 2], [3, 4, 5]], "float32"),
        (BASE > 2, [[0, 0, 0], [1, 1, 1]], "uint8"),
        (BASE.to(torch.int16), BASE.numpy(), "int32"),
        (np.arange(6, dtype=np.uint32).reshape(2, 3), BASE.numpy(), "int64"),
    ],
    ids=["sparse", "float8_e4m3", "float8_e5m2", "bool", "int16", "uint32"],
)
def test_what_can_be_told_in_numbers_is(tmp_path: Path, tensor: Any, values: Any, dtype: str) -> None:
    run = recorded(tmp_path / "r", tensor)
    assert run.at(0).spec("params/x")["dtype"] == dtype
    np.testing.assert_array_equal(run.at(0)["params/x"], values)


@pytest.mark.parametrize("wrap", [torch.from_numpy, lambda array: array, lambda a: torch.from_numpy(a.conj()).conj()])
def test_complex_numbers_are_pairs(tmp_path: Path, wrap: Any) -> None:
    values = (np.arange(6) + 1j * np.arange(6)[::-1]).astype(np.complex64).reshape(2, 3)
    snapshot = recorded(tmp_path / "r", wrap(values)).at(0)
    assert snapshot.spec("params/x")["dims"] == ["o", "i", "part"]
    np.testing.assert_array_equal(snapshot["params/x"][..., 0] + 1j * snapshot["params/x"][..., 1], values)


def test_a_single_value_needs_no_axis(tmp_path: Path) -> None:
    snapshot = recorded(tmp_path / "r", torch.tensor(7.0), ()).at(0)
    assert (snapshot.spec("params/x")["dims"], snapshot["params/x"].tolist()) == (["one"], [7.0])


@pytest.mark.parametrize(
    ("tensor", "section", "why"),
    [
        (lambda: None, "grads", "had no gradient"),
        (lambda: None, "params", "there was none"),
        (torch.ones(2, 3, device="meta"), "params", "is on the device meta, so it has no data"),
        (torch.ones(0, 3), "params", "has no elements: its shape is [0, 3]"),
        (np.ones((1,) * 9), "params", "has 9 axes, and 8 at most are recorded"),
        (np.array(["a"]), "params", "is <U1 and no array of numbers"),
        (object(), "params", "is object and no array of numbers"),
        (np.zeros(2, np.uint64), "params", "uint64 cannot be recorded"),
    ],
)
def test_what_has_no_data_says_why_and_costs_no_other(tmp_path: Path, tensor: Any, section: str, why: str) -> None:
    run = recorded(tmp_path / "r", tensor, section=section)
    assert f"{section}/x" not in run.at(0)
    assert missing(tmp_path / "r").startswith(why)
    (kind,) = read_attempts(tmp_path / "r")[0].lost["why"]
    assert kind.startswith(f"{section}/x: {why}")


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_quantised_tensor_is_the_numbers_that_it_stands_for(tmp_path: Path) -> None:
    run = recorded(tmp_path / "r", torch.quantize_per_tensor(BASE, 1.0, 0, torch.qint8))
    np.testing.assert_array_equal(run.at(0)["params/x"], BASE.numpy())


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_lazy_parameter_is_there_once_its_module_has_seen_an_input(tmp_path: Path) -> None:
    model = nn.LazyLinear(2)
    specs = [SOUND, ("x", "params", ("o", "i"), model.weight)]
    with Recorder(tmp_path / "r", specs, when_full="wait") as recorder:
        recorder.snapshot(0)
        model(torch.ones(1, 3))
        recorder.snapshot(1)
    assert missing(tmp_path / "r") == "is not initialised yet: its module has seen no input"
    run = Run(tmp_path / "r")
    assert "params/x" not in run.at(0)
    assert run.at(1)["params/x"].shape == (2, 3)


def test_a_sparse_tensor_that_is_too_large_dense_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "MOST_DENSE", 20)
    recorded(tmp_path / "r", BASE.to_sparse())
    assert missing(tmp_path / "r") == "is sparse, and dense it would take 24 bytes, more than 20"


def test_a_sparse_and_a_missing_gradient_together_cost_nothing_else(tmp_path: Path) -> None:
    embedding, idle = nn.Embedding(9, 2, sparse=True), nn.Linear(2, 2)
    embedding(torch.tensor([1, 1])).sum().backward()
    specs = [
        ("w", "params", ["o", "i"], idle.weight),
        TensorSpec("idle", "grads", ["o", "i"], lambda: idle.weight.grad, (2, 2), "float32"),
        TensorSpec("rows", "grads", ["o", "i"], lambda: embedding.weight.grad, (9, 2), "float32"),
    ]
    with Recorder(tmp_path / "r", specs, when_full="wait") as recorder:
        assert recorder.snapshot(0, {"my_metric": 1.0})
        idle(torch.ones(1, 2)).sum().backward()
        assert recorder.snapshot(1)
    run = Run(tmp_path / "r")
    assert "grads/idle" not in run.at(0)
    assert run.at(1)["grads/idle"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert run.at(0)["grads/rows"][:3].tolist() == [[0.0, 0.0], [2.0, 2.0], [0.0, 0.0]]
    assert recorder.status.why == {"grads/idle: had no gradient": 1}


def test_a_replaced_parameter_is_recorded_from_then_on(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    specs = [(f"w{k}", "params", ["o", "i"], layer.weight) for k, layer in enumerate(model)]
    with Recorder(tmp_path / "r", specs, when_full="wait") as recorder:
        recorder.snapshot(0)
        zeros = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
        model.load_state_dict(zeros, assign=True)
        recorder.snapshot(1)
        del model[0]._parameters["weight"]
        recorder.snapshot(2)
    run = Run(tmp_path / "r")
    assert run.at(0)["params/w0"].any()
    assert not run.at(1)["params/w0"].any()
    assert not run.at(1)["params/w1"].any()
    assert "params/w0" not in run.at(2)
    assert recorder.status.why == {"params/w0: its Linear has no parameter 'weight' any more": 1}


def test_names_lose_what_wrapping_put_before_them_and_keep_it_as_original(tmp_path: Path) -> None:
    names = ["_orig_mod.fc.weight", "module.module.head", "encoder/0/weight", "params/plain"]
    specs = [(name, "params", ("o",), np.ones(3)) for name in names]
    with Recorder(tmp_path / "r", specs, when_full="wait") as recorder:
        assert recorder.snapshot(0)
    snapshot = Run(tmp_path / "r").at(0)
    shown = ["fc.weight", "head", "encoder%2F0%2Fweight", "plain"]
    assert [name for name in snapshot.names if "scalars" not in name] == [f"params/{name}" for name in shown]
    originals = [snapshot.spec(f"params/{name}").get("original") for name in shown]
    assert originals == [*names[:3], None]


@dataclass
class Settings:
    lr: float
    path: Path


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (argparse.Namespace(lr=0.5, note=None), {"lr": 0.5}),
        (Settings(0.5, Path("a") / "b"), {"lr": 0.5, "path": "a/b"}),
        ({"lr": np.float32(0.5), "n": np.int64(3), "bad": float("nan"), "of": [Path("x"), (1, {"y": np.float64(2)})]},
         {"lr": 0.5, "n": 3, "bad": "nan", "of": ["x", [1, {"y": 2.0}]]}),
    ],
)  # fmt: skip
def test_settings_of_any_kind_are_written_down(tmp_path: Path, given: Any, kept: dict[str, Any]) -> None:
    Recorder(tmp_path / "r", [SOUND], training=given).finish()
    assert Run(tmp_path / "r").manifest.training == kept


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        (nn.Linear(2, 2), "tensors is a Linear; give a TensorSource, or a list"),
        (nn.Linear(2, 2).named_parameters(), "one of tensors is .'weight', a Parameter.; give"),
        ("weights", "tensors is a str; give"),
        (None, "tensors is a NoneType; give"),
        ([3], "one of tensors is 3; give"),
        ([("w", "params", "oi", np.ones((2, 2)))], "one of tensors is .'w', 'params', 'oi', a ndarray.; give"),
    ],
)
def test_what_is_no_list_of_tensors_is_refused_in_words(tmp_path: Path, tensors: Any, why: str) -> None:
    with pytest.raises(RecorderError, match=why):
        Recorder(tmp_path / "r", tensors)
