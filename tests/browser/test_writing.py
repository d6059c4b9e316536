"""The token of writing in a browser: a page that is loaded again may go on, one of another port has nothing. What
keeps it is tried by itself, and the whole app where CI is set."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strobe.ui.shell.components import script
from tests.support.effort import whole_in_ci
from tests.support.served import answering, free_port

pytestmark = pytest.mark.browser

MOUNT = """async (source) => {
  const module = await import(URL.createObjectURL(new Blob([source], {type: "text/javascript"})));
  window.offeredWith = (token) => {
    const offered = [];
    module.default({ data: { token }, setTriggerValue: (name, value) => offered.push([name, value]) });
    return offered;
  };
}"""


def at_an_address(page: Any, address: str) -> Any:
    """What the keeper offers to the server at an address, given what the server says."""
    page.route(address, lambda route: route.fulfill(body=""))
    page.goto(address)
    page.evaluate(MOUNT, script("keeper", default="mountKeeper"))
    return lambda token: page.evaluate("(token) => offeredWith(token)", token)


def test_a_token_is_kept_where_it_was_told_and_offered_once(page: Any) -> None:
    offered = at_an_address(page, "http://127.0.0.1:7001/")
    assert offered("") == []
    assert offered("abc") == []
    assert page.evaluate("localStorage.getItem('strobe:token')") == "abc"
    assert offered("") == [["token", "abc"]]
    assert offered("") == [], "one of a process that is gone is refused"
    assert at_an_address(page, "http://127.0.0.1:7002/")("") == [], "another port has nothing"
    assert at_an_address(page, "http://127.0.0.1:7001/")("") == [["token", "abc"]], "loaded again it may go on"
    # A cookie would go to every port of this machine.
    assert "abc" not in str(page.context.cookies())


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that `strobe app` prints."""
    port, store = free_port(), tmp_path_factory.mktemp("writing")
    said = store / "said.txt"
    command = [sys.executable, "-m", "strobe", "app", "--no-browser", "--port", str(port), "--store", str(store)]
    with answering(["sh", "-c", f'exec "$@" > {said}', "sh", *command], port) as address:
        yield re.findall(rf"{address}/\S+", Path(said).read_text())[0]


@whole_in_ci
def test_a_page_that_is_loaded_again_may_go_on(opened: str, page: Any) -> None:
    place, _, token = opened.partition("/?token=")
    page.goto(opened)
    page.get_by_text("Store:").wait_for()
    page.wait_for_url(lambda url: token not in url)
    page.wait_for_function("localStorage.getItem('strobe:token')")
    for shown in (page, page.context.new_page()):
        shown.goto(f"{place}/sql")
        shown.get_by_text("Saved", exact=True).wait_for()
        shown.get_by_text("Read-only here").wait_for(state="detached")
        assert page.evaluate("localStorage.getItem('strobe:token')") == token
        shown.get_by_text("Saved", exact=True).click()
        shown.get_by_role("button", name="Save", exact=True).wait_for()
    # A cookie would go to every port of this machine.
    assert token not in str(page.context.cookies())
    shown.close()


@whole_in_ci
def test_a_browser_without_the_token_is_told_how_to_write(opened: str, browser: Any) -> None:
    place = opened.partition("/?token=")[0]
    with browser.new_context() as other:
        page = other.new_page()
        page.goto(f"{place}/runs")
        page.evaluate("localStorage.setItem('strobe:token', 'of a process that is gone')")
        page.goto(f"{place}/runs")
        page.get_by_text("Read-only here").wait_for()
