"""A real Trainer, recorded by one callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from tests.support.watched import recorded, spec, steps

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytestmark = pytest.mark.filterwarnings("default")


def tiny() -> Any:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, vocab_size=16, bos_token_id=1, eos_token_id=2,
        )
    )  # fmt: skip


def trainer(folder: Path, callbacks: list[Any], count: int = 4, **options: Any) -> Any:
    data = [{"input_ids": (row := torch.arange(i, i + 6) % 16), "labels": row} for i in range(16)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=count, per_device_train_batch_size=2, logging_steps=1, report_to=[],
        use_cpu=True, disable_tqdm=True, save_strategy="no", eval_strategy="steps", eval_steps=2, **options,
    )  # fmt: skip
    return transformers.Trainer(
        model=tiny(), args=arguments, train_dataset=data, eval_dataset=data[:2], callbacks=callbacks
    )  # fmt: skip


def test_a_trainer_shows_its_loss_and_the_gradients_that_it_used(tmp_path: Path) -> None:
    from strobe.record.adapters.hugging_face import StrobeCallback

    out = tmp_path / "out"
    one = trainer(
        out, [StrobeCallback(every=2)], gradient_accumulation_steps=2, optim="sgd", learning_rate=0.1,
        lr_scheduler_type="constant", max_grad_norm=0.5,
    )  # fmt: skip
    one.train()
    folder = out / "strobe" / "out"
    assert steps(folder) == [0, 2, 4]
    assert spec(folder, 0, "grads/model.layers.1.mlp.up_proj.weight")["taken"] == "before_update"
    names = [f"grads/{name}" for name, _ in tiny().named_parameters()]
    norm = np.sqrt(sum(np.square(recorded(folder, 0, name).astype(float)).sum() for name in names))
    assert norm <= 0.5 + 1e-5, "clipped"
    ingest([folder], tmp_path / "store")
    found = Store(tmp_path / "store").sql("SELECT name, source_name, n, last_step FROM metrics").to_pylist()
    metrics = {row["name"]: (row["source_name"], row["n"], row["last_step"]) for row in found}
    assert metrics["train_loss"] == ("loss", 4, 4)
    assert metrics["val_loss"] == ("eval_loss", 2, 4)
    assert metrics["whole_train_loss"][1] == 1
    (row,) = Store(tmp_path / "store").sql("SELECT status, config FROM runs").to_pylist()
    assert row["status"] == "finished"
    assert '"gradient_accumulation_steps": 2' in row["config"]


def test_an_optimizer_of_another_kind_is_counted_by_the_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from strobe.record.adapters import hugging_face

    monkeypatch.setattr(hugging_face, "hooked", lambda optimizer: None)
    trainer(tmp_path / "out", [hugging_face.StrobeCallback(tmp_path / "run", every=2)]).train()
    assert steps(tmp_path / "run") == [0, 2, 4]
    assert spec(tmp_path / "run", 2, "params/lm_head.weight")["taken"] == "after_update"
    assert recorded(tmp_path / "run", 2, "grads/lm_head.weight").any()


def test_a_training_is_the_same_with_the_callback_and_a_second_one_has_a_folder_of_its_own(tmp_path: Path) -> None:
    from strobe.record.adapters.hugging_face import StrobeCallback

    losses = []
    for callbacks in ([], [StrobeCallback(every=1)], [StrobeCallback(every=1)]):
        one = trainer(tmp_path / "out", callbacks, 3)
        one.train()
        losses.append([entry["loss"] for entry in one.state.log_history if "loss" in entry])
    assert losses[0] == losses[1] == losses[2]
    assert sorted(path.name for path in (tmp_path / "out" / "strobe").iterdir()) == ["out", "out-2"]
