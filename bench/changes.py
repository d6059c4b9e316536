"""How often change points are called where there are none, and found where they are: `python bench/changes.py`.

Every kind of series at every length, `--series` of each, over `--workers` processes: shares of series with any change
and with a step; of planted steps found within two samples, of planted rises found as exactly one gradual change, and
how many of their intervals hold the place. `--calibrate` instead simulates the table that a p is read from
(`strobe/analysis/change_tail.py`) and prints it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from browser import median

from strobe.analysis.change_points import Searched, change_points
from tests.support.series import (
    WITHOUT_CHANGE,
    Floats,
    Make,
    Random,
    autoregressive,
    flicker,
    is_found,
    planted_rise,
    planted_step,
)  # fmt: skip

LENGTHS = (120, 400)
CALIBRATED = (20, 28, 60, 120, 400)
LOOSE = 0.1
"""The level at which a search of the calibration goes as far as it goes where something is found."""
OTHERS = 1_000_000
"""From which number on series are for calibration: none of them is among those measured."""
SHARES = (0.1, 0.07, 0.05, 0.04, 0.03, 0.02, 0.01, 0.005)


def _level_and_white(random: Random, n: int) -> Floats:
    """A random walk under white noise of 16 times the variance of its steps."""
    return np.cumsum(random.standard_normal(n)) + 4 * random.standard_normal(n)


WORST: dict[str, Make] = {
    **{name: WITHOUT_CHANGE[name] for name in ("AR(1), 0.9", "AR(1), 0.95", "AR(1), 0.95, and white", "random walk")},
    "AR(1), 0.98": lambda random, n: autoregressive(random, n, 0.98),
    "level and white": _level_and_white,
    "1/f": flicker,
}
"""Kinds that reach the largest ratios without a change."""
PLANTED = {"step": planted_step, "gradual": planted_rise}


def jobs(kind: str, n: int, count: int, first: int = 0) -> list[tuple[str, int, int]]:
    return [(kind, n, first + i) for i in range(count)]


def seeded(kind: str, n: int, i: int) -> Random:
    return np.random.default_rng([sum(kind.encode()), n, i])


def searched(values: Floats) -> tuple[Searched, float]:
    """And the milliseconds that it took."""
    started = time.perf_counter()
    result = change_points(np.arange(len(values)), values)
    return result, 1e3 * (time.perf_counter() - started)


def alarm(job: tuple[str, int, int]) -> tuple[float, ...]:
    """Whether a series without a change has any, whether it has a step, and the time."""
    kind, n, i = job
    result, spent = searched(WITHOUT_CHANGE[kind](seeded(kind, n, i), n))
    return bool(result.changes), any(change.kind == "step" for change in result.changes), spent


def hit(job: tuple[str, int, int]) -> tuple[float, ...]:
    """Whether a planted change is found, is alone, and lies in its interval; and the time."""
    kind, n, i = job
    planted = PLANTED[kind](seeded(kind, n, i), n)
    result, spent = searched(planted.values)
    near = is_found(kind, planted, result.changes)
    covered = near is not None and near.step_low <= planted.at <= near.step_high
    return near is not None, len(result.changes) == 1, covered, spent


def ratio(job: tuple[str, int, int]) -> float:
    kind, n, i = job
    return change_points(np.arange(n), WORST[kind](seeded(kind, n, i), n), LOOSE).ratio


def measured(pool: ProcessPoolExecutor, count: int) -> Iterator[str]:
    """The lines of the report."""
    for n in LENGTHS:
        for kind in WITHOUT_CHANGE:
            change, step, spent = zip(*pool.map(alarm, jobs(kind, n, count), chunksize=10), strict=True)
            yield f"{n:4} {kind:32} any {np.mean(change):6.1%}  step {np.mean(step):6.1%}  {median(spent):5.0f} ms"
        for kind in PLANTED:
            found, alone, covered, spent = zip(*pool.map(hit, jobs(kind, n, count), chunksize=10), strict=True)
            share = np.sum(covered) / max(np.sum(found), 1)
            yield (
                f"{n:4} {'planted ' + kind:32} found {np.mean(found):6.1%}  alone {np.mean(alone):6.1%}  interval "
                f"holds {share:6.1%} of the found, {np.mean(covered):6.1%} of all  {median(spent):5.0f} ms"
            )


def calibrated(pool: ProcessPoolExecutor, count: int) -> Iterator[str]:
    """For each length, the largest over WORST of the ratio that each share of the series exceeds."""
    yield "   n " + " ".join(f"{share:7.3f}" for share in SHARES)
    for n in CALIBRATED:
        every = []
        for kind in WORST:
            ratios = list(pool.map(ratio, jobs(kind, n, count, OTHERS), chunksize=10))
            every.append(np.quantile(ratios, 1 - np.array(SHARES)))
            yield f"{n:4} " + " ".join(f"{each:7.2f}" for each in every[-1]) + f" {kind}"
        yield f"{n:4} " + " ".join(f"{each:7.2f}" for each in np.max(every, axis=0)) + " worst"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--calibrate", action="store_true")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.workers) as pool:
        for line in (calibrated if options.calibrate else measured)(pool, options.series):
            print(line, flush=True)


if __name__ == "__main__":
    main()
