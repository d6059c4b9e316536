"""Whether a page that follows a run grows in memory, and what of it is made again.

    python bench/watched.py [--seconds 600] [--every 0.5]

One page of Curves stands open in Chromium beside `strobe ingest --watch` of a run whose log gains 20 lines a second.
The app looks for news each `--every` seconds instead of 5, so that ten minutes have the looks of more than an hour:
how often its badge and how often the whole page was made again, and the memory of the server.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bars import said
from browser import median
from playwright.sync_api import sync_playwright

from etl.ingest.load import ingest
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.support.live import listener, memory_mb, trickle
from tests.support.make_run import make_run
from tests.support.places import ROOT
from tests.support.served import answering, free_port

LINES, PAUSE_S = 5, 0.25
_SERVER = """import sys
from strobe.ui.shell import parts
parts.WATCH_SECONDS = {every}
from streamlit.web.cli import main
main()"""


def watched(folder: Path, seconds: float, every: float) -> bool:
    run, store = make_run(folder / "grows", steps=range(0, 301, 100), layers=1, end=None), folder / "store"
    port = free_port()
    command = [
        sys.executable, "-c", _SERVER.format(every=every), "run", str(ROOT / "streamlit_app.py"), "--server.port",
        str(port), "--server.address", "127.0.0.1", "--server.headless", "true",
    ]  # fmt: skip
    badges: set[str] = set()
    pages: set[str] = set()
    memory: list[float] = []
    ingest([run], store)
    with (
        trickle(run, store, PAUSE_S, LINES), answering(command, port, STROBE_STORE=str(store)) as address,
        sync_playwright() as play,
    ):  # fmt: skip
        server = listener(port)
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page()
        page.goto(f"{address}/curves?run=grows")
        page.locator(".st-live").wait_for(timeout=60_000)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            page.wait_for_timeout(200)
            badges.add(page.locator(".st-live").inner_text())
            pages.add(page.locator(".st-foot").inner_text())
            memory.append(memory_mb(server))
        browser.close()
    tenth = max(1, len(memory) // 10)
    print(
        f"{len(badges)} looks that had news, {len(pages)} whole pages; MB by tenths: "
        + " ".join(f"{median(memory[k * tenth : (k + 1) * tenth]):.0f}" for k in range(10))
    )
    good = said("whole pages for each 100 looks with news", 100 * len(pages) / len(badges), 5, "")
    return said("memory, last third less the third before", _growth(memory), 10, "MB") and good


def _growth(memory: list[float]) -> float:
    third = len(memory) // 3
    return median(memory[-third:]) - median(memory[third : 2 * third])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=600)
    options.add_argument("--every", type=float, default=0.5)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        return 0 if watched(Path(scratch), given.seconds, given.every) else 1


if __name__ == "__main__":
    sys.exit(main())
