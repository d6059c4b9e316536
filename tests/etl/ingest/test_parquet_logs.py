"""Histories in Parquet: several runs of a file, files that are written anew, damaged row groups."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from etl.ingest.find import find, survey
from etl.ingest.load import ingest
from etl.ingest.mapping import Given
from etl.store.catalogue import Store
from tests.support.impostors import STAGES
from tests.support.parquet_logs import NeptuneParquet


def test_a_file_that_is_written_anew_with_more_rows_is_the_same_run(tmp_path: Path) -> None:
    path, store = tmp_path / "a.parquet", tmp_path / "store"
    for count in (3, 5):
        pq.write_table(pa.table({"step": list(range(count)), "loss": [0.5] * count}), path)
        (report,) = ingest([path], store)
        assert (report.run, report.metrics) == ("a", count)
    assert Store(store).sql("SELECT count(*) AS n FROM scalars")["n"].to_pylist() == [5]


def test_each_run_of_a_file_is_a_run_and_single_values_are_its_config(tmp_path: Path) -> None:
    path = NeptuneParquet().stage(tmp_path, STAGES)
    table = pq.read_table(path)
    other = table.set_column(1, "run_id", pa.array(["RUN-8"] * len(table)))
    pq.write_table(pa.concat_tables([table, other]), path)
    ingest([path], tmp_path / "store")
    runs = Store(tmp_path / "store").runs().to_pylist()
    assert sorted((run["run"], run["config"]) for run in runs) == [("run-7", '{"lr": 0.1}'), ("run-8", '{"lr": 0.1}')]


def test_a_damaged_row_group_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"step": list(range(40)), "loss": [0.5] * 40})
    pq.write_table(table, path, row_group_size=10, write_page_checksum=True, use_dictionary=False)
    column = pq.read_metadata(path).row_group(1).column(1)
    at = column.data_page_offset + column.total_compressed_size - 3
    data = bytearray(path.read_bytes())
    data[at] ^= 255
    path.write_bytes(data)
    (recording,) = find(path)
    log = recording.scalars({})
    assert log.rows["step"].to_pylist() == [*range(10), *range(20, 40)]
    assert [loss.reason.partition(":")[0] for loss in log.lost] == ["row group 2"]


def test_a_table_is_read_as_a_person_says(tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    when = pa.array([1_700_000_000_000_000], pa.timestamp("us"))
    pq.write_table(pa.table({"n": [7], "when": when, "v": [0.5]}), path)
    ingest([path], tmp_path / "store", given=Given({"step": "n", "time": "when"}, {"v": "train_loss"}))
    rows = Store(tmp_path / "store").sql("SELECT name, step, value, time FROM scalars").to_pylist()
    assert [tuple(row.values()) for row in rows] == [("train_loss", 7, 0.5, 1.7e9)]


def torn(texts: list[str]) -> pa.Array:
    """Texts, "?" in them the byte FF, which is no UTF-8."""
    data = pa.array([text.encode().replace(b"?", b"\xff") for text in texts], pa.binary())
    return pa.Array.from_buffers(pa.string(), len(data), data.buffers())


@pytest.mark.parametrize("in_dictionary", [False, True])
def test_a_text_that_is_no_utf8_is_read_as_text_everywhere(tmp_path: Path, in_dictionary: bool) -> None:
    path, count = tmp_path / "a.parquet", 4
    table = {
        "run_id": torn(["RUN-?"] * count),
        "attribute_path": torn(["lo?s", "lo?s", "opt?", "note"]),
        "attribute_type": torn(["float_series", "float_series", "string", "in?t"]),
        "step": pa.array([0, 1, None, None], pa.int64()),
        "timestamp": torn(["2024-01-01", "?", "?", "?"]),
        "float_value": [0.5, 0.25, None, None],
        "string_value": torn(["", "", "ad?m", ""]),
    }
    pq.write_table(pa.table(table), path, use_dictionary=in_dictionary)
    (recording,) = find(path)
    log = recording.scalars({})
    assert log.rows.select(["name", "step", "time"]).to_pylist() == [
        {"name": "lo�s", "step": 0, "time": 1704067200.0},
        {"name": "lo�s", "step": 1, "time": None},
    ]
    assert (recording.run_key, recording.about().config) == ("RUN-�", {"opt�": "ad�m"})
    assert recording.resumes(log.resume_from)


def test_a_table_whose_texts_are_no_utf8_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"step": torn(["1", "?", "2"]), "n": [1, 2, 3], "loss": [3.0, 2.0, 1.0]}), path)
    (recording,) = survey(path, Given({"step": "step"})).recordings
    log = recording.scalars({})
    assert log.rows.filter(pc.equal(log.rows["name"], "loss"))["step"].to_pylist() == [1, 2]
    assert [loss.reason for loss in log.lost] == ["row 2: '�' is no step"]
    assert recording.resumes(log.resume_from)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_time_beyond_what_there_is_costs_no_other(tmp_path: Path, unit: str) -> None:
    path, second = tmp_path / "a.parquet", {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    times = pa.array([1_700_000_000 * second, 2**63 - 1, None]).cast(pa.timestamp(unit))
    pq.write_table(pa.table({"step": [0, 1, 2], "loss": [3.0, 2.0, 1.0], "time": times}), path)
    (recording,) = find(path)
    log = recording.scalars({})
    late = 9223372036.854776 if unit == "ns" else None
    assert log.rows["time"].to_pylist() == [1.7e9, pytest.approx(late) if late else None, None]
    assert recording.resumes(log.resume_from)


def test_the_parts_of_a_run_are_one_run(tmp_path: Path) -> None:
    folder, store = tmp_path / "export", tmp_path / "store"
    folder.mkdir()
    table = pq.read_table(NeptuneParquet().stage(tmp_path, STAGES))
    other = table.set_column(1, "run_id", pa.array(["RUN-8"] * len(table)))
    pq.write_table(table.slice(0, 5), folder / "p_part_0.parquet")
    ingest([folder], store)
    pq.write_table(pa.concat_tables([table.slice(5), other]), folder / "p_part_1.parquet")
    ingest([folder], store)
    rows = Store(store).sql("SELECT run, count(*) AS n, max(step) AS last FROM scalars GROUP BY run ORDER BY run")
    count = len(table) - 1
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        ("run-7", count, count - 1),
        ("run-8", count, count - 1),
    ]
    assert not any(report.changed for report in ingest([folder], store))
