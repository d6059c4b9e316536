"""Storage without locks: a commit over another's version is refused, and nobody's rows are lost."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from etl.errors import StoreError
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from etl.store.changes import Changes
from etl.store.claims import CLAIM_S, ConflictError
from etl.store.files import Files
from etl.store.manage import check_parts, remove_run
from etl.store.pointer import pointer_name, read_pointer, remove_unnamed
from etl.store.schema import part_schema
from etl.store.store_file import prepare_store
from tests.support.make_run import make_run
from tests.support.object_store import ObjectStore

POINTER = pointer_name("alpha")


@pytest.fixture
def objects() -> ObjectStore:
    return ObjectStore()


@pytest.fixture
def files(objects: ObjectStore) -> Files:
    files = Files("bucket/store", pafs.PyFileSystem(objects))
    prepare_store(files)
    return files


def changes(files: Files, step: int) -> Changes:
    """One more row of the run's curve, written but not committed."""
    made = Changes(files, read_pointer(files, "alpha"))
    row = {"attempt": 0, "name": "loss", "step": step, "value": 1.0}
    made.append("scalars", pa.Table.from_pylist([row], part_schema("scalars")))
    return made


def steps(files: Files) -> list[int]:
    return sorted(Store(files).sql("SELECT step FROM scalars")["step"].to_pylist())


@pytest.mark.parametrize("kind", ["local", "objects"])
def test_a_commit_over_anothers_version_is_refused(files: Files, tmp_path: Path, kind: str) -> None:
    files = files if kind == "objects" else Files(tmp_path / "store")
    prepare_store(files)
    first, second = changes(files, 1), changes(files, 2)
    assert first.commit({})
    before = files.read(POINTER)
    with pytest.raises(ConflictError, match="another writer changed the run since it was read"):
        second.commit({})
    assert files.read(POINTER) == before
    assert steps(files) == [1]
    assert changes(files, 2).commit({})
    assert steps(files) == [1, 2]


def test_a_run_that_was_removed_and_made_again_is_another_version(files: Files) -> None:
    changes(files, 1).commit({})
    late = changes(files, 2)
    remove_run(files, "alpha")
    changes(files, 3).commit({})
    with pytest.raises(ConflictError):
        late.commit({})
    assert steps(files) == [3]


def test_who_sees_anothers_claim_withdraws(files: Files, objects: ObjectStore) -> None:
    mine = changes(files, 1)
    with files.replacing(POINTER):
        with pytest.raises(ConflictError, match="another writer is changing it"):
            mine.commit({})
        assert not files.exists(POINTER)
    assert mine.commit({})
    assert not [name for name in objects.objects if "claim" in name]


def test_the_claim_of_a_killed_writer_expires(files: Files, objects: ObjectStore) -> None:
    claim = "bucket/store/runs/alpha/.claim-dead"
    mine = changes(files, 1)
    files.put("runs/alpha/.claim-dead", b"")
    with pytest.raises(ConflictError):
        mine.commit({})
    objects.objects[claim] = (b"", objects.objects[claim][1] - CLAIM_S - 1)
    assert mine.commit({})
    assert claim not in objects.objects


def test_what_another_is_about_to_commit_is_not_removed(files: Files, objects: ObjectStore) -> None:
    changes(files, 1).commit({})
    other = changes(files, 2)
    assert remove_unnamed(files, read_pointer(files, "alpha")) == 0
    other.commit({})
    assert steps(files) == [1, 2]
    lost = changes(files, 3).parts("scalars")[-1].file
    data, written = objects.objects[f"bucket/store/{lost}"]
    objects.objects[f"bucket/store/{lost}"] = (data, written - 24 * 3600)
    assert remove_unnamed(files, read_pointer(files, "alpha")) == 1


def test_many_writers_at_once_lose_nothing(files: Files) -> None:
    committed: list[int] = []

    def work(own: int) -> None:
        for step in range(own, own + 5):
            while True:
                try:
                    changes(files, step).commit({"step": step})
                except ConflictError:
                    continue
                committed.append(step)
                break

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(committed) == steps(files)
    assert read_pointer(files, "alpha").version == 15


def test_without_the_comparison_rows_would_be_lost(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail: the second commit then wins over the first."""
    first, second = changes(files, 1), changes(files, 2)
    first.commit({})
    monkeypatch.setattr("etl.store.pointer.read_pointer", lambda files, run: second._pointer)
    second.commit({})
    monkeypatch.undo()
    assert steps(files) == [2]


def test_a_store_on_objects_is_read_as_any_other(files: Files, tmp_path: Path) -> None:
    run = make_run(tmp_path / "alpha", layers=1, width=4, heads=1, metrics_every=50)
    ingest([run], files)
    store = Store(files)
    stored = store.run("alpha")
    assert stored.steps() == [0, 100, 200]
    catalogue = store.current()
    assert store.current() is catalogue
    (part,) = catalogue.parts("tensors")
    assert Path(part.path).is_file()
    assert files.local_path(stored.pointer.tables["tensors"][0].file) == part.path
    assert Path(part.path).read_bytes() == files.read(stored.pointer.tables["tensors"][0].file)


def test_places_are_told_relative_to_a_store_that_they_travel_with(tmp_path: Path, files: Files) -> None:
    local = Files(tmp_path)
    inside = tmp_path / "runs" / "a" / "snapshots"
    inside.mkdir(parents=True)
    assert (local.place_of(inside), local.recording_at("runs/a/snapshots")) == ("runs/a/snapshots", inside)
    assert (files.place_of(inside), files.recording_at(str(inside))) == (str(inside), inside)
    assert files.recording_at("runs/a/snapshots") is None
    assert local.recording_at("runs/b") is None


def test_a_file_is_no_store(tmp_path: Path, objects: ObjectStore) -> None:
    (tmp_path / "file").write_text("x")
    objects.objects["bucket/file"] = (b"x", 0.0)
    for place in (Files(tmp_path / "file"), Files("bucket/file", pafs.PyFileSystem(objects))):
        with pytest.raises(StoreError, match="file: is a file; a store is a folder"):
            prepare_store(place)
        with pytest.raises(StoreError, match="is a file; a store is a folder"):
            Store(place)


def test_nothing_is_wrong_with_parts_on_objects(files: Files) -> None:
    made = changes(files, 1)
    made.append("runs", pa.Table.from_pylist([{"name": "alpha"}], part_schema("runs")))
    made.commit({})
    assert list(check_parts(files)) == [None, None]
