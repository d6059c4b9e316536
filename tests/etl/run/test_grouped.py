"""A tensor opens by the name that the tables have of it; one that is not there is told by its nearest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import strobe
from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.grouped import nearest
from etl.run.snapshot import SnapshotError
from tests.support.make_run import make_run


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(3, 3) for _ in range(11)])
        self.uneven = torch.nn.ModuleList([torch.nn.Linear(2, 3), torch.nn.Linear(3, 3)])


def test_every_name_of_the_tables_opens(tmp_path: Path) -> None:
    model = Model()
    strobe.watch(model, folder=tmp_path / "run", log="params").finish()
    ingest([tmp_path / "run"], tmp_path / "store")
    store = strobe.open(tmp_path / "store")
    rows = store.sql(
        "SELECT DISTINCT tensor, layer FROM tensors WHERE section = 'params' AND run = 'run'"
    ).to_pylist()
    assert len(rows) == 26
    for snapshot in (store.run("run").at(0), Run(tmp_path / "run").at(0)):
        for row in rows:
            own = snapshot[f"params/{row['tensor']}.{row['layer']}"]
            group, number = row["tensor"].split(".")[0], row["layer"]
            due = getattr(getattr(model, group)[number], row["tensor"].split(".")[1]).detach().numpy()
            np.testing.assert_array_equal(own, due)
        stacked = snapshot["params/layers.weight"]
        assert stacked.shape == (11, 3, 3)
        assert not stacked.flags.writeable
        np.testing.assert_array_equal(stacked[10], model.layers[10].weight.detach().numpy())
        with pytest.raises(SnapshotError, match="differs between layers; ask for one, as 'params/uneven.weight.0'"):
            snapshot["params/uneven.weight"]


def test_a_layer_of_a_stacked_tensor_opens(tmp_path: Path) -> None:
    snapshot = Run(make_run(tmp_path / "run", steps=(0,))).at(0)
    np.testing.assert_array_equal(snapshot["params/qkvw.0"], snapshot["params/qkvw"][0])
    with pytest.raises(SnapshotError, match="no tensor 'params/qkvw.99'; there are params/qkvw, params/wte"):
        snapshot["params/qkvw.99"]


def test_the_nearest_names_come_first() -> None:
    names = [f"params/layers.{k}.mlp.up_proj.weight" for k in range(100)]
    told = nearest("params/layers.77.mlp.up_proj.wieght", [*names, "grads/other"])
    assert told.startswith("params/layers.77.mlp.up_proj.weight, ")
    assert told.endswith(" and 80 more")
    assert nearest("nothing", ["params/a", "grads/a"]) == "params/a, grads/a"
