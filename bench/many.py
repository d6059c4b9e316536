"""Many runs in Chromium: how soon Runs and Curves stand where a store has a thousand of them, and how quick Curves is
with a hundred drawn.

    python bench/many.py [--runs 1000] [--drawn 100] [--points 10000] [--zooms 20]

Prints the seconds from opening the address on a fresh server, whose caches are cold, to the table of runs and to the
charts in sight, over runs with 12,000 names of metrics between them; of the drawn runs, each with `points` of a loss,
the same, the times of zooms, and from the crosshair's rest to the values beside it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bars import said
from browser import APP, chromium, opened, p95, served
from store import attempt_rows, make, prepare_store, run_row, scalar_rows, small_run, store_run

from etl.ingest.metric_catalogue import metrics_table
from etl.store.files import Files

CHART = ".st-key-board [data-chart=loss] canvas[data-token]"
DRAWN = """(tiles) => {
  const seen = tiles.filter((tile) => tile.getBoundingClientRect().top < innerHeight);
  return seen.length > 0 && seen.every((tile) => tile.querySelector("canvas").dataset.token);
}"""
SETTLED = """([canvas]) => canvas.getRootNode().querySelector(".dock").dataset.settled === "true" """
CHANGED = "([canvas, before]) => canvas.dataset.token !== before"


def drawn_store(folder: Path, runs: int, points: int) -> Path:
    store = folder / "drawn"
    prepare_store(Files(store))
    for k in range(runs):
        scalars = scalar_rows(k, ["train_loss"], points)
        tables = {"runs": run_row(f"run-{k:03}", k, points), "attempts": attempt_rows(None)}
        store_run(
            str(store), f"run-{k:03}", {**tables, "scalars": scalars, "metrics": metrics_table(scalars, [], {})}
        )
    return store


def charts_stand(page: Any, within: float = 120) -> None:
    """Waits until every chart in sight is drawn."""
    until = time.perf_counter() + within
    while not page.locator(".st-key-board .tile").evaluate_all(DRAWN):
        if time.perf_counter() > until:
            raise SystemExit(f"the charts in sight were not drawn within {within:.0f} s")
        page.wait_for_timeout(10)


@contextmanager
def fresh(browser: Any, store: Path, address: str) -> Iterator[tuple[Any, float]]:
    """A page on a server that was just started: the page, and when its address was opened."""
    with served(APP, store) as (server, _):
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        # What every first page of a server costs, whatever is in the store: imports.
        opened(browser, f"{server}/sql").locator(".st-foot").first.wait_for(timeout=120_000)
        began = time.perf_counter()
        page.goto(f"{server}/{address}")
        yield page, began
        page.context.close()


def first_screen(browser: Any, store: Path, address: str) -> float:
    """Seconds to the table of runs, or to the charts in sight."""
    with fresh(browser, store, address) as (page, began):
        if address == "curves":
            charts_stand(page)
        else:
            page.locator(".st-key-runs_table tbody tr").first.wait_for(timeout=120_000)
        return time.perf_counter() - began


def zoom_times(page: Any, count: int) -> list[float]:
    """Milliseconds from the end of a drag to the chart drawn with the points inside."""
    dice, times, canvas = random.Random(0), [], page.locator(CHART)
    box = canvas.bounding_box()
    for turn in range(count):
        if turn % 3 == 0:
            page.mouse.dblclick(box["x"] + 200, box["y"] + 100)
            page.wait_for_timeout(2500)
        ends = sorted(dice.uniform(0.2, 0.9) * box["width"] for _ in range(2))
        page.mouse.move(box["x"] + ends[0], box["y"] + 120)
        page.mouse.down()
        page.mouse.move(box["x"] + ends[1] + 8, box["y"] + 120, steps=3)
        before = canvas.get_attribute("data-token")
        began = time.perf_counter()
        page.mouse.up()
        page.wait_for_function(CHANGED, arg=[canvas.element_handle(), before], polling=8, timeout=30_000)
        times.append(1e3 * (time.perf_counter() - began))
    return times


def readout_times(page: Any, count: int) -> list[float]:
    """Milliseconds from the last movement of the pointer to the exact values in the docked table."""
    canvas, times = page.locator(CHART), []
    page.mouse.dblclick(canvas.bounding_box()["x"] + 200, canvas.bounding_box()["y"] + 100)
    page.wait_for_timeout(2500)
    box = canvas.bounding_box()
    for turn in range(count):
        page.mouse.move(box["x"] + 80 + (turn * 53) % (box["width"] - 120), box["y"] + 100)
        began = time.perf_counter()
        page.wait_for_function(SETTLED, arg=[canvas.element_handle()], polling=8, timeout=30_000)
        times.append(1e3 * (time.perf_counter() - began))
    return times


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--steps", type=int, default=50, help="rows of each metric of the many runs")
    options.add_argument("--drawn", type=int, default=100)
    options.add_argument(
        "--points",
        type=int,
        default=10_000,
        help="points of each drawn run, more than the 1,250 that travel: a zoom reads",
    )
    options.add_argument("--zooms", type=int, default=20)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        folder, good = Path(scratch), []
        many = folder / "many"
        make(many, given.runs, partial(small_run, str(many), given.steps))
        words = f"{given.runs:,} runs"
        good.append(said(f"Runs, {words}", first_screen(browser, many, "runs"), 1.6, "s"))
        good.append(said(f"Curves, first screen, {words}", first_screen(browser, many, "curves"), 1.2, "s"))
        store = drawn_store(folder, given.drawn, given.points)
        link = "curves?" + "&".join(f"run=run-{k:03}" for k in range(given.drawn))
        words = f"{given.drawn} runs of {given.points:,} points"
        with fresh(browser, store, link) as (page, began):
            charts_stand(page)
            good.append(said(f"Curves, first screen, {words}", time.perf_counter() - began, 3, "s"))
            page.wait_for_timeout(2000)
            good.append(said("zoom, p95", p95(zoom_times(page, given.zooms)), 250, "ms"))
            good.append(said("values beside the crosshair, p95", p95(readout_times(page, given.zooms)), 150, "ms"))
        return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
