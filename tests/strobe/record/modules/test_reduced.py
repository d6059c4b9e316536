"""Statistics of tensors where they lie: the same as an ingest takes of the tensors themselves."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import strobe
from etl.ingest.load import ingest
from etl.ingest.statistics import statistics
from etl.store.catalogue import Store
from strobe.record.modules.reduced import STATISTICS, _statistics, on_device, vectors
from tests.support.watched import faults, recorded, trained


def told(tensor: Tensor) -> dict[str, float]:
    vector = vectors({"t": tensor})["t"]
    assert not isinstance(vector, Exception)
    return dict(zip(STATISTICS, vector.tolist(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int32])
def test_the_device_reduces_as_the_ingest_does(dtype: torch.dtype) -> None:
    tensor = (torch.randn(50, 7) * 100).to(dtype)
    if dtype.is_floating_point:
        tensor[3, 2], tensor[4, 4], tensor[0, 0] = math.nan, math.inf, 0.0
    due = statistics(tensor.double().numpy())
    np.testing.assert_allclose(_statistics(on_device(tensor).tolist()), due, rtol=1e-9)
    assert math.isnan(_statistics(on_device(torch.tensor([math.nan])).tolist()).l2)


def test_each_odd_tensor_has_its_answer() -> None:
    sparse = torch.sparse_coo_tensor(torch.tensor([[1, 3]]), torch.tensor([-2.0, 4.0]), (8,), check_invariants=True)
    dense = dict(zip(STATISTICS, vectors({"t": sparse.to_dense()})["t"], strict=True))
    assert told(sparse) == pytest.approx(dense, nan_ok=True)
    assert told(torch.tensor([3 + 4j]))["abs_max"] == 5.0
    assert told(torch.tensor(2.0))["n"] == 1
    assert told(torch.ones(3).to(torch.float8_e4m3fn))["mean"] == 1.0
    assert isinstance(vectors({"t": torch.zeros(0)})["t"], Exception)
    assert isinstance(vectors({"t": None})["t"], Exception)


def rows(folder: Path, store: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    ingest([folder], store)
    found = Store(store).sql("SELECT * FROM tensors WHERE section IN ('params', 'grads')").to_pylist()
    return {(row["section"], row["tensor"], row["layer"], row["step"]): row for row in found}


def run(folder: Path, **options: Any) -> None:
    torch.manual_seed(0)
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    data = torch.randn(3, 5, 4)
    with strobe.watch(model, optimizer, folder, **options):
        trained(model, optimizer, lambda _: model(data).square().mean(), 3)


def test_a_run_of_statistics_has_the_rows_of_a_run_of_tensors(tmp_path: Path) -> None:
    run(tmp_path / "full", every=1)
    run(tmp_path / "stats", every=1, keep="stats")
    full, stats = rows(tmp_path / "full", tmp_path / "a"), rows(tmp_path / "stats", tmp_path / "b")
    assert full.keys() == stats.keys()
    assert len(full) == 24 * (4 + 3)
    measured = [name for name in next(iter(full.values())) if name not in ("run", "section", "tensor")]
    for key, row in full.items():
        one, other = (
            [math.nan if each[name] is None else each[name] for name in measured] for each in (stats[key], row)
        )
        assert one == pytest.approx(other, rel=1e-6, nan_ok=True)
    assert faults(tmp_path / "stats") == []
    (said,) = Store(tmp_path / "b").sql("SELECT n_params, n_layer FROM runs").to_pylist()
    assert said == {"n_params": 344, "n_layer": 2}


def test_between_snapshots_the_update_is_that_of_one_step(tmp_path: Path) -> None:
    run(tmp_path / "full", every=1)
    run(tmp_path / "stats", every=2, keep={"params": "stats"}, log=("params", "grads"))
    name = "layers.0.linear1.weight"
    before, after = (recorded(tmp_path / "full", step, f"params/{name}").astype(float) for step in (1, 2))
    vector = recorded(tmp_path / "stats", 2, f"stats/params%2F{name}")
    change = np.linalg.norm(after - before)
    assert vector[-2:] == pytest.approx([change, change / np.linalg.norm(before)])
    assert np.isnan(recorded(tmp_path / "stats", 0, f"stats/params%2F{name}")[-2:]).all()
    assert recorded(tmp_path / "stats", 2, f"grads/{name}").shape == (8, 4)
    assert rows(tmp_path / "stats", tmp_path / "b")["params", "layers.linear1.weight", 0, 2]["delta_l2"] is None


def test_what_else_moves_the_weights_between_two_steps_is_no_part_of_an_update(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    stood: list[Tensor] = []
    optimizer.register_step_pre_hook(lambda *_: stood.append(model.weight.detach().clone()))
    optimizer.register_step_post_hook(lambda *_: stood.append(model.weight.detach().clone()))
    with strobe.watch(model, optimizer, tmp_path / "run", every=1, keep="stats"):
        for _ in range(4):
            optimizer.zero_grad()
            model(torch.ones(5, 3)).square().sum().backward()
            optimizer.step()
            with torch.no_grad():
                model.weight.mul_(0.5)
    for step in (1, 2, 3, 4):
        before, after = stood[2 * step - 2 : 2 * step]
        change = (after - before).norm()
        told = recorded(tmp_path / "run", step, "stats/params%2Fweight")[-2:]
        assert told == pytest.approx([float(change), float(change / before.norm())], rel=1e-5)


def test_what_an_optimizer_keeps_is_a_number_already(tmp_path: Path) -> None:
    run(tmp_path / "stats", every=1, keep="stats", log=("params", "optimizer"))
    run(tmp_path / "full", every=1, log=("params", "optimizer"))
    for name in ("m_l2.layers.0.linear1.weight", "lr.layers.0.linear1.weight"):
        one, other = (recorded(tmp_path / run, 2, f"optimizer/{name}") for run in ("stats", "full"))
        assert one == other
        assert one > 0
    counted = []
    for name in ("stats", "full"):
        ingest([tmp_path / name], tmp_path / "store")
        counted.append(Store(tmp_path / "store").sql(
            "SELECT section, tensor, layer, step, n FROM tensors WHERE starts_with(section, 'adam_') AND run = $1 "
            "ORDER BY ALL", [name],
        ).to_pylist())  # fmt: skip
    assert counted[0] == counted[1]
    assert len(counted[0]) == 24 * 3 * 4
    assert all(row["n"] for row in counted[0])


@pytest.mark.parametrize("keep", ["some", {"params": "half"}, {"weights": "stats"}])
def test_other_words_are_refused(tmp_path: Path, keep: Any) -> None:
    with pytest.raises(strobe.record.RecorderError, match='give "full" or "stats"'):
        run(tmp_path / "run", keep=keep)
