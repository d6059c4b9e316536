"""Times of the analyses that a panel waits for, beside what each may cost: `python bench/analysis.py`.

Medians of several calls on this machine with all its cores; the error of the singular values is measured on matrices
of condition number 1e5 whose singular values are known.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from strobe.analysis import attention, banding, fourier, progress, projection, spectrum
from strobe.analysis.architecture import Architecture
from strobe.analysis.forward import forward
from strobe.analysis.heavy_tail import heavy_tail

RNG = np.random.default_rng(0)


def median_ms(work: Callable[[], Any], repeats: int) -> float:
    """The median milliseconds of `work` after one call that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape, dtype=np.float32)


def worst_error(m: int, n: int) -> float:
    """The largest relative error of a singular value of an (m, n) matrix with condition number 1e5."""
    s = np.geomspace(1, 1e-5, m)
    left = np.linalg.qr(RNG.standard_normal((m, m)))[0]
    right = np.linalg.qr(RNG.standard_normal((n, m)))[0]
    found = spectrum.singular_values((left * s) @ right.T)
    return float((np.abs(found.values - s) / s).max())


def grokking_model(p: int = 97) -> tuple[dict[str, np.ndarray[Any, Any]], Architecture, np.ndarray[Any, Any]]:
    """Random parameters of the one-layer model of the grokking runs, and all its p * p inputs."""
    shapes = {
        "wte": (p + 1, 128), "wpe": (3, 128), "qkvw": (1, 384, 128), "attprojw": (1, 128, 128),
        "fcw": (1, 512, 128), "fcb": (1, 512), "fcprojw": (1, 128, 512), "fcprojb": (1, 128), "unembed": (p + 1, 128),
    }  # fmt: skip
    a, b = np.divmod(np.arange(p * p), p)
    tokens = np.stack([a, b, np.full(p * p, p)], axis=1)
    return (
        {name: normal(*shape) * 0.1 for name, shape in shapes.items()},
        Architecture(1, 4, "relu", "none", 1e-5, False),
        tokens,
    )


def rows(large: bool) -> list[tuple[str, Callable[[], Any], float | None, int]]:
    """(what, work, milliseconds it may take, repeats)."""
    medium, points, embeddings = normal(768, 3072), normal(5000, 384), normal(400, 113, 128)
    grids, s = normal(512, 97, 97), np.abs(normal(2304))
    att = np.exp(normal(16, 12, 256, 256))
    tokens = RNG.integers(0, 60, (16, 256))
    params, architecture, pairs = grokking_model()
    logits = normal(97 * 97, 98)
    table: list[tuple[str, Callable[[], Any], float | None, int]] = [
        ("singular values, 768 x 3,072", lambda: spectrum.singular_values(medium), 60, 9),
        ("PCA, 5,000 x 384", lambda: projection.pca(points, 3), 25, 15),
        ("component norms, 400 x (113 x 128)", lambda: fourier.component_norms(embeddings, 113), 20, 15),
        ("neuron shares, 512 x (97 x 97)", lambda: fourier.neuron_shares(grids, 97), None, 9),
        ("heavy tail, 2,304 values", lambda: heavy_tail(s, replicates=0), None, 5),
        ("heavy tail and its p, 2,304 values", lambda: heavy_tail(s), None, 3),
        ("head scores, 16 x 12 heads x 256 x 256", lambda: attention.head_scores(att, tokens), 100, 5),
        ("forward pass, 97 x 97 inputs", lambda: forward(params, architecture, pairs, position=-1), None, 5),
        ("excluded loss, 5 keys, 97 x 97 inputs", lambda: progress.excluded_loss(logits, 97, range(1, 6)), None, 5),
    ]
    if large:
        big = normal(2304, 9216)
        table += [
            ("singular values, 2,304 x 9,216", lambda: spectrum.singular_values(big), 1200, 3),
            ("band profile, 2,304 x 9,216", lambda: banding.band_profile(big), 100, 5),
        ]
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="leave out what takes seconds")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    for what, work, limit, repeats in rows(not options.small):
        allowed = f" of {limit:,.0f}" if limit else ""
        print(f"{what:42s}{median_ms(work, repeats):9.1f}{allowed} ms", flush=True)
    for m, n in ((768, 3072),) if options.small else ((768, 3072), (2304, 9216)):
        print(f"error at condition 1e5, {m:,} x {n:,}:  {worst_error(m, n):.1e} of 1e-06", flush=True)


if __name__ == "__main__":
    main()
