"""What Adam keeps of every tensor, on the Health page."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

import strobe
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views.tensors import statistic_sql
from tests.support.places import ROOT


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    model = torch.nn.Linear(3, 2)
    groups: list[dict[str, Any]] = [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.1}]
    optimizer = torch.optim.Adam(groups, 0.01)
    with strobe.watch(model, optimizer, tmp_path / "adam", every=1, log=("params", "optimizer")):
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(1, 3)).sum().backward()
            optimizer.step()
    ingest([tmp_path / "adam"], tmp_path / "store")
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    at: Any = AppTest.from_file(str(ROOT / "pages" / "health.py"), default_timeout=60)
    at.query_params["run"] = "adam"
    return at.run()


def test_both_moments_and_the_step_are_shown(page: Any) -> None:
    assert "the size of Adam's next step" in said(page)
    assert "The learning rate is that of the tensor's own parameter group." in said(page)
    for shown, what in (("m", "first"), ("v", "second")):
        page.session_state["adam"] = shown
        assert f"L2 norm of Adam's {what} moment" in said(page.run())


def test_each_tensor_has_the_rate_of_its_own_group(page: Any, tmp_path: Path) -> None:
    rows = (
        Store(tmp_path / "store").sql("SELECT tensor, step, mean FROM tensors WHERE section = 'adam_lr'").to_pylist()
    )
    rates = {"weight": 0.01, "bias": 0.1}
    assert len(rows) == 2 * 4
    assert all(row["mean"] == pytest.approx(rates[row["tensor"]]) for row in rows)
    steps = Store(tmp_path / "store").sql(statistic_sql("adam", "adam-step")).to_pylist()
    # After updates by a constant gradient, m is (1 - 0.9^t) g and v is (1 - 0.999^t) g^2.
    expected = [(1 - 0.9**t) / (1 - 0.999**t) ** 0.5 for t in (1, 2, 3)]
    for name, rate in rates.items():
        found = [row["value"] for row in steps if row["tensor"] == name and row["step"] > 0]
        assert found == pytest.approx([rate * each for each in expected], rel=1e-4)


def said(page: Any) -> str:
    assert not page.exception
    return html.unescape(" ".join(element.proto.body for element in page.get("html")))
