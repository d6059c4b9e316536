"""What the real programs write, read: `pip install 'strobe[interop]'`; what is not installed is passed over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from etl.ingest.find import survey
from etl.ingest.load import ingest
from etl.store.catalogue import Store

pytestmark = pytest.mark.slow

WRITERS = {
    "tensorboard": """
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
writer = EventFileWriter("logs/real")
for step in range(5):
    value = Summary.Value(tag="loss", simple_value=1 / (1 + step))
    writer.add_event(Event(wall_time=1.7e9 + step, step=step, summary=Summary(value=[value])))
writer.close()
""",
    "wandb": """
import wandb
run = wandb.init(project="p", name="real", config={"lr": 0.1}, dir=".")
for step in range(5):
    run.log({"loss": 1 / (1 + step)})
run.finish()
""",
    "mlflow": """
import mlflow
with mlflow.start_run(run_name="real"):
    mlflow.log_param("lr", 0.1)
    for step in range(5):
        mlflow.log_metric("loss", 1 / (1 + step), step=step)
""",
    "trackio": """
import trackio
trackio.init(project="p", name="real", config={"lr": 0.1})
for step in range(5):
    trackio.log({"loss": 1 / (1 + step)})
trackio.finish()
""",
}
SOURCES = {"wandb": "wandb_offline", "mlflow": "mlflow_database"}


@pytest.mark.parametrize("writer", sorted(WRITERS))
def test_what_it_writes_is_read(writer: str, tmp_path: Path) -> None:
    pytest.importorskip(writer, exc_type=ImportError)
    (tmp_path / "written").mkdir()
    offline = {
        "WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false",
        "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db", "MLFLOW_DISABLE_TELEMETRY": "true",
        "TRACKIO_DIR": str(tmp_path / "written"), "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WRITERS[writer]],
        cwd=tmp_path / "written", env=os.environ | offline, check=True, capture_output=True, timeout=250,
    )  # fmt: skip
    found = survey(tmp_path / "written").recordings
    assert [each.source for each in found] == [SOURCES.get(writer, writer)]
    (report,) = ingest([tmp_path / "written"], tmp_path / "store")
    assert (report.run, report.lost, report.torn) == ("real", [], 0)
    rows = Store(tmp_path / "store").sql("SELECT step, value FROM scalars WHERE name = 'train_loss' ORDER BY step")
    assert rows["step"].to_pylist() == [0, 1, 2, 3, 4]
    assert rows["value"].to_pylist() == pytest.approx([1 / (1 + step) for step in range(5)], rel=1e-6)
