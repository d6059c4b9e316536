"""What all tests share."""

from __future__ import annotations

import sys


def pytest_sessionfinish() -> None:
    """Removes the folder that Streamlit's test harness makes on import and leaves to the garbage collector, which
    warns of it."""
    harness = sys.modules.get("streamlit.testing.v1.app_test")
    if harness is not None:
        harness.TMP_DIR.cleanup()
