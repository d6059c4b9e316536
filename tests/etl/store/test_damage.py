"""A damaged part, pointer or store.json costs its own run's table; the rest is served, and the remedy mends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.damaged_store import (
    ALPHA,
    TABLES,
    assert_beta_is_read,
    assert_commands_about_beta,
    assert_mended,
    assert_pages_of_beta,
    call,
    part_of,
    template,
    told,
)
from tests.support.damages import PART, POINTER, STORE_FILE, copy_of

PARTS = [(table, 0, harm) for table in TABLES for harm in PART] + [("scalars", 1, harm) for harm in PART]
FEW_PARTS = [
    ("runs", 0, "gone"), ("attempts", 0, "flip in a page"), ("metrics", 0, "a pipe"), ("scalars", 1, "gone"),
    ("tensors", 0, "flip in a page"), ("snapshots", 0, "a folder"), ("heads", 0, "flip in the footer"),
]  # fmt: skip
FEW_POINTERS = ["half", "a path upwards", "a pipe", "a flipped bit"]
FEW_STORE_FILES = ["a pipe", "another format"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STROBE_STORE", raising=False)
    monkeypatch.delenv("STROBE_READ_ONLY", raising=False)
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    monkeypatch.setattr("strobe.doctor.example_path", lambda: None)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return copy_of(template(), tmp_path / "store")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    return lambda path: monkeypatch.setenv("STROBE_STORE", str(path))


@pytest.mark.parametrize(("table", "number", "harm"), FEW_PARTS)
def test_a_damaged_part_costs_its_table(store: Path, table: str, number: int, harm: str) -> None:
    part = part_of(store, table, number)
    PART[harm](part)
    assert_beta_is_read(store, [ALPHA, table, part.name], table)
    assert_mended(store, f"strobe ingest --rebuild {ALPHA}")


@pytest.mark.parametrize("harm", FEW_POINTERS)
def test_a_damaged_pointer_costs_its_run(store: Path, harm: str) -> None:
    POINTER[harm](store / "runs" / ALPHA / "_parts.json")
    assert_beta_is_read(store, [ALPHA, "_parts.json"])
    assert_mended(store, f"strobe ingest --rebuild {ALPHA}")


@pytest.mark.parametrize("harm", FEW_STORE_FILES)
def test_a_damaged_store_file_costs_nothing(store: Path, harm: str) -> None:
    STORE_FILE[harm](store / "store.json")
    assert_beta_is_read(store, ["store.json"])
    assert_mended(store, f"rm -r {store / 'store.json'}")


@pytest.mark.slow
@pytest.mark.parametrize(("table", "number", "harm"), PARTS)
def test_every_damage_to_a_part(store: Path, use: Callable[[Path], None], table: str, number: int, harm: str) -> None:
    part = part_of(store, table, number)
    PART[harm](part)
    assert_pages_of_beta(store, use, [ALPHA, table], ["runs", "curves", "sql"])
    assert_commands_about_beta(store)
    assert_beta_is_read(store, [ALPHA, table, part.name], table)
    assert_mended(store, f"strobe ingest --rebuild {ALPHA}")


@pytest.mark.slow
@pytest.mark.parametrize("harm", POINTER)
def test_every_damage_to_a_pointer(store: Path, use: Callable[[Path], None], harm: str) -> None:
    POINTER[harm](store / "runs" / ALPHA / "_parts.json")
    assert_pages_of_beta(store, use, [ALPHA], ["runs", "curves", "sql"])
    assert_commands_about_beta(store)
    assert_beta_is_read(store, [ALPHA, "_parts.json"])
    assert_mended(store, f"strobe ingest --rebuild {ALPHA}")


@pytest.mark.slow
@pytest.mark.parametrize("harm", STORE_FILE)
def test_every_damage_to_the_store_file(store: Path, use: Callable[[Path], None], harm: str) -> None:
    STORE_FILE[harm](store / "store.json")
    assert_pages_of_beta(store, use, ["store.json"], ["runs", "curves", "sql"])
    assert_commands_about_beta(store)
    assert_beta_is_read(store, ["store.json"])
    assert_mended(store, f"rm -r {store / 'store.json'}")


@pytest.mark.parametrize("harm", ["gone", "a folder", "a pipe"])
def test_a_damaged_run_can_always_be_removed(store: Path, harm: str) -> None:
    for table in TABLES:
        PART[harm](part_of(store, table))
    if harm != "gone":
        POINTER[harm](store / "runs" / ALPHA / "_parts.json")
    result = call("rm", ALPHA, "--store", str(store))
    assert result.exit_code == 0, told(result)
    assert not [path for path in store.rglob("*") if ALPHA in str(path.relative_to(store))]
    assert call("doctor", "--store", str(store)).exit_code == 0
