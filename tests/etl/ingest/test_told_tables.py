"""What a person says of a table is kept for every reading that follows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from etl.ingest.load import ingest
from etl.ingest.mapping import Given
from etl.store.catalogue import Store
from strobe.cli import app


@pytest.mark.parametrize("lines", [("n;value", "{};0,5"), ("", '{{"n": {}, "value": 0.5}}')], ids=["csv", "jsonl"])
def test_what_was_said_of_a_table_is_kept(tmp_path: Path, lines: tuple[str, str]) -> None:
    names, row = lines
    (tmp_path / "logs").mkdir()
    path, store = tmp_path / "logs" / ("odd.csv" if names else "odd.jsonl"), tmp_path / "store"
    (tmp_path / "logs" / "a.csv").write_text("step,loss\n0,1.5\n")
    text = (f"{names}\n" if names else "") + row.format(1) + "\n"
    path.write_text(text)
    given = Given({"step": "n"}, {"value": "train_loss"})
    assert [each.metrics for each in ingest([path], store, given=given)] == [1]
    for count, what in ((2, path), (3, path.parent)):
        text += row.format(count) + "\n"
        path.write_text(text)
        reports = {each.run: each for each in ingest([what], store)}
        assert (reports["odd"].metrics, reports["odd"].mapping) == (1, "step = n, train_loss = value")
    said = CliRunner().invoke(app, ["show", "odd", "--store", str(store)]).output
    assert "train_loss" in said


def test_what_was_said_of_a_table_in_parquet_is_kept(tmp_path: Path) -> None:
    path, store = tmp_path / "odd.parquet", tmp_path / "store"

    def grown(count: int) -> None:
        columns = {"n": range(count), "value": [float(n) for n in range(count)], "other": [0.5] * count}
        pq.write_table(pa.table({name: pa.array(list(values)) for name, values in columns.items()}), path)

    def stored_now() -> dict[str, int]:
        rows = Store(store).sql("SELECT name, count(*) AS n FROM scalars WHERE run = 'odd' GROUP BY name").to_pylist()
        return {row["name"]: row["n"] for row in rows}

    grown(2)
    ingest([path], store, given=Given({"step": "n"}, {"value": "train_loss"}))
    grown(3)
    ingest([tmp_path], store)
    assert stored_now() == {"train_loss": 3, "other": 3}
    ingest([path], store, given=Given({"step": "n"}, {"value": "val_loss"}))
    assert stored_now() == {"val_loss": 3, "other": 3}, "said in another way, it is read anew"
