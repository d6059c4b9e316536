"""The page of definitions and the analyses in the code say the same."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from etl.store.schema import TABLES
from strobe.derive import heads, registry
from strobe.derive.registry import ANALYSES
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "analyses.md").read_text()
STORE = (ROOT / "docs" / "store.md").read_text()


def documented(page: str) -> dict[str, int]:
    return {name: int(version) for name, version in re.findall(r"^\| `(\w+)` \| (\d+) \|", page, re.MULTILINE)}


def definitions() -> dict[str, int]:
    return {table: analysis.definition for table, analysis in ANALYSES.items()}


def test_every_version_is_documented() -> None:
    assert documented(PAGE) == definitions()


def test_a_forgotten_version_is_noticed() -> None:
    assert documented(PAGE.replace("| `heads` | 1 |", "| `heads` | 2 |")) != definitions()


@pytest.mark.parametrize("table", ANALYSES)
def test_every_column_is_documented(table: str) -> None:
    (line,) = re.findall(rf"^\| `{table}` \|.*$", STORE, re.MULTILINE)
    words = set(re.findall(r"\w+", line))
    assert {name for name, _ in ANALYSES[table].columns} - words == set()


def test_the_store_knows_the_columns_of_every_analysis() -> None:
    for table, analysis in ANALYSES.items():
        assert TABLES[table].names == ["run", *(name for name, _ in analysis.columns), "definition", "note"]


def test_those_of_snapshots_come_first_in_the_order_that_people_see() -> None:
    assert list(ANALYSES) == [
        "spectra", "fourier", "heads", "neurons", "progress", "samples", "coarseness", "transitions", "loss_check",
        "passages", "compression", "findings",
        "neuron_history", "health", "health_tensors",
    ]  # fmt: skip


def test_two_analyses_of_one_table_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "ANALYSIS", replace(heads.ANALYSIS, table="spectra"))
    with pytest.raises(ValueError, match="two analyses fill the table 'spectra'"):
        registry.find()
    monkeypatch.undo()
    registry.find()
