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
from tests.support.places import ROOT


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
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
    for shown, what in (("m", "first"), ("v", "second")):
        page.session_state["adam"] = shown
        assert f"L2 norm of Adam's {what} moment" in said(page.run())


def said(page: Any) -> str:
    assert not page.exception
    return html.unescape(" ".join(element.proto.body for element in page.get("html")))
