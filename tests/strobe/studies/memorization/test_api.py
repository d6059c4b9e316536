"""The study from Python, and the notebook that uses it."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

import strobe
from tests.support.places import ROOT

NOTEBOOK = ROOT / "notebooks" / "memorization.ipynb"


def cells() -> list[str]:
    made = json.loads(NOTEBOOK.read_text())["cells"]
    return ["".join(cell["source"]) for cell in made if cell["cell_type"] == "code"]


def test_a_result_opens_as_tables(tmp_path: Path) -> None:
    seen: list[int] = []
    result = strobe.run_memorization(
        "example", out=tmp_path / "mem", store=tmp_path / "store", epochs=(1, 2), passages=12, longest=24, layers=2,
        heads=2, width=16, threads=1, device="cpu", on_step=lambda step, _: seen.append(step),
    )  # fmt: skip
    assert seen == list(range(13))
    assert (result.run, result.passages.num_rows, result.compression.num_rows) == ("mem", 24, 24)
    assert set(result.findings["verdict"].to_pylist()) <= {"found", "not found", "cannot tell", "monotone", "linear"}
    assert result.summary.num_rows == 4
    assert result.report.startswith("# Memorization study mem\n")
    assert result.lead in result.report


def test_the_notebook_holds_no_outputs_and_parses() -> None:
    assert all(not cell.get("outputs") for cell in json.loads(NOTEBOOK.read_text())["cells"])
    for source in cells():
        compile(source, str(NOTEBOOK), "exec")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROBE_NOTEBOOK_MODE", "example")
    names: dict[str, Any] = {"__name__": "__main__"}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for source in cells():
            exec(compile(source, str(NOTEBOOK), "exec"), names)
    assert names["result"].study.layers == 3
    assert "tests survive correction." in said.getvalue()
