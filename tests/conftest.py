"""What all tests share."""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support.effort import IN_CI, tries
from tests.support.places import ROOT

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None, max_examples=tries(40, 100))
settings.load_profile("patient")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a store of its own, for tests of commands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    return tmp_path


BROWSER = "tests/browser/"
TRAINING = (
    "tests/cuda/", "tests/etl/checkpoints/", "tests/strobe/record/", "tests/strobe/train/",
    "tests/strobe/derive/test_checkpoints.py", "tests/strobe/ui/health/test_adam.py",
    "tests/strobe/views/test_planted_faults.py",
)  # fmt: skip
MEMORY = Path("/dev/shm")
ROOM = 2_000_000_000
"""Bytes: several times what one run of the tests leaves behind."""


def _write_to_memory() -> None:
    """Tests write thousands of small files and sync each: where there is a file system in memory with room to spare
    they need not wait for a disk. What a kill leaves behind is the same on both."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _keep_bytecode() -> None:
    """Where the environment forbids to write bytecode, each worker would rewrite the asserts of all tests, and each
    process that a test starts would compile the app."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


COMPILING = pytest.StashKey["subprocess.Popen[bytes]"]()


def pytest_configure(config: pytest.Config) -> None:
    """Begins to compile the kernels of the statistics, while the workers of xdist start: each would do it for itself
    where numba's cache on disk is not warm. And workers share the cores: t-SNE in two threads each, waiting for one
    another, takes three times as long."""
    if hasattr(config, "workerinput"):
        return
    _write_to_memory()
    _keep_bytecode()
    if config.getoption("numprocesses", None):
        for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(threads, "1")
        config.stash[COMPILING] = subprocess.Popen([sys.executable, "-c", "import etl.ingest.kernels"], cwd=ROOT)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where CI is set, what has to be alone is left out of a run in several workers: it has one of its own."""
    if not IN_CI or not hasattr(config, "workerinput"):
        return
    alone = [item for item in items if item.get_closest_marker("alone")]
    config.hook.pytest_deselected(items=alone)
    items[:] = [item for item in items if item not in set(alone)]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file goes to one worker, so that what its tests share is made once; all browsers to one: two at once would
    wait for each other's pages, and need a server each. What uses PyTorch goes to another: each worker that does pays
    for its first step, or for the first file that it saves."""
    from xdist.scheduler import LoadFileScheduling

    class ByRoom(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            room = next((room for room in (BROWSER, *TRAINING) if nodeid.startswith(room)), None)
            return TRAINING[0] if room in TRAINING else room or str(super()._split_scope(nodeid))

    return ByRoom(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """The first test waits for the kernels."""
    compiling = node.config.stash.get(COMPILING, None)
    if compiling is not None:
        compiling.wait()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests stay until the end: the garbage collector does not search them while they are made, nor ever
    after. That search is a third of what it costs to collect."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        # Bindings count what is left at the very end, and call it a leak.
        atexit.register(gc.unfreeze)


def pytest_collection_finish() -> None:
    _look_for_components_once()
    _read_commands_once()


def _read_commands_once() -> None:
    """Has Typer's runner read the signatures of all commands once, and not at each call: that takes longer than most
    commands do."""
    if "typer.testing" in sys.modules:
        testing: Any = sys.modules["typer.testing"]
        testing._get_command = functools.cache(testing._get_command)


def _look_for_components_once() -> None:
    """Has Streamlit's test harness look for components among the installed packages once, and not for each page: to
    read the metadata of them all takes as long as the page."""
    if "streamlit.testing.v1.app_test" in sys.modules:
        scanner: Any = importlib.import_module("streamlit.components.v2.manifest_scanner")
        scanner.scan_component_manifests = functools.cache(scanner.scan_component_manifests)


def pytest_sessionfinish() -> None:
    """Removes the folder that Streamlit's test harness makes on import and leaves to the garbage collector, which
    warns of it."""
    harness = sys.modules.get("streamlit.testing.v1.app_test")
    if harness is not None:
        harness.TMP_DIR.cleanup()
