"""A real Lightning run, recorded by one callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etl.ingest.load import ingest
from etl.run.attempts import read_attempts
from etl.store.catalogue import Store
from tests.support.watched import recorded, spec, steps

lightning = pytest.importorskip("lightning.pytorch")
pytestmark = pytest.mark.filterwarnings("default")


def module() -> Any:
    class Module(lightning.LightningModule):  # type: ignore[name-defined, misc]
        def __init__(self, width: int = 3) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net, self.fails = torch.nn.Linear(4, width), False

        def training_step(self, batch: Any, index: int) -> Any:
            if self.fails and index == 2:
                raise ZeroDivisionError
            loss = self.net(batch).square().mean()
            self.log("train/loss", loss)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_loss", self.net(batch).square().mean())

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    torch.manual_seed(0)
    return Module()


def fit(folder: Path, model: Any, callbacks: list[Any]) -> None:
    data = torch.utils.data.DataLoader(list(torch.randn(16, 4)), batch_size=2)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=callbacks, default_root_dir=folder, log_every_n_steps=1,
        gradient_clip_val=0.05, accumulate_grad_batches=2,
    )  # fmt: skip
    trainer.fit(model, data, data)


def test_a_lightning_run_shows_its_loss_and_the_gradients_that_it_used(tmp_path: Path) -> None:
    from strobe.record.adapters.lightning import StrobeCallback

    folder, model = tmp_path / "run", module()
    fit(tmp_path, model, [StrobeCallback(folder, every=1)])
    assert steps(folder) == [0, 1, 2, 3, 4]
    for step in range(4):
        gradients = [recorded(folder, step, f"grads/net.{name}") for name in ("weight", "bias")]
        assert np.sqrt(sum(np.square(g).sum() for g in gradients)) == pytest.approx(0.05, rel=1e-3), "clipped"
        before, after = (recorded(folder, at, "params/net.weight") for at in (step, step + 1))
        np.testing.assert_allclose(after, before - 0.1 * gradients[0], atol=1e-6)
    assert spec(folder, 0, "grads/net.bias")["taken"] == "before_update"
    ingest([folder], tmp_path / "store")
    found = Store(tmp_path / "store").sql("SELECT name, source_name, n FROM metrics").to_pylist()
    names = {row["name"]: (row["source_name"], row["n"]) for row in found}
    assert names["train_loss"] == ("train/loss", 4)
    assert names["val_loss"] == ("val_loss", 1)
    (row,) = Store(tmp_path / "store").sql("SELECT status, config FROM runs").to_pylist()
    assert row["status"] == "finished"
    assert '"width": 3' in row["config"]


def test_a_run_that_fails_says_so(tmp_path: Path) -> None:
    from strobe.record.adapters.lightning import StrobeCallback

    model = module()
    model.fails = True
    with pytest.raises(ZeroDivisionError):
        fit(tmp_path, model, [StrobeCallback(tmp_path / "run")])
    assert read_attempts(tmp_path / "run")[0].end == "failed"
