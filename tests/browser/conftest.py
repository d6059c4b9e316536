"""A real server and a real Chromium. Without Chromium these tests skip and say so, except where CI is set."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.ingest.load import ingest
from tests.support.app_store import grokking
from tests.support.make_run import make_run
from tests.support.served import served

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--process-per-site",
)  # fmt: skip
"""Pages of one context share a process, and with it the compiled scripts of Streamlit: a page costs half of what it
costs in a process of its own."""


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browser")
    grokking(root)
    hostile = make_run(root / "runs" / "second", steps=range(0, 601, 100))
    # Attention over 256 positions at 20 snapshots does not fit into a panel.
    long = make_run(root / "runs" / "long", steps=range(0, 2000, 100), probe=(1, 256), metrics_every=100)
    ingest([hostile, long], root / "store")
    return root / "store"


@pytest.fixture(scope="package")
def server(store: Path) -> Iterator[str]:
    # Queries of the SQL page end soon.
    with served(store, STROBE_QUERY_TIMEOUT_S="1.5") as address:
        yield address


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """One for all of these tests; it ends with them, and with it the event loop that Playwright keeps running."""
    if not Path(CHROMIUM).exists():
        if os.environ.get("CI"):
            pytest.fail("CI is set and there is no Chromium: install Debian's package `chromium`")
        pytest.skip("no Chromium: install Debian's package `chromium` to run the browser tests")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def context(browser: Any) -> Iterator[Any]:
    """What pages share is the cache: the app's scripts are loaded and compiled once. Each page is a session of
    its own. An empty page of the server's site stays open, so that their common process lives as long."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    site = "http://127.0.0.1/"
    context.route(site, lambda route: route.fulfill(body=""))
    context.new_page().goto(site)
    context.unroute(site)
    yield context
    context.close()


@contextlib.contextmanager
def without_errors(context: Any) -> Iterator[Any]:
    """A page whose scripts must not fail; it is closed at the end."""
    made = context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    made.close()
    assert errors == []


@pytest.fixture
def page(context: Any) -> Iterator[Any]:
    with without_errors(context) as made:
        yield made


@pytest.fixture(scope="module")
def lasting(context: Any) -> Iterator[Any]:
    """A page for the tests of a module that look, or that set what they look at."""
    with without_errors(context) as made:
        yield made
