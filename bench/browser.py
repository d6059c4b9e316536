"""What the benchmarks in Chromium share: a browser, servers that end with their measurement, and how a figure is
printed beside its bar."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "streamlit_app.py"
sys.path.insert(0, str(ROOT))  # what is measured is this tree, with the runs that its tests make
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

_KEYS = """async ([count, panels]) => {
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


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser of this machine, driven by playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def served(entry: Path, store: Path) -> Iterator[tuple[str, float]]:
    """A Streamlit server of `entry` over a store: its address, and the seconds until it was healthy."""
    port = _free_port()
    command = [
        sys.executable, "-m", "streamlit", "run", str(entry), "--server.address", "127.0.0.1",
        "--server.port", str(port), "--server.headless", "true", "--browser.gatherUsageStats", "false",
    ]  # fmt: skip
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=entry.parent, env=os.environ | {"STROBE_STORE": str(store)}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        yield address, _healthy(process, address, began)
    finally:
        process.terminate()
        process.wait(10)


def _healthy(process: subprocess.Popen[bytes], address: str, began: float) -> float:
    while True:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):
                return time.perf_counter() - began
        except OSError:
            if process.poll() is not None or time.perf_counter() - began > 60:
                raise SystemExit(f"{process.args} did not start") from None
            time.sleep(0.005)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def opened(browser: Any, url: str, height: int = 900) -> Any:
    """A page of its own, as a visitor who was never here has it."""
    page = browser.new_context(viewport={"width": 1440, "height": height}).new_page()
    page.goto(url)
    return page


def key_presses(page: Any, panels: Sequence[str], count: int) -> list[float]:
    """Milliseconds from each of some arrow keys to the frame after the last of the panels was redrawn."""
    for panel in panels:
        page.locator(f".st-key-{panel} canvas[data-token]").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    return list(page.evaluate(_KEYS, [count, panels]))


def median(times: Sequence[float]) -> float:
    return sorted(times)[len(times) // 2]


def p95(times: Sequence[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]
