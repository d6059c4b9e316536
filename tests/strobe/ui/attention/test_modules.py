"""The page of a run whose modules recorded attention of their own: a choice, and a link, say which is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from etl.ingest.load import ingest
from strobe.record import Recorder
from tests.support.places import ROOT


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=(2, 2, 3, 4)).astype(np.float32)
    axes = ("probe", "head", "query", "key")
    square = np.ascontiguousarray(weights[..., :4]) / weights[..., :4].sum(axis=-1, keepdims=True)
    tensors = [
        ("att", "attention", ("layer", *axes), square), ("decoder.0.cross", "attention", axes, weights[0]),
    ]  # fmt: skip
    with Recorder(tmp_path / "run", tensors, scalars=()) as recorder:
        recorder.snapshot(0)
    ingest([tmp_path / "run"], tmp_path / "store")
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (None, "Tokens look ahead too."),
        ("attention/decoder.0.cross", "4 queries on 5 keys, which are other positions."),
    ],
)
def test_the_module_that_is_looked_at_is_chosen(store: Path, module: str | None, said: str) -> None:
    at: Any = AppTest.from_file(str(ROOT / "pages" / "attention.py"), default_timeout=60)
    at.query_params["run"] = "run"
    if module:
        at.query_params["module"] = module
    at.run()
    assert not at.exception
    assert at.selectbox(key="module").value == (module or "attention/att")
    assert said in " ".join([*(each.proto.body for each in at.get("html")), *(each.value for each in at.caption)])


def test_the_explorer_shows_the_first_of_them(store: Path) -> None:
    at: Any = AppTest.from_file(str(ROOT / "pages" / "explorer.py"), default_timeout=60)
    at.query_params["run"] = "run"
    at.run()
    assert not at.exception
