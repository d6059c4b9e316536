"""Histories in Parquet: several runs of a file, files that are written anew, damaged row groups."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from etl.ingest.find import find
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
