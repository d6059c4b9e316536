"""What every source keeps to, on every storage that a store may lie on (the rules stand in `etl.ingest.source`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from etl.errors import StrobeError
from etl.ingest.find import find, sources
from etl.ingest.load import ingest
from etl.ingest.source import TableSource
from etl.store.catalogue import Store
from etl.store.files import Files
from etl.store.pointer import read_pointer, read_rows
from tests.support.effort import UNLESS_IN_CI
from tests.support.object_store import ObjectStore
from tests.support.recordings import EXAMPLES, STAGES, Example, toy_source

MakeFiles = Callable[[str], Files]
CASES = [
    *((source, "local") for source in EXAMPLES),
    # What is read does not know where the store lies: one of each manner will do.
    *((source, "objects") for source in ("snapshots", "loss_csv", "nanogpt", "trainer_state")),
]


@pytest.fixture(autouse=True)
def _with_the_toy() -> Iterator[None]:
    with toy_source():
        yield


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A source, and the manner of a store."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def source(case: tuple[str, str]) -> str:
    return case[0]


@pytest.fixture
def example(source: str) -> Example:
    return EXAMPLES[source]


@pytest.fixture
def storage(case: tuple[str, str], tmp_path: Path) -> MakeFiles:
    """Makes an empty store, by its name."""
    if case[1] == "local":
        return lambda name: Files(tmp_path / name)
    return lambda name: Files(f"bucket/{name}", pafs.PyFileSystem(ObjectStore()))


def everything(files: Files, folder: str = "") -> dict[str, bytes]:
    """Every file of a store but the locks, by name."""
    inside = {}
    for name in files.names(folder):
        path = f"{folder}/{name}".lstrip("/")
        if files.exists(path):
            inside[path] = files.read(path)
        else:
            inside |= everything(files, path)
    return {name: data for name, data in inside.items() if not name.endswith(".lock")}


_OF_THIS_STORE = {"runs": ["snapshots_path"], "imports": ["path", "read_at"], "snapshots": ["modified"]}


def rows(files: Files) -> dict[str, list[dict[str, str]]]:
    """Every table's rows, sorted, but for where the recording lies and when it was read: what two stores of it must
    agree on."""
    every: dict[str, list[dict[str, str]]] = {}
    for run in files.names("runs"):
        pointer = read_pointer(files, run)
        for table in pointer.tables:
            stored = read_rows(files, pointer, table).drop_columns(_OF_THIS_STORE.get(table, []))
            own = [{"run": run} | {name: repr(value) for name, value in row.items()} for row in stored.to_pylist()]
            every[table] = sorted([*every.get(table, []), *own], key=repr)
    return every


def test_every_source_has_an_example() -> None:
    assert sorted(sources()) == sorted(EXAMPLES)


def test_a_source_is_known_by_its_content(source: str, example: Example, tmp_path: Path) -> None:
    recording = example.stage(tmp_path, STAGES)
    renamed = recording.rename(tmp_path / "Some other name.dat")
    (one,) = find(renamed)
    every = sources()
    generic = [name for name in every if isinstance(every[name], TableSource)]
    knowing = [
        name for name, known in every.items() if known.find(renamed) and (name == source or name not in generic)
    ]
    assert knowing == [source]
    assert one.path == renamed


def test_what_it_is_not_is_refused_and_leaves_nothing(example: Example, tmp_path: Path, storage: MakeFiles) -> None:
    files = storage("store")
    for impostor in example.impostors(tmp_path):
        with pytest.raises(StrobeError, match=impostor.name):
            ingest([impostor], files)
    assert not files.names("tables")
    assert Store(files).runs().num_rows == 0


def test_twice_is_once(example: Example, tmp_path: Path, storage: MakeFiles) -> None:
    files, recording = storage("store"), example.stage(tmp_path, STAGES)
    (first,) = ingest([recording], files)
    assert first.changed
    assert first.metrics == example.values
    before = everything(files)
    (second,) = ingest([recording], files)
    assert (second.run, second.changed, second.metrics, second.snapshots) == (first.run, False, 0, 0)
    assert everything(files) == before


@pytest.mark.parametrize("case", [case for case in CASES if EXAMPLES[case[0]].grows], indirect=True, ids="-".join)
def test_what_grows_is_followed(example: Example, tmp_path: Path, storage: MakeFiles) -> None:
    files, whole = storage("store"), storage("whole")
    reports = []
    for number in range(1, STAGES + 1):
        reports += ingest([example.stage(tmp_path, number)], files)
    assert {report.run for report in reports} == {reports[0].run}, "what has grown is the same run"
    assert sum(report.metrics for report in reports) == example.values
    assert all(report.changed and not report.lost for report in reports)
    (at_once,) = ingest([example.stage(tmp_path, STAGES)], whole)
    assert sum(report.snapshots for report in reports) == at_once.snapshots
    assert rows(files) == rows(whole)


def test_another_recording_of_the_same_name_is_another_run(
    example: Example, tmp_path: Path, storage: MakeFiles
) -> None:
    files = storage("store")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    recording = example.stage(tmp_path / "a", STAGES)
    other, _ = example.damaged(tmp_path / "b")
    (first,) = ingest([recording], files)
    moved = recording.rename(tmp_path / recording.name)
    (again,) = ingest([moved], files)
    assert (again.run, again.metrics) == (first.run, 0), "a recording that was moved is the same run"
    if other.is_file():
        (second,) = ingest([other], files)
        assert second.run == f"{first.run}-2"


class KilledError(BaseException):
    """Stands for the end of the process: nothing catches it."""


class Mortal(Files):
    """Dies at one of its writes: before it, or when it is done."""

    lives = 0

    def _spend(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise KilledError

    def put(self, name: str, data: bytes) -> None:
        self._spend()
        super().put(name, data)
        self._spend()

    def put_table(self, name: str, table: pa.Table) -> None:
        self._spend()
        super().put_table(name, table)
        self._spend()


@pytest.mark.parametrize(
    "case",
    [
        *((source, "local") for source in ("snapshots", "loss_csv", "trainer_state")), ("loss_csv", "objects"),
        *(pytest.param((source, "objects"), marks=UNLESS_IN_CI) for source in ("snapshots", "trainer_state")),
    ],
    indirect=True,
)  # fmt: skip
def test_killed_at_any_write(
    case: tuple[str, str], example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = pafs.PyFileSystem(ObjectStore()) if case[1] == "objects" else None
    place = "bucket/store" if system else tmp_path / "store"
    # A claim that its killed writer left holds others off for a while; here they come later.
    monkeypatch.setattr("etl.store.claims.CLAIM_S", -1.0)
    # Nobody reads the version before any more.
    monkeypatch.setattr("etl.store.pointer.GRACE_S", 0.0)
    files = Files(place, system)
    ingest([example.stage(tmp_path, 2)], files)
    before = rows(files)
    recording = example.stage(tmp_path, STAGES)
    whole = Files(tmp_path / "whole")
    ingest([recording], whole)
    after, kills = rows(whole), 0
    while True:
        mortal = Mortal(place, system)
        mortal.lives = kills
        try:
            ingest([recording], mortal)
            break
        except KilledError:
            kills += 1
        state = rows(Files(place, system))
        assert state in (before, after), "a reader sees the state before or the one after"
        if state == after:
            break
    assert kills > 6
    ingest([recording], files)
    assert rows(files) == after
    (run,) = files.names("runs")
    named = [part for parts in read_pointer(files, run).tables.values() for part in parts]
    parts = [name for name in everything(files) if name.endswith(".parquet")]
    assert len(parts) == len(named), "the leavings of the killed are removed"


def test_damage_costs_what_is_damaged_and_is_told(example: Example, tmp_path: Path, storage: MakeFiles) -> None:
    files, whole = storage("store"), storage("whole")
    recording, expected = example.damaged(tmp_path)
    (report,) = ingest([recording], files)
    assert Counter(loss.file for loss in report.lost) == expected
    assert all(loss.reason and loss.where.startswith(loss.file) for loss in report.lost)
    # A report counts what is there: log values, and one loss for each line that holds one value of every name.
    logged = rows(files).get("scalars", [])
    ingest([example.stage(tmp_path, STAGES)], whole)
    undamaged = rows(whole)["scalars"]
    assert all(row in undamaged for row in logged)
    lines_lost = sum(count for name, count in expected.items() if not name.endswith(".bin"))
    steps = {(row["attempt"], row["step"]) for row in undamaged} - {(row["attempt"], row["step"]) for row in logged}
    assert len(steps) == lines_lost
    missing = [row for row in undamaged if (row["attempt"], row["step"]) in steps]
    assert report.metrics + len(missing) == example.values


@pytest.mark.parametrize("case", [("loss_csv", "local")], indirect=True)
def test_a_torn_line_is_counted_and_read_when_it_is_whole(tmp_path: Path, storage: MakeFiles) -> None:
    files = storage("store")
    path = tmp_path / "a.csv"
    path.write_bytes(b"step,loss\n0,1.5\n1,1.")
    (report,) = ingest([path], files)
    assert (report.metrics, report.torn, report.lost) == (1, 4, [])
    path.write_bytes(b"step,loss\n0,1.5\n1,1.25\n")
    (report,) = ingest([path], files)
    assert (report.metrics, report.torn) == (1, 0)
    assert Store(files).sql("SELECT value FROM scalars ORDER BY step")["value"].to_pylist() == [1.5, 1.25]


def test_what_lies_inside_a_recording_belongs_to_it(tmp_path: Path) -> None:
    run = EXAMPLES["snapshots"].stage(tmp_path, STAGES)
    (run / "loss.csv").write_text("step,loss\n0,1.0\n")
    assert [recording.source for recording in find(run)] == ["snapshots"]
