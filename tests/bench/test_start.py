"""That each measurement can be started from the address that its page names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "bench").glob("*.py")), ids=lambda path: path.stem)
def test_a_measurement_finds_what_it_imports(path: Path) -> None:
    started = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=False)
    assert started.returncode == 0, started.stderr
