"""How quick the app is beside a bare two-page Streamlit app with one chart of the same size, in the same run.

    python bench/app.py [--rounds 5] [--store DIR]

Prints, for each app: seconds until the server is healthy, from opening the address to the first drawn chart on a
fresh server, and from a click on the menu to the first chart of a page seen before; their ratios; and in Chromium the
time from a key press to the redrawn cursor panel. Without --store a run of the size of the example is made.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from bars import said
from browser import APP, chromium, key_presses, median, opened, p95, served

from etl.ingest.load import ingest
from tests.support.make_run import make_run

BARS = (("server healthy", 1.5), ("first chart, fresh server", 1.5), ("first chart, warm", 1.7))

BARE = """
import altair as alt, numpy as np, pandas as pd, streamlit as st
st.set_page_config(layout="wide")
def chart():
    x = np.arange(2000)
    table = pd.DataFrame({"x": x, "y": np.sin(x / 100)})
    st.altair_chart(alt.Chart(table).mark_line().encode(x="x", y="y").properties(height=300))
def one(): st.title("One"); chart()
def two(): st.title("Two"); chart()
st.navigation([st.Page(one, title="One", url_path="one"), st.Page(two, title="Two", url_path="two")]).run()
"""


def measure(
    browser: Any, entry: Path, store: Path, fresh: str, chart: str, other: str, back: str
) -> tuple[float, float, float]:
    """Seconds: healthy, first chart on a fresh server, first chart after going to page `other` and back."""
    with served(entry, store) as (address, healthy):
        began = time.perf_counter()
        page = opened(browser, f"{address}/{fresh}")
        page.locator(chart).first.wait_for(timeout=60_000)
        first = time.perf_counter() - began
        for name in (other, back):
            page.wait_for_timeout(1500)
            began = time.perf_counter()
            page.get_by_role("link", name=name, exact=True).first.click()
            page.locator("h1", has_text=name).first.wait_for(timeout=60_000)
            page.locator(chart).first.wait_for(timeout=60_000)
            warm = time.perf_counter() - began
        page.context.close()
        return healthy, first, warm


def made_store(folder: Path) -> Path:
    run = make_run(folder / "runs" / "bench", steps=range(0, 14_001, 450), layers=1, vocab=98, width=64)
    ingest([run], folder / "store")
    return folder / "store"


def report(name: str, ours: list[float], bare: list[float], bar: float) -> None:
    mine, theirs = median(ours), median(bare)
    ok = "within" if mine <= bar * theirs else "ABOVE"
    print(f"{name:<28} {mine:6.2f} s   bare {theirs:6.2f} s   ratio {mine / theirs:5.2f}   {ok} {bar}x")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--keys", type=int, default=200)
    options.add_argument("--store", type=Path)
    given = options.parse_args()

    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        folder = Path(scratch)
        store = given.store.resolve() if given.store else made_store(folder)
        bare = folder / "bare" / "app.py"
        bare.parent.mkdir()
        bare.write_text(BARE)
        rounds: list[tuple[tuple[float, ...], tuple[float, ...]]] = []
        for _ in range(given.rounds):
            ours = measure(browser, APP, store, "curves", ".panel canvas", "Runs", "Curves")
            theirs = measure(
                browser, bare, store, "", "[data-testid=stVegaLiteChart] :is(canvas, svg.marks)", "Two", "One"
            )
            rounds.append((ours, theirs))
        for k, (name, bar) in enumerate(BARS):
            report(name, [r[0][k] for r in rounds], [r[1][k] for r in rounds], bar)
        with served(APP, store) as (address, _):
            times = key_presses(opened(browser, f"{address}/runs"), ["attention"], given.keys)
        said("key press to redrawn panel, median", median(times), 50, "ms")
        said("key press to redrawn panel, p95", p95(times), 100, "ms")


if __name__ == "__main__":
    main()
