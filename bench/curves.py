"""A curve of a million points in Chromium: how soon it is drawn, and how soon a zoom is drawn from a new query.

    python bench/curves.py [--points 1000000] [--zooms 25] [--without-raw]

Prints the seconds from opening the address to the drawn curve, for the app and for a bare Streamlit page that draws
every point, their ratio, and the times from the end of a drag to the curve drawn from the points inside it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bars import said
from browser import APP, ROOT, chromium, median, opened, p95, served
from store import attempt_rows, prepare_store, run_row, scalar_rows, store_run

from etl.ingest.metric_catalogue import metrics_table
from etl.store.files import Files

BARE = """
import os, sys
sys.path.insert(0, {root!r})
import streamlit as st
from etl.store import Store
st.set_page_config(layout="wide")
table = Store(os.environ["STROBE_STORE"]).sql("SELECT step, value FROM scalars ORDER BY step")
st.line_chart(table.to_pandas(), x="step", y="value")
"""
CHANGED = "([canvas, before]) => canvas.dataset.token !== before"


def made_store(folder: Path, points: int) -> Path:
    store = folder / "store"
    prepare_store(Files(store))
    scalars = scalar_rows(0, ["train_loss"], points)
    tables = {"runs": run_row("long", 0, points), "attempts": attempt_rows(None)}
    store_run(str(store), "long", {**tables, "scalars": scalars, "metrics": metrics_table(scalars, [], {})})
    return store


def first_drawn(browser: Any, entry: Path, store: Path, address: str, chart: str, visits: int = 3) -> float:
    """Seconds from opening the address to the chart, the best of some visits."""
    with served(entry, store) as (server, _):
        times = []
        for _ in range(visits):
            began = time.perf_counter()
            page = opened(browser, f"{server}/{address}")
            page.locator(chart).first.wait_for(timeout=180_000)
            times.append(time.perf_counter() - began)
            page.context.close()
        return min(times)


def zooms(browser: Any, store: Path, count: int) -> list[float]:
    """Milliseconds from the end of a drag to the panel drawn with the points that the new query found."""
    dice = random.Random(0)
    with served(APP, store) as (server, _):
        page = opened(browser, f"{server}/curves")
        canvas = page.locator(".st-key-board [data-chart=loss] canvas[data-token]")
        canvas.wait_for(timeout=60_000)
        page.wait_for_timeout(2000)
        box, times = canvas.bounding_box(), []
        for turn in range(count):
            if turn % 3 == 0:
                page.mouse.dblclick(box["x"] + 200, box["y"] + 100)
                page.wait_for_timeout(1500)
            ends = sorted(dice.uniform(0.15, 0.9) * box["width"] for _ in range(2))
            page.mouse.move(box["x"] + ends[0], box["y"] + 120)
            page.mouse.down()
            page.mouse.move(box["x"] + ends[1] + 8, box["y"] + 120, steps=3)
            before = canvas.get_attribute("data-token")
            began = time.perf_counter()
            page.mouse.up()
            page.wait_for_function(CHANGED, arg=[canvas.element_handle(), before], polling="raf", timeout=20_000)
            times.append(1e3 * (time.perf_counter() - began))
        return times


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--points", type=int, default=1_000_000)
    options.add_argument("--zooms", type=int, default=25)
    options.add_argument("--without-raw", action="store_true", help="leave out the slow bare page")
    given = options.parse_args()

    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        folder = Path(scratch)
        store = made_store(folder, given.points)
        ours = first_drawn(browser, APP, store, "curves", ".st-key-board [data-chart=loss] canvas[data-token]")
        print(f"{given.points:,} points on screen after {ours:.2f} s")
        good = True
        if not given.without_raw:
            bare = folder / "bare.py"
            bare.write_text(BARE.format(root=str(ROOT)))
            raw = first_drawn(browser, bare, store, "", "[data-testid=stVegaLiteChart] :is(canvas, svg.marks)", 1)
            print(f"every point on a bare page after {raw:.2f} s")
            good = said("which is longer by", raw / ours, 15, "x", most=False)
        times = zooms(browser, store, given.zooms)
        print(f"zoom drawn from a new query, median: {median(times):.0f} ms")
        good = said("zoom drawn from a new query, p95", p95(times), 250, "ms") and good
        return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
