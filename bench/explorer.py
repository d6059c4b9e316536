"""How soon the Explorer's five panels follow a key press, in Chromium on the embedded run.

python bench/explorer.py [--keys 100]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from bars import said
from browser import APP, chromium, key_presses, median, opened, p95, served

PANELS = ["explorer_loss", "explorer_attention", "explorer_embedding", "explorer_weights", "fourier_bars"]


def keys(browser: Any, store: Path, count: int) -> list[float]:
    with served(APP, store) as (address, _):
        return key_presses(opened(browser, f"{address}/explorer?run=grok-p97", height=1600), PANELS, count)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--keys", type=int, default=100)
    given = options.parse_args()

    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        times = keys(browser, Path(scratch) / "store", given.keys)
    good = said("key to all five panels, median", median(times), 50, "ms")
    good &= said("key to all five panels, p95", p95(times), 100, "ms")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
