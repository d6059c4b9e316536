"""The MFU of a run: the logged one, the one that its figures come to, and why the two differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views.cost import Cost, cost
from strobe.views.run_view import CatalogueTables, RunView

SHAPE = {"n_layer": 18, "n_head": 18, "n_embd": 2304, "block_size": 2048, "batch_size": 6}


def logged(
    folder: Path,
    *,
    mfu: float,
    config: dict[str, Any],
    slow: tuple[int, ...] = (),
    gpu: str = "NVIDIA A100-SXM4-80GB",
) -> Cost:
    """Of a training logger's file of 20 steps of 8 s each, those in `slow` of 30 s beside an evaluation."""
    rows = [
        {"iter": i, "loss": 3.0, "time_ms": 30_000.0 if i in slow else 8_000.0, "mfu": 1.0 if i in slow else mfu}
        for i in range(20)
    ]
    document = {
        "run_name": "a", "config": {**SHAPE, **config}, "training_iterations": rows,
        "eval_steps": [{"iter": i, "val_loss": 3.1} for i in slow],
        "startup_info": {"model": {"total_params": 1294159104}, "hardware": {"gpu_name": gpu, "num_gpus": 2}},
    }  # fmt: skip
    path = folder / "a.json"
    path.write_text(json.dumps(document))
    ingest([path], folder / "store")
    return cost(RunView(CatalogueTables(Store(folder / "store").current()), "a"))


def test_a_log_that_agrees_needs_no_reason(tmp_path: Path) -> None:
    found = logged(tmp_path, mfu=69.2, config={"gradient_accumulation_steps": 32})
    assert found.recomputed == pytest.approx(8.784170496e9 * 393_216 / (8 * 624e12))
    assert "8.784e+09 FLOPs a token" in found.sentence()
    assert "The log shows" not in found.sentence()


def test_half_of_it_on_two_devices_is_told(tmp_path: Path) -> None:
    found = logged(tmp_path, mfu=34.6, config={"gradient_accumulation_steps": 32})
    assert "The log shows 1/2 of it, as the tokens of one device over the peak of all come to." in found.sentence()


def test_another_difference_has_no_reason_that_is_made_up(tmp_path: Path) -> None:
    assert (
        "for a reason that its figures do not tell"
        in logged(tmp_path, mfu=20.0, config={"gradient_accumulation_steps": 32}).sentence()
    )


def test_slow_evaluations_do_not_move_the_mean(tmp_path: Path) -> None:
    found = logged(tmp_path, mfu=34.6, config={"gradient_accumulation_steps": 32}, slow=(3, 9, 15))
    assert (found.mean, found.left_out) == (pytest.approx(0.346), 3)
    assert "mean 34.6%, without 3 slow ones beside evaluations" in found.sentence()


def test_what_is_not_known_is_named(tmp_path: Path) -> None:
    assert (
        logged(tmp_path, mfu=34.6, config={}, gpu="cpu")
        .sentence()
        .endswith("cannot be recomputed: the tokens of a step, the peak of cpu not known.")
    )


def test_a_run_without_times_says_nothing() -> None:
    assert Cost().sentence() == ""
