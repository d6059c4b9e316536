"""How soon the first panel of a large run of checkpoints is there, and how much memory that takes.

python bench/checkpoints.py [--gigabytes 2] [--folder DIR]

Two checkpoints of safetensors in shards, float32 tensors of a Llama's names, are ingested; then a process of
its own opens the run from the store and takes the picture of the first weight matrix, as the page Weights does.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WIDTH, SHARDS = 2048, 4
_LAYER = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
_OPENED = """
import resource, sys, time
started = time.perf_counter()
import strobe
from strobe.views.run_view import CatalogueTables, RunView, snapshot_steps
from strobe.views.matrices import default_matrix, matrices, matrix_at
from strobe.views.weights import picture
store = strobe.open(sys.argv[1])
tables = CatalogueTables(store.current(), sys.argv[1])
view = RunView(tables, "large", snapshot_steps(tables, "large"))
matrix = default_matrix(matrices(view))
cells = picture(matrix_at(view, matrix, view.steps[-1])).cells
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, cells.shape)
"""


def write(folder: Path, step: int, layers: int) -> int:
    """One checkpoint in shards of whole layers; its bytes."""
    place, random = folder / f"step{step}", np.random.default_rng(step)
    place.mkdir(parents=True)
    where, total = {}, 0
    for shard in range(SHARDS):
        name = f"model-{shard + 1:05d}-of-{SHARDS:05d}.safetensors"
        tensors = [f"model.layers.{n}.{part}.weight" for n in range(shard, layers, SHARDS) for part in _LAYER]
        size = 4 * WIDTH * WIDTH
        header = {
            tensor: {"dtype": "F32", "shape": [WIDTH, WIDTH], "data_offsets": [number * size, (number + 1) * size]}
            for number, tensor in enumerate(tensors)
        }
        text = json.dumps(header).encode()
        block = random.normal(size=(WIDTH, WIDTH)).astype(np.float32).tobytes()
        with (place / name).open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for _ in tensors:
                file.write(block)
        where |= dict.fromkeys(tensors, name)
        total += len(tensors) * size
    (place / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return total


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gigabytes", type=float, default=2.0, help="of one checkpoint")
    options.add_argument("--folder", type=Path, default=None, help="where to write; removed at the end")
    given = options.parse_args()
    layers = math.ceil(given.gigabytes * 1e9 / (4 * WIDTH * WIDTH * len(_LAYER)))
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        folder, store = Path(scratch) / "large", Path(scratch) / "store"
        size = sum(write(folder, step, layers) for step in (1, 2)) / 2
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "strobe", "ingest", str(folder), "--store", str(store)], check=True)
        took, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"ingest of two checkpoints of {size / 1e9:.2f} GB: {took:.1f} s, {used.ru_maxrss / 1024:.0f} MB")
        done = subprocess.run(
            [sys.executable, "-c", _OPENED, str(store)], check=True, capture_output=True, text=True
        ).stdout.split()
        seconds, megabytes = float(done[0]), float(done[1])
        tables = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
        print(
            f"first panel: {seconds:.2f} s (bar 2), {megabytes:.0f} MB (bar 300); the store has {tables / 1e3:.0f} kB"
        )
    return 0 if seconds < 2 and megabytes < 300 else 1


if __name__ == "__main__":
    sys.exit(main())
