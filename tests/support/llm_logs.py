"""Logs of language models' trainings in the shapes of three trainers, whole, with losses that fall as theirs do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SHAPE: Mapping[str, Any] = {
    "n_layer": 18, "n_head": 18, "n_embd": 2304, "block_size": 2048, "batch_size": 6, "learning_rate": 3e-4,
    "min_lr": 3e-5, "warmup_iters": 200, "lr_decay_iters": 2000, "gradient_accumulation_steps": 32,
}  # fmt: skip
N_PARAMS = 1_294_159_104
STEP_MS, SLOW_MS = 8_000.0, 31_000.0
EVAL_EVERY = 200


def falling(step: int, scale: float = 1.0) -> float:
    """From 10.8 down, with a small wave in place of noise."""
    return scale * (2.9 + 7.9 / (1 + step / 40) ** 0.7 + 0.03 * ((7 * step) % 11 - 5) / 5)


def training_logger(
    folder: Path, name: str, *, steps: int = 1000, every: int = 10, config: Mapping[str, Any] | None = None,
    scale: float = 1.0,
) -> Path:  # fmt: skip
    """A training logger's JSON with clock, memory and an MFU that is half of what its figures come to; its
    evaluations make the step beside them slow, and the learning rate is not in it."""
    start = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    rows = []
    for step in range(0, steps + 1, every):
        slow = step % EVAL_EVERY == 0
        ms = SLOW_MS if slow else STEP_MS
        rows.append(
            {
                "iter": step, "loss": falling(step, scale), "time_ms": ms,
                "timestamp": datetime.fromtimestamp(start + step * STEP_MS / 1e3, UTC).isoformat(),
                "mfu": {"mfu": 0.089 if slow else 0.346, "tokens_per_sec": 393_216e3 / ms},
                "memory": {"allocated_gb": 8.6, "max_allocated_gb": 36.1},
            }
        )  # fmt: skip
    evaluations = [
        {"iter": step, "val_loss": falling(step, scale) + 0.05} for step in range(0, steps + 1, EVAL_EVERY)
    ]
    hardware = {"gpu_name": "NVIDIA A100-SXM4-80GB", "num_gpus": 2, "gpu_memory_gb": 85.1}
    document = {
        "run_name": name, "config": {**SHAPE, **(config or {})}, "training_iterations": rows,
        "eval_steps": evaluations,
        "startup_info": {"model": {"total_params": N_PARAMS}, "hardware": hardware},
    }  # fmt: skip
    return _written(folder / f"{_plain(name)}.json", json.dumps(document))


def llmc(folder: Path, name: str, *, steps: int = 1000, lost_from: int | None = None, warmup: int = 100) -> Path:
    """What llm.c prints: a learning rate that rises to step `warmup`, and no number in a loss from `lost_from` on."""
    table = {
        "device": "NVIDIA H100 80GB HBM3", "peak TFlops": "989.4", "num_layers L": 12, "num_heads NH": 12,
        "channels C": 768, "vocab_size V": 50257, "num_parameters": 124475904, "total batch size": 524288,
        "sequence length T": 1024, "warmup iterations": warmup,
    }  # fmt: skip
    lines = ["| Parameter | Value |", *(f"| {key:<20} | {value} |" for key, value in table.items())]
    for step in range(steps):
        value = "nan" if lost_from is not None and step >= lost_from else f"{falling(step):.6f}"
        if step % EVAL_EVERY == 0:
            lines.append(f"val loss {value}")
        rate = 6e-4 * min(1.0, (step + 1) / (warmup + 1))
        ms = 1218.0 + step % 3
        lines.append(
            f"step {step + 1:4d}/{steps} | loss {value} (+nanz)| norm 0.5000 (+nanz)| lr {rate:.2e} | {ms:.2f} ms | "
            f"37.4% bf16 MFU | {524288e3 / ms:.0f} tok/s"
        )
    return _written(folder / f"{_plain(name)}.log", "\n".join(lines) + "\n")


def loss_alone(folder: Path, name: str, *, steps: int = 300) -> Path:
    """A table with nothing but a step and a loss."""
    rows = [f"{step},{falling(step):.5f}" for step in range(steps)]
    return _written(folder / f"{_plain(name)}.csv", "step,loss\n" + "\n".join(rows) + "\n")


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:40]


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
