"""A run whose model was made by hand: one circle, one frequency, and attention that is even."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from etl.run.folder import Run
from etl.run.layout import place
from etl.run.writer import SnapshotWriter
from strobe.analysis.tasks import SPLIT

P, KEY, HEADS, WIDTH, NEURONS = 13, 3, 2, 8, 6


def planted(step: int) -> dict[str, np.ndarray]:
    """A model whose embedding is one circle, made by hand. Step 0 has nothing planted: all weights 0.

    The three positions attend evenly (no query-key weights), so that with phi = 2 pi n / NEURONS and w = 2 pi KEY / P
    neuron n sees (cos(w a - phi) + cos(w b - phi)) / 3 before its GELU. The logits are all 0.
    """
    x = np.arange(P)
    wte = np.zeros((P + 1, WIDTH), np.float32)
    wte[:P, 0], wte[:P, 1] = np.cos(2 * np.pi * KEY * x / P), np.sin(2 * np.pi * KEY * x / P)
    shape = {"wpe": (3, WIDTH), "qkvw": (1, 3 * WIDTH, WIDTH), "attprojw": (1, WIDTH, WIDTH),
             "fcw": (1, NEURONS, WIDTH), "fcprojw": (1, WIDTH, NEURONS), "unembed": (P + 1, WIDTH)}  # fmt: skip
    params = {"wte": wte} | {name: np.zeros(size, np.float32) for name, size in shape.items()}
    if step:
        params["qkvw"][0, 2 * WIDTH :] = np.eye(WIDTH)
        params["attprojw"][0] = np.eye(WIDTH)
        phase = 2 * np.pi * np.arange(NEURONS) / NEURONS
        params["fcw"][0, :, 0], params["fcw"][0, :, 1] = np.cos(phase), np.sin(phase)
    return params


ADDING = {"kind": "modular_addition", "modulus": P, "train_fraction": 0.5, "data_seed": 1, "split": SPLIT}


def run_folder(folder: Path, steps: tuple[int, ...] = (0, 100, 200), task: dict = ADDING) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    dims = {1: ["one"], 2: ["token", "channel"], 3: ["layer", "out", "in"]}
    arrays = {f"params/{name}": value for name, value in planted(0).items()}
    att = np.tril(np.ones((1, 2, HEADS, 3, 3), np.float32))
    arrays |= {"attention/att": att / att.sum(-1, keepdims=True), "probe/tokens": np.zeros((2, 3), np.int32)}
    named = {"attention/att": ["layer", "probe", "head", "query", "key"], "probe/tokens": ["probe", "position"]}
    tensors, size = place([
        {"name": name, "section": name.partition("/")[0], "dims": named.get(name) or dims[array.ndim],
         "shape": list(array.shape), "dtype": array.dtype.name}
        for name, array in arrays.items()
    ])  # fmt: skip
    model = {"family": "gpt2", "n_layer": 1, "n_head": HEADS, "n_embd": WIDTH, "mlp_width": NEURONS, "block_size": 3,
             "vocab_size": P + 1, "activation": "gelu", "layernorm": "none", "layernorm_eps": 1e-5, "bias": False,
             "tied_embeddings": False}  # fmt: skip
    writer = SnapshotWriter(folder, {
        "format": "strobe-snapshot", "version": 1, "model": model, "training": {},
        "task": task,
        "run": {"id": "planted", "name": "planted", "created_at": 1.0, "writer": "test"},
        "snapshot": {"bytes": size, "tensors": tensors},
    })  # fmt: skip
    for step in steps:
        writer.write(step, arrays | {f"params/{name}": value for name, value in planted(step).items()})
    return folder


def resume(folder: Path, step: int) -> None:
    """Write a snapshot of attempt 1 whose attention and embedding differ from attempt 0's."""
    run = Run(folder)
    old = run.at(step)
    arrays = {tensor["name"]: np.array(old[tensor["name"]]) for tensor in run.manifest.raw["snapshot"]["tensors"]}
    arrays["attention/att"] = np.zeros_like(arrays["attention/att"])
    arrays["attention/att"][..., 0] = 1
    arrays["params/wte"] *= 2
    SnapshotWriter(folder, run.manifest.raw).write(step, arrays, attempt=1)
