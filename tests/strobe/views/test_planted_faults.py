"""Faults that were planted into small trainings, recorded in one line, are each named with tensor and step."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import strobe
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views.health import Health, health
from strobe.views.run_view import CatalogueTables

STEPS = 8
SINCE = 4
"""The step at which what does not hold from the beginning is planted."""


class Model(nn.Module):
    """Two layers, and a parameter that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 1)
        self.spare = nn.Parameter(torch.ones(4))
        self.cut = False

    def forward(self, x: Any) -> Any:
        inner = torch.tanh(self.first(x))
        return self.second(inner.detach() if self.cut else inner)


def nothing(model: Model, optimizer: Any, step: int) -> None:
    """A healthy run: the spare parameter moves too."""


def learning_rate_of_zero(model: Model, optimizer: Any, step: int) -> None:
    optimizer.param_groups[0]["lr"] = 0.0


def not_trained(model: Model, optimizer: Any, step: int) -> None:
    model.first.requires_grad_(False)


def detached(model: Model, optimizer: Any, step: int) -> None:
    model.cut = True


def rounds_away(model: Model, optimizer: Any, step: int) -> None:
    if step == 0:
        model.bfloat16()
        nn.init.ones_(model.first.weight)
        nn.init.ones_(model.first.bias)
    optimizer.param_groups[0]["lr"] = 1e-7


def not_finite(model: Model, optimizer: Any, step: int) -> None:
    if step == SINCE:
        with torch.no_grad():
            model.spare[2] = math.nan


Fault = Callable[[Model, Any, int], None]
FAULTS: dict[str, tuple[Fault, float]] = {
    "healthy": (nothing, 1.0), "lr0": (learning_rate_of_zero, 1.0), "fixed": (not_trained, 1.0),
    "detached": (detached, 1.0), "rounds": (rounds_away, 1.0), "nan": (not_finite, 1.0),
    "exploding": (nothing, 1e3), "vanishing": (nothing, 1e-8),
}  # fmt: skip
"""By the run: what is done before each step, and where it is not 1 the norm of every gradient from step 4 on."""


def train(folder: Path, fault: Fault, norm: float) -> None:
    torch.manual_seed(0)
    model = Model()
    groups = [{"params": model.first.parameters()}, {"params": [*model.second.parameters(), model.spare]}]
    optimizer = torch.optim.SGD(groups, lr=1e-2)
    fault(model, optimizer, 0)
    with strobe.watch(model, optimizer, folder, every=1) as watcher:
        for step in range(STEPS):
            fault(model, optimizer, step)
            x = torch.randn(32, 8).to(model.second.weight.dtype)
            optimizer.zero_grad()
            ((model(x) - x.sum(1, keepdim=True)) ** 2).mean().backward()
            model.spare.grad = torch.ones_like(model.spare)
            for parameter in model.parameters():
                if parameter.grad is not None and step >= SINCE and norm != 1.0:
                    parameter.grad *= norm / parameter.grad.norm()
            optimizer.step()
            watcher.step()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> CatalogueTables:
    root = tmp_path_factory.mktemp("faults")
    for name, (fault, norm) in FAULTS.items():
        train(root / name, fault, norm)
    ingest([root], root / "store")
    return CatalogueTables(Store(root / "store").current())


def found(state: Health) -> dict[str, tuple[str, int]]:
    """Tensor -> what is wrong with it first, and since which step, of what is worth a warning."""
    troubles = [alert for alert in state.alerts if alert.kind != "zero gradient"]
    return {alert.tensor: (alert.kind, alert.first_step) for alert in reversed(troubles)}


FIRST = ("first.weight", "first.bias")
EVERY = (*FIRST, "second.weight", "second.bias", "spare")


@pytest.mark.parametrize(
    ("run", "tensors", "kind", "step"),
    [
        ("lr0", FIRST, "frozen", 3),
        ("detached", FIRST, "frozen", 3),
        ("rounds", FIRST, "frozen", 3),
        ("nan", ("spare",), "weights not finite", SINCE),
        ("exploding", EVERY, "exploding gradient", SINCE),
        ("vanishing", EVERY, "vanishing gradient", SINCE),
    ],
)
def test_a_planted_fault_is_named_with_tensor_and_step(
    tables: CatalogueTables, run: str, tensors: tuple[str, ...], kind: str, step: int
) -> None:
    state = health(tables, run)
    assert found(state) == dict.fromkeys(tensors, (kind, step))
    assert f"{kind} at step {step}" in state.sentence()
    assert state.troubled == len(tensors)


def test_what_is_frozen_on_purpose_is_named_and_is_no_trouble(tables: CatalogueTables) -> None:
    state = health(tables, "fixed")
    assert found(state) == dict.fromkeys(FIRST, ("frozen on purpose (requires_grad=False)", 0))
    assert (state.troubled, state.frozen) == (0, 2)
    assert state.sentence().startswith("No trouble in 5 tensors")
    assert "Frozen on purpose (requires_grad=False): first.bias, first.weight." in state.sentence()


def test_a_healthy_run_raises_nothing(tables: CatalogueTables) -> None:
    state = health(tables, "healthy")
    assert state.alerts == []
    assert state.sentence().startswith("No trouble in 5 tensors")
