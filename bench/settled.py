"""How soon each panel that the server makes follows a settled step, beside a bare page that draws five charts anew.

    python bench/settled.py [--settles 20] [--only NAME ...] [--store DIR]

In Chromium, from the press that moves the cursor, less the 250 ms that it waits to settle, until the page shows that
step everywhere. Panels whose frames all fit into the browser never ask the server. Those that do: the embedded run's
three axes and its ranking around the cursor, and runs that are too large to travel whole: attention of 12 layers, a
matrix of 768 x 3072 at 60 snapshots, one of 2304 x 9216 at 30, and neurons at 100. Presses that land on a frame which
the panels already hold are not counted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bars import said
from browser import APP, ROOT, chromium, median, opened, p95, served

from etl.ingest.load import ingest
from etl.run.layout import place
from etl.run.writer import SnapshotWriter
from tests.support.make_run import make_run

SETTLE_MS = 250

BARE = """
import numpy as np, plotly.graph_objects as go, streamlit as st
step = st.session_state.setdefault("step", 0)
def on(): st.session_state["step"] += 1
st.button("next", on_click=on)
for k in range(5):
    points = np.random.default_rng(step + k).normal(size=(98, 2))
    st.plotly_chart(go.Figure(go.Scatter(x=points[:, 0], y=points[:, 1], mode="markers")), key=f"chart{k}")
st.caption(f"made step {st.session_state['step']}")
"""

CURRENT = """([sign]) => {
  const all = (root, wanted) => [...root.querySelectorAll("*")].flatMap((element) =>
    [...(element.matches(wanted) ? [element] : []), ...(element.shadowRoot ? all(element.shadowRoot, wanted) : [])]);
  const texts = (wanted) => all(document, wanted).map((element) => element.innerText);
  const step = texts("[data-at=step]")[0].replace("step ", "");
  return texts(".note").every((text) => !text) &&
    (!sign || texts("p").some((text) => text.includes(sign.replace("{step}", step))));
}"""
"""Whether every canvas shows the step of the cursor, and a text with `sign` says so where the panel is no canvas."""


class Case(NamedTuple):
    """A page, the text that shows the step, what is done to it before, and the keys that move the cursor."""

    name: str
    address: str
    sign: str = ""
    prepare: Callable[[Any], None] | None = None
    keys: tuple[str, ...] = ("ArrowLeft",)


def _three_axes(page: Any) -> None:
    page.locator(".st-key-solid_on label").click()
    page.locator(".js-plotly-plot").wait_for(timeout=60_000)


AROUND = "around the cursor, step {step}"
FAR = ("Home", "End", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
CASES = (
    Case("embedding on three axes", "embeddings?run=grok-p97", "Step {step}. The same fixed range", _three_axes),
    Case("ranking around the cursor, Fourier", "fourier?run=grok-p97&moment=cursor", AROUND),
    Case("ranking around the cursor, Explorer", "explorer?run=grok-p97&moment=cursor", AROUND),
    Case("neurons at 100 snapshots", "fourier?run=neurons"),
    Case("attention of 12 layers, Runs", "runs?run=deep", keys=FAR),
    Case("attention of 12 layers, Attention", "attention?run=deep", keys=FAR),
    Case("attention of 12 layers, Explorer", "explorer?run=deep", keys=FAR),
    Case("768 x 3072, its histogram and spectrum, Weights", "weights?run=wide"),
    Case("768 x 3072 and its spectrum, Explorer", "explorer?run=wide"),
    Case("2304 x 9216 and its histogram, Weights", "weights?run=huge"),
)


def write(folder: Path, steps: range, tensors: dict[str, tuple[list[str], list[int]]]) -> Path:
    """A run of a model of no known family with these tensors (dims, shape): normal weights and causal attention."""
    specs = [
        {"name": name, "section": name.partition("/")[0], "dims": dims, "shape": shape, "dtype": "float32"}
        for name, (dims, shape) in tensors.items()
    ]
    placed, size = place(specs)
    folder.mkdir(parents=True)
    writer = SnapshotWriter(
        folder,
        {
            "format": "strobe-snapshot", "version": 1, "model": {"family": "other"}, "training": {},
            "run": {"id": folder.name, "name": folder.name, "created_at": 1.76e9, "writer": "bench"},
            "task": {}, "snapshot": {"bytes": size, "tensors": placed},
        },
        fsync=False,
    )  # fmt: skip
    random = np.random.default_rng(0)
    for step in steps:
        arrays = {name: random.standard_normal(shape, np.float32) for name, (_, shape) in tensors.items()}
        if "attention/att" in arrays:
            weights = np.tril(np.exp(arrays["attention/att"]))
            arrays["attention/att"] = weights / weights.sum(-1, keepdims=True)
        writer.write(step, arrays, attempt=0, time=1.76e9 + step)
    return folder


def made_store(folder: Path) -> Path:
    """Runs that are too large for the browser; the app shows the embedded run beside them."""
    layers, dims = ["layer", "out", "in"], ["layer", "probe", "head", "query", "key"]
    runs = [
        write(folder / "deep", range(0, 1000, 10), {"attention/att": (dims, [12, 2, 12, 64, 64])}),
        write(folder / "wide", range(0, 600, 10), {"params/fcw": (layers, [1, 3072, 768])}),
        write(folder / "huge", range(0, 300, 10), {"params/fcw": (layers, [1, 9216, 2304])}),
        make_run(folder / "neurons", steps=range(0, 1000, 10), layers=1, vocab=98, width=128),
    ]
    ingest(runs, folder / "store")
    command = [sys.executable, "-m", "strobe", "analyze", "neurons", "--only", "fourier,neurons,progress"]
    environment = os.environ | {"STROBE_STORE": str(folder / "store")}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    return folder / "store"


def presses(browser: Any, address: str, case: Case, count: int) -> list[float]:
    """Milliseconds, one per press that the server had to follow."""
    page = opened(browser, f"{address}/{case.address}", height=1200)
    page.locator("canvas[data-token]").first.wait_for(timeout=60_000)
    if case.prepare is not None:
        case.prepare(page)
    # The page stands when nothing is computed any more, such as neurons at the other snapshots.
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=120_000)
    page.wait_for_timeout(2000)
    times: list[float] = []
    for turn in range(2 * count):
        began = time.perf_counter()
        page.keyboard.press(case.keys[turn % len(case.keys)])
        if not page.evaluate(CURRENT, [case.sign]):
            page.wait_for_function(CURRENT, arg=[case.sign], polling="raf", timeout=20_000)
            times.append(1e3 * (time.perf_counter() - began) - SETTLE_MS)
        # So long that a window of frames which is moved ahead of the cursor is there before the next press.
        page.wait_for_timeout(1000)
        if len(times) == count:
            break
    page.context.close()
    return times


def bare_presses(browser: Any, entry: Path, store: Path, count: int) -> list[float]:
    """Milliseconds from a click to the last of five charts."""
    entry.write_text(BARE)
    with served(entry, store) as (address, _):
        page = opened(browser, address, height=1200)
        page.get_by_text("made step 0").wait_for(timeout=60_000)
        page.wait_for_timeout(2000)
        times = []
        for turn in range(count):
            began = time.perf_counter()
            page.get_by_role("button", name="next").click()
            page.get_by_text(f"made step {turn + 1}", exact=True).wait_for(timeout=20_000)
            times.append(1e3 * (time.perf_counter() - began))
            page.wait_for_timeout(300)
        return times


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--settles", type=int, default=20)
    options.add_argument("--only", nargs="+", default=[""], help="cases with one of these in their name or address")
    options.add_argument("--store", type=Path, help="a store that an earlier run kept with --keep")
    options.add_argument("--keep", type=Path, help="make the store here, and leave it")
    given = options.parse_args()
    chosen = [case for case in CASES if any(word in f"{case.name} {case.address}" for word in given.only)]

    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        store = given.store or made_store(given.keep or Path(scratch) / "runs")
        bare = bare_presses(browser, Path(scratch) / "bare.py", store, given.settles)
        print(f"a bare page of five charts: median {median(bare):.0f} ms, p95 {p95(bare):.0f} ms")
        good = True
        for case in chosen:
            with served(APP, store) as (address, _):
                times = presses(browser, address, case, given.settles)
            if not times:
                print(f"{case.name}: no press needed the server")
                good = False
                continue
            good &= said(f"{case.name}, p95 of {len(times)}", p95(times), 700, "ms")
            good &= said(f"{case.name}, median to bare", median(times) / median(bare), 2.5, "x")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
