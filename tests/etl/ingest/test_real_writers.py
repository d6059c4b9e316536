"""What the real programs write, read: `pip install 'strobe[interop]'`; what is not installed is passed over."""

from __future__ import annotations

import ast
import importlib.util
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
    "lightning": """
from lightning.pytorch.loggers import CSVLogger
logger = CSVLogger("logs", name="real", version="")
for step in range(5):
    logger.log_metrics({"loss": 1 / (1 + step), "epoch": 0}, step=step)
    logger.log_metrics({"val_acc": 0.5, "epoch": 0}, step=step)
logger.save()
""",
    "keras": """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
model.compile(loss="mse")
logger = keras.callbacks.CSVLogger("real.csv", append=True)
logger.set_model(model)
for epochs in (range(3), range(3, 5)):
    logger.on_train_begin()
    for epoch in epochs:
        logger.on_epoch_end(epoch, {"loss": 1 / (1 + epoch), "val_loss": 2.0})
    logger.on_train_end()
""",
    "transformers": """
import torch, transformers
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
    def forward(self, x, labels):
        return {"loss": ((self.scale * x - labels) ** 2).mean()}
class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, at):
        return {"x": torch.ones(1), "labels": torch.zeros(1)}
given = transformers.TrainingArguments(
    "real", max_steps=5, logging_steps=1, save_steps=2, eval_strategy="steps", eval_steps=2, report_to=[],
    use_cpu=True, disable_tqdm=True, per_device_train_batch_size=4,
)
trainer = transformers.Trainer(Model(), given, train_dataset=Rows(), eval_dataset=Rows())
trainer.train()
trainer.save_state()
with open("expected.txt", "w") as file:
    file.write(repr([row["loss"] for row in trainer.state.log_history if "loss" in row]))
""",
}
SOURCES = {
    "wandb": "wandb_offline",
    "mlflow": "mlflow_database",
    "lightning": "lightning_csv",
    "keras": "keras_csv",
    # Its checkpoints, with the log beside them.
    "transformers": "checkpoints",
}
FIRST = {"transformers": 1}
"""The first step, where it is not 0."""


@pytest.mark.parametrize("writer", sorted(WRITERS))
def test_what_it_writes_is_read(writer: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(writer) is None:
        pytest.skip(f"{writer} is not installed")
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
    assert rows["step"].to_pylist() == [FIRST.get(writer, 0) + step for step in range(5)]
    said = tmp_path / "written" / "expected.txt"
    expected = ast.literal_eval(said.read_text()) if said.exists() else [1 / (1 + step) for step in range(5)]
    assert rows["value"].to_pylist() == pytest.approx(expected, rel=1e-6)
