"""Compression scores of 200 passages x 128 tokens x 12 layers x 768 dimensions, beside plain float64.

    python bench/memorization.py [--passages 200] [--layers 12]

States are random, with a spectrum that falls. The scores of 64 tokens of the first layer are made again in plain
float64: the largest difference has to stay under 1e-5.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from strobe.analysis.memorization.compression import FLOOR, NEIGHBOURS, token_scores

Array = np.ndarray[Any, Any]
TOKENS, WIDTH, SAMPLE = 128, 768, 64
SECONDS, BYTES, ERROR = 60.0, 2e9, 1e-5


def layers(count: int, tokens: int) -> Iterator[Array]:
    spectrum = np.linspace(1, 0.01, WIDTH, dtype=np.float32)
    for layer in range(count):
        yield np.random.default_rng(layer).standard_normal((tokens, WIDTH), dtype=np.float32) * spectrum


def reference(before: Array, after: Array, chosen: Array) -> Array:
    """The scores of the chosen tokens, in plain float64."""
    wide, scores = before.astype(np.float64), []
    for token in chosen:
        distance = np.square(wide - wide[token]).sum(1)
        order = np.lexsort((np.arange(len(wide)), distance))
        near = order[order != token][:NEIGHBOURS]
        scores.append(-np.log(after[near].astype(np.float64).var(0).sum() + FLOOR))
    return np.array(scores)


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--passages", type=int, default=200)
    parser.add_argument("--layers", type=int, default=12)
    given = parser.parse_args()
    tokens = given.passages * TOKENS
    token_scores([np.ones((40, 4), np.float32)] * 2)
    began, used = time.perf_counter(), processor_seconds()
    scores = token_scores(layers(given.layers, tokens))
    wall, processor = time.perf_counter() - began, processor_seconds() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    chosen = np.random.default_rng(0).choice(tokens, SAMPLE, replace=False)
    before, after = layers(2, tokens)
    worst = float(np.abs(scores[0][chosen] - reference(before, after, chosen)).max())
    print(f"{tokens:,} tokens, {given.layers} layers of {WIDTH} dimensions")
    print(f"wall {wall:.1f} s, processor {processor:.1f} s, of two cores {processor / 2:.1f} s (bar {SECONDS:.0f} s)")
    print(f"largest memory {memory / 1e9:.2f} GB (bar {BYTES / 1e9:.0f} GB)")
    print(f"largest difference from float64, of {SAMPLE} tokens of the first layer: {worst:.1e} (bar {ERROR:.0e})")


if __name__ == "__main__":
    main()
