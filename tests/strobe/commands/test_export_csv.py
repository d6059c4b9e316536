"""A run's numbers as CSV, read back by another program."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pyarrow.csv
import pytest
from typer.testing import CliRunner

import strobe
from etl.errors import StrobeError
from etl.ingest.load import ingest
from strobe.cli import app
from tests.support.make_run import make_run

pytestmark = pytest.mark.usefixtures("here")


def export(*words: str) -> str:
    result = CliRunner().invoke(app, ["export", "csv", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_metrics_stand_side_by_side(here: Path) -> None:
    said = export("grok-p97", "val_loss", "train_loss")
    rows = read((here / "grok-p97-metrics.csv").read_text())
    assert said.startswith(f"grok-p97-metrics.csv: {len(rows):,} rows, 6 columns")
    assert list(rows[0]) == ["step", "time", "tokens", "epoch", "val_loss", "train_loss"]
    expected = strobe.open().sql(
        "SELECT step, value FROM scalars WHERE run = 'grok-p97' AND name = 'val_loss' ORDER BY step"
    )
    found = [(int(row["step"]), float(row["val_loss"])) for row in rows if row["val_loss"]]
    assert found == list(zip(expected["step"].to_pylist(), expected["value"].to_pylist(), strict=True))


def test_every_metric_and_what_was_not_logged(here: Path) -> None:
    run = make_run(here / "runs" / "mine", steps=range(0, 301, 100))
    lines = [
        {"step": 1, "time": 5.0, "score": "NaN", "=cmd()": 1.5}, {"step": 2, "time": 6.0, "score": 0.25},
        {"step": 3, "time": 7.0, "odd": "-Infinity"},
    ]  # fmt: skip
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ingest([run], here / "store")
    rows = {int(row["step"]): row for row in read(export("mine", "score", "=cmd()", "odd", "--out", "-"))}
    assert math.isnan(float(rows[1]["score"]))
    assert rows[1]["'=cmd()"] == "1.5"
    assert (rows[2]["score"], rows[2]["odd"], rows[2]["time"]) == ("0.25", "", "6.0")
    assert float(rows[3]["odd"]) == -math.inf
    every = read(export("mine", "--out", "-"))
    assert {"score", "odd", "'=cmd()"} < set(every[0])


@pytest.mark.parametrize("table", ["tensors", "spectra", "runs"])
def test_a_table_comes_whole(here: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.commands.export_csv._ROWS", 100)
    export("grok-p97", "--table", table)
    expected = strobe.open().sql(f"SELECT count(*) AS n FROM {table} WHERE run = 'grok-p97'")["n"][0].as_py()
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    found = pyarrow.csv.read_csv(here / f"grok-p97-{table}.csv", parse_options=options)
    assert found.num_rows == expected
    if table == "spectra":
        assert len(json.loads(found["singular_values"][0].as_py())) == 128


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["grok-p97", "val_lss"], "no metric 'val_lss'; there are val_loss"),
        (["grok-p97", "--table", "tensor"], "no table 'tensor'; there are runs"),
        (["grok-p97", "val_loss", "--table", "tensors"], "not both"),
        (["grok-p97", "val_loss", "--out", "no/such.csv"], "a folder that exists"),
        (["nobody"], "no run 'nobody'"),
    ],
)
def test_what_cannot_be_written_is_said(words: list[str], message: str) -> None:
    with pytest.raises(StrobeError, match=message):
        export(*words)


def test_a_file_is_not_replaced_unasked(here: Path) -> None:
    (here / "grok-p97-metrics.csv").write_text("mine")
    with pytest.raises(StrobeError, match="--force"):
        export("grok-p97")
    assert (here / "grok-p97-metrics.csv").read_text() == "mine"
    export("grok-p97", "--force")
    assert (here / "grok-p97-metrics.csv").read_text().startswith("step,time,tokens,epoch,grad_clip_scale")
