"""The shared example alone, in an environment of its own requirements: quick, small, and it writes nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strobe.settings import example_path
from strobe.share.bundle import share
from strobe.ui.shell.registry import specs
from tests.support.served import free_port

pytestmark = [pytest.mark.slow, pytest.mark.browser]

OPENS_IN_S = 5.0
MOST_MB = 600.0
CHART = "canvas[data-token]"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both embedded runs, in the 25 MB that are the default."""
    from etl.store.catalogue import Store

    example = example_path()
    assert example is not None
    store, target = Store(example), tmp_path_factory.mktemp("share") / "folder"
    share(store, [store.run(run) for run in store.runs()["run"].to_pylist()], target, 25_000_000)
    return target


@pytest.fixture(scope="module")
def python(shared: Path) -> Path:
    """A fresh environment with the share's own requirements; $STROBE_SHARE_PYTHON names one that is there already."""
    if given := os.environ.get("STROBE_SHARE_PYTHON"):
        return Path(given)
    folder = shared.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/pip", "install", "-q", "-r", shared / "requirements.txt"], check=True)
    return folder / "bin/python"


class Server:
    """The app of a share as a process, and the most memory that it and its children held together."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.port, self.peak_mb, self._over = free_port(), 0.0, threading.Event()
        self.address = f"http://127.0.0.1:{self.port}"
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
        # Python's own compiled copies would be files in the folder.
        environment = kept | {"PYTHONDONTWRITEBYTECODE": "1"}
        command = [python, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(self.port)]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*command, "--server.headless", "true", "--server.address", "127.0.0.1"], cwd=folder, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self.peak_mb = max(self.peak_mb, sum(map(resident_mb, family(self.process.pid))))

    def end(self) -> None:
        self._over.set()
        self._watcher.join()
        self.process.terminate()
        self.process.wait(20)


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        below = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [pid, *(each for child in below for each in family(child))]


def resident_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024 / 1e6


@contextlib.contextmanager
def serving(folder: Path, python: Path) -> Iterator[Server]:
    server = Server(folder, python)
    try:
        yield server
    finally:
        server.end()


def listing(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its bytes, and every folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def seconds_to_first_chart(page: Any, server: Server, path: str) -> float:
    while True:
        with contextlib.suppress(Exception):
            page.goto(f"{server.address}/{path}", wait_until="commit")
            break
        assert server.process.poll() is None
        time.sleep(0.02)
    page.locator(CHART).first.wait_for(timeout=60_000)
    return time.monotonic() - server.started


def test_it_opens_at_once_and_stays_small_and_writes_nothing(shared: Path, python: Path, browser: Any) -> None:
    before = listing(shared)
    contexts = [browser.new_context() for _ in range(3)]
    pages = [context.new_page() for context in contexts]
    with serving(shared, python) as server:
        opened = seconds_to_first_chart(pages[0], server, "curves")
        for page in pages[1:]:
            page.goto(f"{server.address}/curves")
        for name, spec in specs().items():
            for page in pages:
                page.locator(f'[data-testid="stSidebarNav"] a[href*="/{name}"]').first.click()
            for page in pages:
                page.locator(".st-head h1", has_text=spec.title).first.wait_for(timeout=60_000)
                page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')", timeout=60_000)
                assert page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').count() == 0
        peak = server.peak_mb
    for context in contexts:
        context.close()
    print(f"\nfirst chart after {opened:.2f} s; at most {peak:.0f} MB with three sessions on {len(specs())} pages")
    assert listing(shared) == before
    assert peak < MOST_MB
    assert opened < OPENS_IN_S
