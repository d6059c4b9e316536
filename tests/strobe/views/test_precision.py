"""What panels say of tensors in fewer bits: the largest error that a manifest states, and else nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views.precision import rounded_up, stored_words
from strobe.views.run_view import CatalogueTables, RunView
from tests.support.make_run import make_run


def view(folder: Path, stored: dict[str, Any]) -> RunView:
    """A run whose manifest has these entries `stored`, by the tensor's name."""
    run = make_run(folder / "grok-a", steps=(0, 100), layers=1)
    manifest = json.loads((run / "manifest.json").read_text())
    for tensor in manifest["snapshot"]["tensors"]:
        if tensor["name"] in stored:
            tensor["stored"] = stored[tensor["name"]]
    ingest([run], folder / "store")
    (run / "manifest.json").write_text(json.dumps(manifest))
    return RunView(CatalogueTables(Store(folder / "store").current()), "grok-a")


def test_one_tensor_says_its_own_error_and_a_section_the_largest(tmp_path: Path) -> None:
    shown = view(
        tmp_path,
        {"params/wte": {"from": "float32", "max_error": 0.25}, "params/wpe": {"from": "float32", "max_error": 0.5}},
    )
    one = stored_words(shown, ["params/wte"])
    assert one == "Drawn from values in float32: at most 0.250 from those that were shared."
    assert "at most 0.500 " in stored_words(shown, ["params"])
    assert stored_words(shown, ["params/qkvw", "attention"]) == ""


@pytest.mark.parametrize("odd", [None, "x", {}, {"max_error": None}, {"max_error": True}, {"max_error": "0.1"}])
def test_a_manifest_that_states_something_else_says_nothing(tmp_path: Path, odd: object) -> None:
    assert stored_words(view(tmp_path, {"params/wte": odd}), ["params/wte"]) == ""


@pytest.mark.parametrize("error", [0.00110449, 0.5, 9.9949, 1e-30, 123456.0, 0.0, 0.9999])
def test_what_is_shown_is_a_bound_still_and_near(error: float) -> None:
    assert error <= rounded_up(error) <= error * 1.0101
