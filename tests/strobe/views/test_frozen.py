"""What is frozen on purpose, and what becomes of it when it is thawed, or frozen later."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import strobe
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views.health import Health, health
from strobe.views.run_view import CatalogueTables


def trained(root: Path, keep: str, frozen: range, steps: int = 12) -> Health:
    """Of a model whose first layer is frozen in the given steps."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    model[0].requires_grad_(0 not in frozen)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with strobe.watch(model, optimizer, root / "run", every=1, keep=keep):
        for step in range(steps):
            model[0].requires_grad_(step not in frozen)
            optimizer.zero_grad()
            (model(torch.randn(8, 3)) - 1).square().mean().backward()
            optimizer.step()
    ingest([root / "run"], root / "store")
    return health(CatalogueTables(Store(root / "store").current()), "run")


def kinds(state: Health) -> dict[str, tuple[int, int]]:
    return {alert.kind: (alert.first_step, alert.last_step) for alert in state.alerts if alert.tensor == "0.weight"}


@pytest.mark.parametrize("keep", ["full", "stats"])
def test_frozen_from_the_beginning_is_a_state_until_it_is_thawed(tmp_path: Path, keep: str) -> None:
    state = trained(tmp_path, keep, range(5))
    assert kinds(state) == {"frozen on purpose (requires_grad=False)": (0, 5)}
    assert state.troubled == 0


def test_frozen_later_is_trouble(tmp_path: Path) -> None:
    state = trained(tmp_path, "full", range(5, 12))
    assert kinds(state) == {"frozen": (8, 12)}
    assert state.troubled == 2
