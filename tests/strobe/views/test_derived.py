"""What a page says of derived tables: ready, partly, missing or never."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from strobe.views.derived import Outdated, Readiness, has_rows, outdated, readiness
from strobe.views.run_view import CatalogueTables, RunView, snapshot_steps
from tests.support.planted import resume, run_folder


def view_of(store: Path) -> RunView:
    tables = CatalogueTables(Store(store).current(), str(store))
    return RunView(tables, "planted", snapshot_steps(tables, "planted"))


def ready(store: Path, *tables: str) -> Readiness:
    view = view_of(store)
    return readiness(view, tables, outdated(view, tables))


def filled(root: Path) -> Path:
    """A store of the planted run with `fourier` filled and `heads` not; the snapshots lie beside it."""
    ingest([run_folder(root / "run")], root / "store")
    store = Store(root / "store")
    Deriver(store, store.run("planted")).fill(["fourier"])
    return root / "store"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("derived"))


def test_ready(store: Path) -> None:
    assert ready(store, "fourier") == Readiness("ready")
    assert has_rows(view_of(store), "fourier")


def test_missing_says_how_many_snapshots_wait(store: Path) -> None:
    waiting = "3 of 3 snapshots are not analysed yet, or their rows are out of date (heads)."
    assert ready(store, "heads") == Readiness("missing", waiting)
    assert ready(store, "fourier", "heads") == Readiness("missing", waiting), "one is enough"
    assert not has_rows(view_of(store), "heads")


def test_partly_after_another_attempt_wrote_a_snapshot_again(tmp_path: Path) -> None:
    store = filled(tmp_path)
    resume(store.parent / "run", 200)
    ingest([store.parent / "run"], store)
    assert ready(store, "fourier") == Readiness(
        "partly", "1 of 3 snapshots are not analysed yet, or their rows are out of date (fourier)."
    )


def test_rows_stay_when_the_snapshots_are_gone(tmp_path: Path) -> None:
    store = filled(tmp_path)
    shutil.rmtree(tmp_path / "run")
    assert ready(store, "fourier") == Readiness("ready")
    assert ready(store, "heads") == Readiness("missing", "Not analysed yet.")


def test_a_damaged_table_is_not_one_that_was_never_made(tmp_path: Path) -> None:
    store = filled(tmp_path)
    (part,) = (store / "tables" / "fourier").glob("*/*.parquet")
    part.write_bytes(bytes(part.stat().st_size))
    sentence = "Cannot be read, and can be computed again: fourier."
    assert ready(store, "fourier") == Readiness("missing", sentence)
    assert ready(store, "heads", "fourier") == Readiness("missing", sentence), "the one that was there is named"
    opened = Store(store)
    Deriver(opened, opened.run("planted")).fill(["fourier"])
    assert ready(store, "fourier") == Readiness("ready")


def test_never_where_the_task_has_none(tmp_path: Path) -> None:
    ingest([run_folder(tmp_path / "run", (0,), {})], tmp_path / "store")
    found = ready(tmp_path / "store", "fourier")
    assert found.status == "never"
    assert found.sentence.startswith("Nothing to show for this run: ")


def test_what_the_run_can_have_does_not_make_up_for_what_it_cannot(tmp_path: Path) -> None:
    ingest([run_folder(tmp_path / "run", (0,), {})], tmp_path / "store")
    assert ready(tmp_path / "store", "heads").status == "missing"
    assert ready(tmp_path / "store", "heads", "fourier").status == "never"


def test_rows_that_are_not_known_to_be_old_are_shown(store: Path) -> None:
    """The caller looks at the snapshots once and for all tables; the tables themselves are asked each time."""
    view = view_of(store)
    assert readiness(view, ["fourier"], Outdated("The snapshots cannot be read.")).status == "partly"
    assert readiness(view, ["heads"], Outdated()) == Readiness("missing", "Not analysed yet.")
    assert readiness(view, ["fourier"], Outdated("Never.", never=True)) == Readiness("never", "Never.")
