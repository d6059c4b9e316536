"""How soon the Explorer's five panels follow a key press, and a panel that the server makes follows a settled step.

    python bench/explorer.py [--keys 100] [--settles 20]

Both in Chromium on the embedded run. The second is the three-dimensional embedding, beside a bare Streamlit page that
draws five charts anew at each press of a button.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from app import FLAGS, ROOT, free_port, start

PANELS = ["explorer_loss", "explorer_attention", "explorer_embedding", "explorer_weights", "fourier_bars"]

KEYS = """async ([count, panels]) => {
  const times = [], sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  for (let k = 0; k < count; k++) {
    const left = new Set(panels);
    const shown = new Promise((done) => window.addEventListener("strobe:drawn", function heard(e) {
      left.delete(e.detail.panel);
      if (left.size) return;
      window.removeEventListener("strobe:drawn", heard);
      requestAnimationFrame(() => done(performance.now()));
    }));
    const began = performance.now();
    const key = k % 40 < 20 ? "ArrowLeft" : "ArrowRight";
    window.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    times.push((await shown) - began);
    await sleep(40);
  }
  return times;
}"""

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


def keys(browser: Any, store: Path, count: int) -> list[float]:
    port = free_port()
    process, _ = start(ROOT / "streamlit_app.py", port, store)
    try:
        page = browser.new_context(viewport={"width": 1440, "height": 1600}).new_page()
        page.goto(f"http://127.0.0.1:{port}/explorer?run=grok-p97")
        for panel in PANELS:
            page.locator(f".st-key-{panel} canvas[data-token]").wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
        return sorted(page.evaluate(KEYS, [count, PANELS]))
    finally:
        process.terminate()
        process.wait(10)


def settles(browser: Any, store: Path, count: int) -> list[float]:
    """Milliseconds from the press to the redrawn panel, less the 250 ms that the cursor waits to settle."""
    port = free_port()
    process, _ = start(ROOT / "streamlit_app.py", port, store)
    try:
        page = browser.new_context(viewport={"width": 1440, "height": 1200}).new_page()
        page.goto(f"http://127.0.0.1:{port}/embeddings?run=grok-p97")
        page.locator(".st-key-solid_on label").click(timeout=60_000)
        page.locator(".js-plotly-plot").wait_for(timeout=60_000)
        page.wait_for_timeout(2000)
        times = []
        for _ in range(count):
            before = page.get_by_text("The same fixed range").inner_text()
            began = time.perf_counter()
            page.keyboard.press("ArrowLeft")
            page.wait_for_function(
                "(before) => ![...document.querySelectorAll('p')].some((p) => p.innerText === before)", arg=before,
                polling="raf", timeout=20_000,
            )  # fmt: skip
            times.append(1e3 * (time.perf_counter() - began) - 250)
            page.wait_for_timeout(300)
        return sorted(times)
    finally:
        process.terminate()
        process.wait(10)


def bare_charts(browser: Any, entry: Path, store: Path, count: int) -> list[float]:
    port = free_port()
    process, _ = start(entry, port, store)
    try:
        page = browser.new_context(viewport={"width": 1440, "height": 1200}).new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_text("made step 0").wait_for(timeout=60_000)
        page.wait_for_timeout(2000)
        times = []
        for turn in range(count):
            began = time.perf_counter()
            page.get_by_role("button", name="next").click()
            page.get_by_text(f"made step {turn + 1}", exact=True).wait_for(timeout=20_000)
            times.append(1e3 * (time.perf_counter() - began))
            page.wait_for_timeout(300)
        return sorted(times)
    finally:
        process.terminate()
        process.wait(10)


def said(what: str, value: float, bar: float, unit: str) -> bool:
    print(f"{what:52} {value:8.1f} {unit}   bar <= {bar:g}   {'ok' if value <= bar else 'MISSED'}")
    return value <= bar


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--keys", type=int, default=100)
    options.add_argument("--settles", type=int, default=20)
    given = options.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        folder = Path(scratch)
        bare = folder / "bare.py"
        bare.write_text(BARE)
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        times = keys(browser, folder / "store", given.keys)
        good = said("key to all five panels, median", times[len(times) // 2], 50, "ms")
        good &= said("key to all five panels, p95", times[int(len(times) * 0.95)], 100, "ms")
        ours = settles(browser, folder / "store", given.settles)
        theirs = bare_charts(browser, bare, folder / "store", given.settles)
        good &= said("settled step to a server-made panel, p95", ours[int(len(ours) * 0.95)], 700, "ms")
        ratio = ours[len(ours) // 2] / theirs[len(theirs) // 2]
        good &= said("the same, median, to a bare page of five charts", ratio, 2.5, "x ")
        browser.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
