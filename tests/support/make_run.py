"""A small GPT-2-shaped run on disk, with every section of the format and curves that look like grokking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etl.run.attempts import ATTEMPTS
from etl.run.journal import METRICS, Journal
from etl.run.layout import place
from etl.run.writer import SnapshotWriter
from strobe.analysis.tasks import SPLIT

START = 1_760_000_000.0


def _params(layers: int, width: int, vocab: int, positions: int) -> dict[str, tuple[list[str], list[int]]]:
    stacked = {
        "ln1w": (["channel"], [width]),
        "qkvw": (["out", "in"], [3 * width, width]),
        "attprojw": (["out", "in"], [width, width]),
        "fcw": (["out", "in"], [4 * width, width]),
        "fcprojw": (["out", "in"], [width, 4 * width]),
    }
    return {
        "wte": (["token", "channel"], [vocab, width]),
        "wpe": (["position", "channel"], [positions, width]),
        **{name: (["layer", *dims], [layers, *shape]) for name, (dims, shape) in stacked.items()},
        "lnfw": (["channel"], [width]),
    }


def _tensors(layers: int, heads: int, width: int, vocab: int, probe: tuple[int, int]) -> list[dict[str, Any]]:
    batch, length = probe
    params = _params(layers, width, vocab, length)
    specs: list[tuple[str, list[str], list[int], str]] = []
    for section in ("params", "grads"):
        specs += [(f"{section}/{name}", dims, shape, "float32") for name, (dims, shape) in params.items()]
    shape = [layers, batch, heads, length, length]
    specs.append(("attention/att", ["layer", "probe", "head", "query", "key"], shape, "float32"))
    specs.append(("residual/encoded", ["probe", "position", "channel"], [batch, length, width], "float32"))
    dims = ["layer", "probe", "position", "channel"]
    specs.append(("residual/residual3", dims, [layers, batch, length, width], "float32"))
    specs.append(("probe/tokens", ["probe", "position"], [batch, length], "int32"))
    for moment in ("m_l2", "v_l2"):
        for name, (dims, _) in params.items():
            axis, size = ("layer", layers) if dims[0] == "layer" else ("one", 1)
            specs.append((f"optimizer/{moment}.{name}", [axis], [size], "float32"))
    specs += [(f"scalars/{name}", ["one"], [1], "float64") for name in ("train_loss", "val_loss", "recorder_ms")]
    return [
        {"name": name, "section": name.partition("/")[0], "dims": dims, "shape": shape, "dtype": dtype}
        for name, dims, shape, dtype in specs
    ]


def _arrays(tensors: Sequence[dict[str, Any]], step: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng([seed, step])
    arrays = {}
    for tensor in tensors:
        name, shape = tensor["name"], tensor["shape"]
        if name == "probe/tokens":
            arrays[name] = (np.arange(np.prod(shape)) % 7).reshape(shape).astype(np.int32)
        elif name == "attention/att":
            scores = np.tril(np.exp(random.normal(size=shape)))
            arrays[name] = (scores / scores.sum(-1, keepdims=True)).astype(np.float32)
        elif tensor["section"] == "scalars":
            arrays[name] = np.array([losses(step)[name.removeprefix("scalars/")]])
        else:
            arrays[name] = (random.normal(size=shape) * (1 + step / 1000)).astype(np.float32)
    return arrays


def losses(step: int) -> dict[str, float]:
    """Curves that grok: train falls at once, val climbs to a peak and falls late."""
    late = 1 / (1 + np.exp(-(step - 600) / 60))
    return {
        "train_loss": float(4.5 * np.exp(-step / 40) + 1e-4),
        "val_loss": float((4.5 + 6 * (1 - np.exp(-step / 100))) * (1 - late) + 1e-3),
        "recorder_ms": 1.5,
    }


def accuracies(step: int) -> dict[str, float]:
    late = 1 / (1 + np.exp(-(step - 600) / 60))
    return {"train_accuracy": float(min(1.0, step / 100)), "val_accuracy": float(late)}


def _metrics(steps: Iterable[int], attempt: int) -> Iterator[dict[str, object]]:
    for step in steps:
        values = losses(step) | (accuracies(step) if step % 10 == 0 else {})
        values.pop("recorder_ms")
        yield {"step": step, "time": START + step / 10, "attempt": attempt, "tokens": step * 96, **values}


def make_run(
    folder: Path,
    *,
    steps: Sequence[int] = (0, 100, 200),
    layers: int = 2,
    heads: int = 4,
    width: int = 16,
    vocab: int = 20,
    probe: tuple[int, int] = (4, 3),
    attempts: int = 1,
    seed: int = 0,
    metrics_every: int = 1,
    name: str | None = None,
    end: str | None = "finished",
) -> Path:
    """Write a run to `folder`. Attempt k > 0 resumes in the middle of the steps and records them again."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors, size = place(_tensors(layers, heads, width, vocab, probe))
    model = {
        **{"family": "gpt2", "n_layer": layers, "n_head": heads, "n_embd": width, "mlp_width": 4 * width},
        **{"block_size": probe[1], "vocab_size": vocab, "activation": "relu", "layernorm": "pre"},
        **{"layernorm_eps": 1e-5, "bias": False, "tied_embeddings": True},
    }
    run_id = (name or folder.name).lower()
    manifest = {
        "format": "strobe-snapshot",
        "version": 1,
        "run": {"id": run_id, "name": name or folder.name, "created_at": START + seed, "writer": "tests"},
        "model": model,
        "task": {
            **{"kind": "modular_addition", "modulus": vocab - 1},
            **{"train_fraction": 0.3, "data_seed": seed, "split": SPLIT},
        },
        "training": {"optimizer": "adamw", "learning_rate": 1e-3, "tokens_per_step": 96, "device": "cpu"},
        "snapshot": {"bytes": size, "tensors": tensors},
    }
    writer = SnapshotWriter(folder, manifest, fsync=False)
    starts, metrics = Journal(folder / ATTEMPTS), Journal(folder / METRICS)
    for attempt in range(attempts):
        own = list(steps) if attempt == 0 else list(steps)[len(steps) // 2 :]
        starts.append({"attempt": attempt, "step": own[0], "time": START + attempt, "training": {}})
        for row in _metrics(range(own[0], own[-1] + 1, metrics_every), attempt):
            metrics.append(row)
        for step in own:
            writer.write(step, _arrays(tensors, step, seed + attempt), attempt=attempt, time=START + step)
    if end is not None:
        starts.append({"attempt": attempts - 1, "end": end, "step": steps[-1], "time": START + steps[-1]})
    starts.close()
    metrics.close()
    return folder
