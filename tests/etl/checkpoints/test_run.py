"""A folder of checkpoints answers as a run's folder does, and its tensors are read where they lie."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from etl.checkpoints.formats.contents import CheckpointError
from etl.checkpoints.run import CheckpointRun, open_run
from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.snapshot_errors import SnapshotError
from etl.store.catalogue import Store
from strobe.cli import app
from tests.support.checkpoints import safetensors
from tests.support.make_run import make_run


def odd() -> dict[str, torch.Tensor]:
    """A state dict with a tensor of each kind that the snapshot format has another word for."""
    torch.manual_seed(1)
    return {
        "layers.0.attn.q_proj.weight": torch.randn(4, 4),
        "layers.1.attn.q_proj.weight": torch.randn(4, 4),
        "_orig_mod.embed_tokens.weight": torch.randn(7, 4).bfloat16(),
        "turned": torch.randn(3, 5).T,
        "one": torch.tensor(2.0),
        "half/way": torch.randn(3).half(),
        "eight": torch.randn(4).to(torch.float8_e4m3fn),
        "complex": torch.randn(3, dtype=torch.complex64),
        "counted": torch.arange(3),
        "mask": torch.ones(2, 2, dtype=torch.bool),
        "empty": torch.zeros(0, 2),
        "sparse": torch.eye(2).to_sparse(),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "My model"
    run.mkdir()
    for step in (0, 5, 20):
        torch.save(odd() | {"one": torch.tensor(float(step))}, run / f"step{step}.pt")
    return run


def test_a_manifest_folder_is_a_run_of_ours(tmp_path: Path, folder: Path) -> None:
    ours = make_run(tmp_path / "ours", steps=(0,))
    assert type(open_run(ours)) is Run
    assert type(open_run(folder)) is CheckpointRun


def test_its_tensors_are_those_of_the_file(folder: Path) -> None:
    run, due = open_run(folder), odd()
    assert run.steps() == [0, 5, 20]
    snapshot = run.at(5)
    np.testing.assert_array_equal(snapshot["params/turned"], due["turned"].numpy())
    np.testing.assert_array_equal(snapshot["params/one"], [5.0])
    np.testing.assert_array_equal(snapshot["params/half%2Fway"], due["half/way"].numpy())
    np.testing.assert_array_equal(snapshot["params/eight"], due["eight"].float().numpy())
    np.testing.assert_array_equal(snapshot["params/complex"], torch.view_as_real(due["complex"]).numpy())
    np.testing.assert_array_equal(snapshot["buffers/counted"], [0, 1, 2])
    np.testing.assert_array_equal(snapshot["buffers/mask"], np.ones((2, 2), np.uint8))
    embedding = due["_orig_mod.embed_tokens.weight"].float().numpy()
    np.testing.assert_array_equal(snapshot.values("params/embed_tokens.weight").astype(np.float32), embedding)
    np.testing.assert_array_equal(snapshot.read("params/turned", [4, 1]), due["turned"].numpy()[[4, 1]])
    np.testing.assert_array_equal(snapshot.read("params/turned", 2), due["turned"].numpy()[2])
    with pytest.raises(SnapshotError, match=r"empty.*has no data here: has no elements"):
        snapshot["params/empty"]
    with pytest.raises(SnapshotError, match=r"sparse.*is made by _rebuild_sparse_tensor"):
        snapshot["params/sparse"]


def test_names_tell_roles_layers_and_axes(folder: Path) -> None:
    spec = open_run(folder).at(0).spec
    query = spec("params/layers.1.attn.q_proj.weight")
    assert (query["role"], query["layer"], query["group"]) == ("q", 1, "layers.attn.q_proj.weight")
    assert query["dims"] == ["out", "in"]
    embedding = spec("params/embed_tokens.weight")
    assert embedding["original"] == "_orig_mod.embed_tokens.weight"
    assert (embedding["role"], embedding["dims"]) == ("token_embedding", ["token", "channel"])
    assert {each["taken"] for each in open_run(folder).manifest.raw["snapshot"]["tensors"]} == {"after_update"}


def test_any_stretch_of_the_imagined_file_is_that_of_the_whole(folder: Path) -> None:
    snapshot, random = open_run(folder).at(20), np.random.default_rng(0)
    with snapshot.reading() as fill:
        whole = np.zeros(snapshot.size, np.uint8)
        fill(whole, 0)
        for name in snapshot.names:
            dtype, shape, offset = snapshot.placed(name)
            part = whole[offset : offset + snapshot[name].nbytes].view(dtype).reshape(shape)
            np.testing.assert_array_equal(part, snapshot[name])
        for _ in range(200):
            start, end = sorted(random.integers(0, snapshot.size, 2))
            part = np.full(end - start, 7, np.uint8)
            fill(part, int(start))
            np.testing.assert_array_equal(part, whole[start:end])


def test_a_file_that_was_replaced_is_named(folder: Path) -> None:
    snapshot = open_run(folder).at(5)
    torch.save(odd(), folder / "other.tmp")
    (folder / "other.tmp").replace(folder / "step5.pt")
    with pytest.raises(SnapshotError, match=r"step5\.pt: was replaced"):
        snapshot["params/one"]


def write(path: Path, **arrays: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(safetensors({name: np.asarray(value, np.float32) for name, value in arrays.items()}))


def test_a_tensor_that_changes_its_shape_is_read_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "run" / "step1.safetensors", w=np.ones((2, 3)), gone=[1, 2])
    write(tmp_path / "run" / "step2.safetensors", w=np.ones((4, 3)), new=[1])
    run = open_run(tmp_path / "run")
    with pytest.raises(SnapshotError, match=r"is \[2, 3\] here, and \[4, 3\] in the last part"):
        run.at(1)["params/w"]
    assert run.as_recorded(run.current()[1])["params/w"].shape == (2, 3)
    assert [each["name"] for each in run.manifest.raw["snapshot"]["tensors"]] == [
        "params/w",
        "params/gone",
        "params/new",
    ]


def test_statistics_changes_and_metrics_reach_the_store(tmp_path: Path) -> None:
    for step in (0, 2, 6):
        write(tmp_path / "run" / f"checkpoint-{step}" / "model.safetensors", w=[[3.0 + step, 4.0]], b=[0.0])
    lines = [json.dumps({"step": step, "time": 1.0, "train_loss": 2.0 - step}) for step in range(7)]
    (tmp_path / "run" / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    (report,) = ingest([tmp_path / "run"], tmp_path / "store")
    assert (report.run, report.snapshots, report.metrics, report.lost) == ("run", 3, 7, [])
    store = Store(tmp_path / "store")
    rows = store.sql(
        "SELECT step, l2, delta_l2, update_ratio FROM tensors WHERE tensor = 'w' ORDER BY step"
    ).to_pylist()
    assert [row["l2"] for row in rows] == pytest.approx([5.0, np.hypot(5, 4), np.hypot(9, 4)])
    assert [row["delta_l2"] for row in rows] == [None, 2.0, 4.0]
    assert rows[1]["update_ratio"] == pytest.approx(2 / 2 / 5)
    listed = store.sql("SELECT DISTINCT payload, file FROM snapshots ORDER BY file").to_pylist()
    assert [row["file"] for row in listed] == ["checkpoint-0", "checkpoint-2", "checkpoint-6"]
    assert {row["payload"] for row in listed} == {"read"}, "there is no CRC to compare bytes with"
    assert store.run("run").at(2)["params/w"].tolist() == [[5.0, 4.0]]


def test_a_flipped_bit_of_a_zip_is_found(folder: Path, tmp_path: Path) -> None:
    path = folder / "step5.pt"
    data = bytearray(path.read_bytes())
    place = data.index(odd()["turned"].T.contiguous().numpy().tobytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(SnapshotError, match=r"step5\.pt: bytes .* have another CRC"):
        open_run(folder).at(5).verify()
    open_run(folder).at(20).verify()
    (report,) = ingest([folder], tmp_path / "store")
    assert [loss.file for loss in report.lost] == ["step5.pt"]
    done = CliRunner().invoke(app, ["verify", str(folder)])
    assert done.exit_code == 1
    assert "2 snapshots verified" in done.stdout


def test_a_checkpoint_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    for step in (0, 2, 4):
        write(tmp_path / "run" / f"step{step}.safetensors", w=[1.0 + step])
    ingest([tmp_path / "run"], tmp_path / "store")
    write(tmp_path / "run" / "step2.safetensors", w=[9.0])
    os.utime(tmp_path / "run" / "step2.safetensors", (2e9, 2e9))
    ingest([tmp_path / "run"], tmp_path / "store")
    rows = Store(tmp_path / "store").sql("SELECT l2, delta_l2 FROM tensors ORDER BY step").to_pylist()
    assert [(row["l2"], row["delta_l2"]) for row in rows] == [(1.0, None), (9.0, 8.0), (5.0, 4.0)]


def test_old_checkpoints_may_go(tmp_path: Path) -> None:
    for step in (0, 2):
        write(tmp_path / "run" / f"step{step}.safetensors", w=[1.0 + step])
    ingest([tmp_path / "run"], tmp_path / "store")
    for step in (0, 2):
        (tmp_path / "run" / f"step{step}.safetensors").unlink()
    write(tmp_path / "run" / "step4.safetensors", w=[7.0])
    (report,) = ingest([tmp_path / "run"], tmp_path / "store")
    rows = Store(tmp_path / "store").sql("SELECT step, file FROM snapshots ORDER BY step").to_pylist()
    assert report.run == "run"
    assert [row["file"] for row in rows] == [None, None, "step4.safetensors"]


def test_another_training_in_the_same_folder_is_another_run(tmp_path: Path) -> None:
    write(tmp_path / "run" / "step1.safetensors", w=[1.0])
    ingest([tmp_path / "run"], tmp_path / "store")
    write(tmp_path / "run" / "step1.safetensors", w=[2.0])
    (report,) = ingest([tmp_path / "run"], tmp_path / "store")
    assert report.run == "run-2"


def test_a_persons_words_are_taken(tmp_path: Path) -> None:
    write(tmp_path / "run" / "step1.safetensors", w=[1.0])
    said = {"name": "Mine", "task": {"kind": "modular_addition", "modulus": 5}, "model": {"n_head": 2, "x": None}}
    (tmp_path / "run" / "strobe.json").write_text(json.dumps(said))
    manifest = open_run(tmp_path / "run").manifest
    assert (manifest.run.name, manifest.task["modulus"], manifest.raw["model"]["n_head"]) == ("Mine", 5, 2)
    (tmp_path / "run" / "strobe.json").write_text('{"task": 7}')
    with pytest.raises(CheckpointError, match=r"strobe\.json: task is no object"):
        open_run(tmp_path / "run")


def test_none_that_can_be_read_is_an_error_that_names_one(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for step in (1, 2):
        (tmp_path / "run" / f"step{step}.safetensors").write_bytes(b"\xff" * 8 + b"{" + bytes(50))
    with pytest.raises(CheckpointError, match=r"none of 2 checkpoints can be read: .*step1\.safetensors: declares"):
        ingest([tmp_path / "run"], tmp_path / "store")
