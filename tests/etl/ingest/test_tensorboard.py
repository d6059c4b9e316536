"""TensorBoard's event files: what is in them, restarts, damage; and the same as TensorBoard's own reader gives."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from etl.ingest.find import find, survey
from etl.ingest.load import ingest
from etl.ingest.reading import event_records
from etl.ingest.reading.crc32c import masked_crc32c
from etl.store.catalogue import Store
from tests.support.event_files import event, field, histogram, record, scalar, session_start, tensor, version


def write(folder: Path, *events: bytes, name: str = "events.out.tfevents.1", time: float = 1.7e9) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"".join(map(record, (version(time), *events))))
    return folder


def rows(path: Path) -> list[tuple[int, int, str, float]]:
    (recording,) = find(path)
    columns = ("attempt", "step", "name", "value")
    return [tuple(row[each] for each in columns) for row in recording.scalars({}).rows.to_pylist()]  # type: ignore[misc]


def test_the_checksum_is_that_of_the_standard() -> None:
    said = np.frombuffer(b"123456789", np.uint8)[None]
    crc = 0xE3069283
    assert int(masked_crc32c(said)[0]) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_scalars_tensors_of_one_number_and_histograms_are_read(tmp_path: Path) -> None:
    values = [
        scalar("a", 0.5), tensor("f", np.float32([0.25])), tensor("d", np.float64([0.1])),
        tensor("i", np.int64([-7])), tensor("many", np.float32([1, 2])), histogram("w", -1.0, 3.0, 4.0, 2.0),
        field(1, b"l") + field(8, field(1, 9) + field(10, b"\x05")), field(2, 1.0, "<f"),
    ]  # fmt: skip
    assert rows(write(tmp_path / "run", event(3, 1.7e9, *values))) == [
        (0, 3, "a", 0.5), (0, 3, "f", 0.25), (0, 3, "d", 0.1), (0, 3, "i", -7.0),
        (0, 3, "w/min", -1.0), (0, 3, "w/max", 3.0), (0, 3, "w/mean", 0.5), (0, 3, "l", 5.0),
    ]  # fmt: skip


def test_a_step_that_is_none_has_no_row(tmp_path: Path) -> None:
    assert rows(write(tmp_path / "run", event(-4, 1.7e9, scalar("a", 1)), event(2, 1.7e9, scalar("a", 2)))) == [
        (0, 2, "a", 2.0)
    ]


def test_files_of_one_folder_are_one_run_and_a_later_one_that_goes_back_restarts_it(tmp_path: Path) -> None:
    first = [event(step, 1.7e9 + step, scalar("loss", step)) for step in range(6)]
    again = [event(step, 1.7e9 + 50 + step, scalar("loss", 10 + step)) for step in range(3, 8)]
    write(tmp_path / "run", *first)
    write(tmp_path / "run", *again, name="events.out.tfevents.2", time=1.7e9 + 40)
    ingest([tmp_path / "run"], tmp_path / "store")
    found = Store(tmp_path / "store").sql("SELECT attempt, step, value FROM scalars ORDER BY step").to_pylist()
    assert [tuple(row.values()) for row in found] == [
        (0, 0, 0.0), (0, 1, 1.0), (0, 2, 2.0), *((1, step, 10.0 + step) for step in range(3, 8)),
    ]  # fmt: skip


def test_files_that_are_written_side_by_side_are_one_attempt(tmp_path: Path) -> None:
    for rank in ("1", "2"):
        events = [event(step, 1.7e9 + step, scalar("loss", step)) for step in range(6)]
        write(tmp_path / "run", *events, name=f"events.out.tfevents.{rank}", time=1.7e9)
    assert {row[0] for row in rows(tmp_path / "run")} == {0, -1}


def test_tags_of_one_file_count_as_they_like(tmp_path: Path) -> None:
    events = [event(step, 1.7e9 + step, scalar("loss", step)) for step in range(6)]
    events += [event(epoch, 1.7e9 + 9, scalar("val", epoch)) for epoch in range(2)]
    assert {row[0] for row in rows(write(tmp_path / "run", *events))} == {0}


def test_the_start_of_a_session_says_from_which_step_on(tmp_path: Path) -> None:
    first = [event(step, 1.7e9 + step, scalar("loss", step)) for step in range(6)]
    events = [*first, session_start(4, 1.7e9 + 9), event(4, 1.7e9 + 10, scalar("loss", 9))]
    ingest([write(tmp_path / "run", *events)], tmp_path / "store")
    found = Store(tmp_path / "store").sql("SELECT step, value FROM scalars ORDER BY step").to_pylist()
    assert [tuple(row.values()) for row in found] == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 9)]


def test_each_folder_is_a_run_and_a_split_has_its_log_before_it(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        write(tmp_path / "fit" / split, event(0, 1.7e9, scalar("epoch_loss", 1.0)))
    assert [each.run_id for each in survey(tmp_path).recordings] == ["fit-train", "fit-validation"]
    ingest([tmp_path / "fit"], tmp_path / "store")
    found = Store(tmp_path / "store").sql("SELECT run, name FROM metrics ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in found] == [("fit-train", "train_loss"), ("fit-validation", "val_loss")]


def test_a_long_record_is_passed_over_and_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_records, "CHUNK", 64)
    monkeypatch.setattr(event_records, "MOST_RECORD", 200)
    events = [event(0, 1.7e9, scalar("a", 1)), field(4, bytes(500)), event(1, 1.7e9, scalar("a", 2))]
    (recording,) = find(write(tmp_path / "run", *events))
    log = recording.scalars({})
    assert log.rows["step"].to_pylist() == [0, 1]
    assert [loss.reason for loss in log.lost] == ["a record of 519 bytes, more than 200"]


def many_scalars(tags: list[str], steps: int) -> bytes:
    """Steps from 200 on of tags of one length, as one record is: only step, value and checksum differ."""
    one = np.frombuffer(b"".join(record(event(200, 1.7e9, scalar(tag, 0.5))) for tag in tags), np.uint8)
    rows = np.tile(one.reshape(len(tags), -1), (steps, 1))
    step = np.repeat(np.arange(200, 200 + steps), len(tags))
    rows[:, 22], rows[:, 23] = step & 127 | 128, step >> 7
    value = np.random.default_rng(0).standard_normal(len(rows)).astype("<f4")
    rows[:, -8:-4] = value.view(np.uint8).reshape(-1, 4)
    rows[:, -4:] = masked_crc32c(rows[:, 12:-4]).astype("<u4").view(np.uint8).reshape(-1, 4)
    return rows.tobytes()


@pytest.mark.slow
def test_it_is_what_tensorboard_reads_four_times_faster(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tags = [f"layer_{number:03d}/grad_norm" for number in range(118)]
    folder = write(tmp_path / "run")
    with (folder / "events.out.tfevents.1").open("ab") as file:
        file.write(many_scalars(tags, 10_000))
    clock = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])  # noqa: E731
    start = clock()
    (recording,) = find(folder)
    table = recording.scalars({}).rows
    ours, start = clock() - start, clock()
    theirs = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    theirs.Reload()
    ratio = (clock() - start) / ours
    print(f"\n{table.num_rows:,} scalars, {ratio:.1f} times faster")
    for tag in tags[::40]:
        mine = table.filter(pc.equal(table["name"], tag))
        assert mine["value"].to_pylist() == [each.value for each in theirs.Scalars(tag)]
    assert ratio >= 4
