"""Optimizers that do without what most have: none costs the training anything, nor the record of the others."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import strobe
from etl.run.attempts import read_attempts
from strobe.record.monitor import Kind, WeightMonitor
from strobe.record.monitor.parameters import settings
from tests.support.watched import recorded, spec, steps, trained

ALL = ("params", "grads", "optimizer", "buffers")


class OwnRate(torch.optim.Optimizer):
    """Its learning rate is its own affair, as that of Adafactor is: None in the group; and a step has arguments."""

    def __init__(self, parameters: Any, **more: Any) -> None:
        super().__init__(parameters, {"lr": None, **more})
        self.given: list[Any] = []

    @torch.no_grad()
    def step(self, closure: Any = None, scale: float = 1.0, *, more: Any = None) -> Any:  # type: ignore[override]
        self.given.append((scale, more))
        if closure is not None:
            with torch.enable_grad():
                closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= 0.1 * parameter.grad


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def loss_of(model: nn.Module) -> Any:
    return lambda step: model(torch.full((2, 3), step + 1.0)).square().mean()


def test_one_without_a_learning_rate(tmp_path: Path) -> None:
    model, same = linear(), linear()
    optimizer = OwnRate(model.parameters())
    with strobe.watch(model, optimizer, tmp_path / "run", every=1, log=ALL, monitor=True) as run:
        trained(model, optimizer, loss_of(model), 3)
    trained(same, OwnRate(same.parameters()), loss_of(same), 3)
    assert all(map(torch.equal, model.parameters(), same.parameters()))
    assert steps(tmp_path / "run") == [0, 1, 2, 3]
    assert spec(tmp_path / "run", 0, "optimizer/lr.weight")["missing"] == "the optimizer has no learning rate of it"
    assert not run.status.why, "nothing is lost that should be there"
    assert math.isnan(settings(optimizer)[id(model.weight)].learning_rate)


def test_what_else_a_step_is_given_reaches_it(tmp_path: Path) -> None:
    model = linear()
    optimizer = OwnRate(model.parameters())

    def closure() -> None:
        optimizer.zero_grad()
        loss_of(model)(0).backward()

    with strobe.watch(model, optimizer, tmp_path / "run", every=1):
        optimizer.step(closure, 0.5, more="more")
        optimizer.step(closure=closure, scale=0.25)
    assert optimizer.given == [(0.5, "more"), (0.25, None)]
    assert recorded(tmp_path / "run", 1, "grads/weight").any()


def test_a_setting_that_is_an_array_or_a_tensor(tmp_path: Path) -> None:
    model = linear()
    groups = [{"params": [p], "table": np.arange(3), "lr": torch.tensor(0.125)} for p in model.parameters()]
    with strobe.watch(model, torch.optim.SGD(groups), tmp_path / "run") as run:
        told = run.manifest["training"]
    assert (told["learning_rate"], "table" in told) == (0.125, False)


class Hidden(nn.Module):
    """Half of it stands in a plain list, where torch does not see it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.hidden = nn.Linear(3, 3), [nn.Linear(3, 3)]

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden[0](self.seen(x))


def test_what_the_optimizer_updates_and_the_model_does_not_name_is_told_on_disk(tmp_path: Path) -> None:
    model = Hidden()
    optimizer = torch.optim.Adam([*model.parameters(), *model.hidden[0].parameters()])
    with strobe.watch(model, optimizer, tmp_path / "run", every=1):
        trained(model, optimizer, loss_of(model), 2)
    (why,) = read_attempts(tmp_path / "run")[0].lost["why"]
    assert why.startswith("what else the optimizer updates: 2 of its 4 parameters are not among the model's")
    assert steps(tmp_path / "run") == [0, 1, 2]


class Odd(nn.Module):
    """One parameter of each odd kind beside a plain one, and one that is complex and trained."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Parameter(torch.ones(3))
        self.wave = nn.Parameter(torch.ones(2, dtype=torch.complex64))
        self.nowhere = nn.Parameter(torch.empty(2, 2, device="meta"))
        self.narrow = nn.Parameter(torch.ones(4).to(torch.float8_e4m3fn), requires_grad=False)
        self.thin = nn.Parameter(torch.eye(2).to_sparse(), requires_grad=False)
        self.empty = nn.Parameter(torch.ones(0, 3))
        self.lazy = nn.LazyLinear(3)
        self.register_buffer("nested", torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("keep", ["full", "stats"])
def test_odd_parameters_cost_neither_moments_nor_the_monitor_anything(tmp_path: Path, keep: str) -> None:
    model, monitor = Odd(), WeightMonitor()
    optimizer = torch.optim.Adam([model.plain, model.wave], lr=0.1)
    with strobe.watch(model, optimizer, tmp_path / "run", every=1, log=ALL, keep=keep, monitor=monitor) as run:
        trained(model, optimizer, lambda _: model.plain.square().sum() + model.wave.abs().sum(), 3)
    assert run.status.missed == 0
    assert not [why for why in run.status.why if "monitor" in why or "updates" in why]
    assert [why for why in run.status.why if why.endswith("nested: is nested: its parts are of several shapes")]
    moment = optimizer.state[model.wave]["exp_avg"]
    found = recorded(tmp_path / "run", 3, "optimizer/m_l2.wave")
    np.testing.assert_allclose(found, float(torch.linalg.vector_norm(moment)), rtol=1e-6)
    assert {stats.tensor for stats in monitor.updates} == {"plain", "wave", "narrow"}
    assert {finding.tensor for finding in monitor.findings if finding.kind is Kind.NOT_TRAINED} == {"narrow", "thin"}


def test_a_moment_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    model = linear()
    optimizer = torch.optim.Adam(model.parameters())
    with strobe.watch(model, optimizer, tmp_path / "run", every=1, log=ALL) as run:
        trained(model, optimizer, loss_of(model), 1)
        optimizer.state[model.bias] = {"exp_avg": "packed", "exp_avg_sq": torch.ones(2), "step": torch.tensor(1.0)}
        run.snapshot()
    assert steps(tmp_path / "run") == [0, 1]
    assert "AttributeError" in spec(tmp_path / "run", 1, "optimizer/m_l2.bias")["missing"]
    assert recorded(tmp_path / "run", 1, "optimizer/m_l2.weight") > 0


def test_a_failing_schedule_is_told_on_disk_though_no_snapshot_was_due(tmp_path: Path) -> None:
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def every(step: int) -> bool:
        raise KeyError(step)

    with strobe.watch(model, optimizer, tmp_path / "run", every=every):
        trained(model, optimizer, loss_of(model), 3)
    assert sum(read_attempts(tmp_path / "run")[0].lost["why"].values()) == 3


def test_a_watched_model_and_its_optimizer_can_be_copied_and_saved(tmp_path: Path) -> None:
    model = linear()
    optimizer = torch.optim.Adam(model.parameters())
    with strobe.watch(model, optimizer, tmp_path / "run", every=1) as run:
        trained(model, optimizer, loss_of(model), 2)
        for thing in (model, optimizer, (model, optimizer)):
            copy.deepcopy(thing)
            torch.save(thing, tmp_path / "saved.pt")
        twin = copy.deepcopy(model)
        trained(twin, torch.optim.SGD(twin.parameters(), lr=0.1), loss_of(twin), 1)
        assert run.updates == 2, "a copy is another model"
