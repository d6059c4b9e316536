"""A store with the embedded run, and runs whose logs are awkward to read off: not finite, short, sparse, resumed,
long, and without snapshots."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etl.ingest.load import ingest
from tests.support.make_run import START, losses, make_run
from tests.support.places import ROOT

Row = Mapping[str, Any]


def _written(value: float) -> float | str:
    """A number as metrics.jsonl has it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _log(folder: Path, steps: Iterable[int], values: Callable[[int], Mapping[str, float]]) -> None:
    """Replaces the metrics of a run. A step takes 96 tokens, a tenth of a second and a hundredth of an epoch."""
    with (folder / "metrics.jsonl").open("w", encoding="utf-8") as file:
        for step in steps:
            row = {"step": step, "time": START + step / 10, "tokens": step * 96, "epoch": step / 100}
            file.write(json.dumps(row | {name: _written(value) for name, value in values(step).items()}) + "\n")


def _diverging(step: int) -> dict[str, float]:
    made = {"train_loss": losses(step)["train_loss"], "val_loss": losses(step)["val_loss"]}
    if 300 <= step < 600:
        made["train_loss"] = math.nan
    if step >= 900:
        made["val_loss"] = [math.inf, -math.inf, math.nan][step % 3]
    return made


def read_off_store(root: Path, long: int) -> Path:
    """The store; one of its runs has `long` steps, each of them logged."""
    store = Path(shutil.copytree(ROOT / "examples", root / "store"))
    steps, small = range(0, 1501, 100), {"layers": 1, "heads": 2, "width": 8, "probe": (1, 3)}
    runs = {name: make_run(root / "runs" / name, steps=steps, **small) for name in ("diverging", "sparse", "logs")}  # type: ignore[arg-type]
    runs["early"] = make_run(root / "runs" / "early", steps=range(0, 301, 100), end="failed", **small)  # type: ignore[arg-type]
    runs["resumed"] = make_run(root / "runs" / "resumed", steps=steps, attempts=2, **small)  # type: ignore[arg-type]
    every = max(1, long // 20)
    runs["long"] = make_run(root / "runs" / "long", steps=range(0, long, every), metrics_every=long, **small)  # type: ignore[arg-type]
    random = np.random.default_rng(0)
    noise = np.exp(random.normal(size=(long, 2)) - np.linspace(0, 6, long)[:, None])
    _log(runs["diverging"], range(1501), _diverging)
    _log(runs["sparse"], range(70, 1501, 70), lambda step: {"train_loss": 1 / step, "val_loss": 2e6 / step})
    _log(
        runs["logs"], range(0, 2001), lambda step: {"train_loss": float(noise[step, 0]), "val_loss": 3.0 - step / 1e3}
    )
    _log(
        runs["long"],
        range(long),
        lambda step: dict(zip(("train_loss", "val_loss"), noise[step].tolist(), strict=True)),
    )
    for file in runs["logs"].glob("step_*.bin"):
        file.unlink()
    ingest(list(runs.values()), store)
    return store
