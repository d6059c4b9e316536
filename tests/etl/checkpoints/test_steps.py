"""Which step a name tells, and which entries of a folder are the checkpoints of one run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from etl.checkpoints.steps import step_of, steps_in
from tests.support.checkpoints import safetensors

MODEL = safetensors({"w": np.ones(2)})


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step1000", 1000),
        ("step143000", 143_000),
        ("checkpoint-500", 500),
        ("global_step20", 20),
        ("epoch_3.pt", 3),
        ("model_00100.bin", 100),
        ("0100.pth", 100),
        ("epoch=3-step=1200.ckpt", 1200),
        ("iter_0000500", 500),
        ("step1000-tokens4B", 1000),
        ("ckpt_2_000007.pt", 2),
        ("gpt2-run-40.safetensors", 40),
        ("model.safetensors", None),
        ("step99999999999999999999", None),
    ],
)
def test_the_step_that_a_name_tells(name: str, step: int | None) -> None:
    assert step_of(name) == step


def test_folders_of_steps_in_numeric_order(tmp_path: Path) -> None:
    for step in (1000, 0, 200):
        (tmp_path / f"step{step}").mkdir()
        (tmp_path / f"step{step}" / "model.safetensors").write_bytes(MODEL)
    (tmp_path / "step5").mkdir()
    (tmp_path / "logs").mkdir()
    found = steps_in(tmp_path)
    assert {step: path.name for step, path in found.paths.items()} == {0: "step0", 200: "step200", 1000: "step1000"}
    assert list(found.paths) == [0, 200, 1000]


def test_what_lies_beside_the_model_is_none(tmp_path: Path) -> None:
    adam = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    for step in (1, 2, 3):
        torch.save(adam, tmp_path / f"optim_{step}.pt")
        torch.save({"step": step}, tmp_path / f"rng_{step}.pt")
    for step in (1, 3):
        torch.save({"w": torch.ones(2)}, tmp_path / f"weights_{step}.pt")
    assert {path.name for path in steps_in(tmp_path).paths.values()} == {"weights_1.pt", "weights_3.pt"}


def test_epochs_are_told_apart_from_steps(tmp_path: Path) -> None:
    for epoch in (1, 2):
        (tmp_path / f"epoch_{epoch}.safetensors").write_bytes(MODEL)
    assert steps_in(tmp_path).unit == "epoch"


def test_two_of_one_step_are_told(tmp_path: Path) -> None:
    for name in ("model_1.safetensors", "model_01.safetensors"):
        (tmp_path / name).write_bytes(MODEL)
    found = steps_in(tmp_path)
    assert [path.name for path in found.paths.values()] == ["model_01.safetensors"]
    assert found.left_out == {"model_1.safetensors": "is of step 1 as model_01.safetensors is"}


def test_a_lone_checkpoint_says_its_step_or_does_not(tmp_path: Path) -> None:
    torch.save({"model": {"w": torch.ones(2)}, "iter_num": 250}, tmp_path / "ckpt.pt")
    found = steps_in(tmp_path)
    assert (found.paths, found.unknown) == ({250: tmp_path}, False)
    torch.save({"w": torch.ones(2)}, tmp_path / "ckpt.pt")
    found = steps_in(tmp_path)
    assert (found.paths, found.unknown) == ({0: tmp_path}, True)


def test_what_is_no_run_of_checkpoints(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.ones(3))
    assert not steps_in(tmp_path).paths
    (tmp_path / "step1.safetensors").write_bytes(MODEL)
    assert steps_in(tmp_path).paths
    (tmp_path / "manifest.json").write_text("{}")
    assert not steps_in(tmp_path).paths, "a run of ours has its own snapshots"
    assert not steps_in(tmp_path / "step1.safetensors").paths


def test_a_damaged_file_of_another_name_costs_no_sound_one(tmp_path: Path) -> None:
    (tmp_path / "a_model_17GB.safetensors").write_bytes(MODEL[:-3])
    (tmp_path / "tiny_22t.safetensors").write_bytes(MODEL)
    found = steps_in(tmp_path)
    assert [path.name for path in found.paths.values()] == ["tiny_22t.safetensors"]
    assert found.unknown, "no word says that its number is a step"
    assert "fewer bytes" in found.left_out["a_model_17GB.safetensors"]
    (tmp_path / "tiny_22t.safetensors").unlink()
    assert [path.name for path in steps_in(tmp_path).paths.values()] == ["a_model_17GB.safetensors"]
