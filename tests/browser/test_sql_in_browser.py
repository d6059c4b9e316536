"""The SQL page in a real browser: a query runs and is shared by its link, a bomb is stopped and the page lives."""

from __future__ import annotations

import re
import time
import urllib.parse
from typing import Any

import pytest

from tests.support.effort import whole_in_ci

BOMB = "select count(*) from range(1000000000000) t(i) where hash(i) = 1"

pytestmark = pytest.mark.browser


def has_value(page: Any, value: Any) -> None:
    """The note of a link can be drawn before the editor has its text: waits for it."""
    from playwright.sync_api import expect

    expect(page.get_by_label("SQL", exact=True)).to_have_value(value, timeout=15_000)


def visit(context: Any, url: str) -> Any:
    page = context.new_page()
    page.goto(url)
    page.get_by_label("SQL", exact=True).wait_for(timeout=90_000)
    return page


def ask(page: Any, sql: str) -> None:
    editor = page.get_by_label("SQL", exact=True)
    editor.fill(sql)
    editor.press("Control+Enter")


@whole_in_ci
def test_a_query_runs_and_its_link_shows_it_to_another(context: Any, browser: Any, server: str) -> None:
    page = visit(context, f"{server}/sql")
    ask(page, "select run, 40 + 2 as answer from runs")
    page.get_by_test_id("stDataFrame").wait_for(timeout=15_000)
    page.wait_for_url("**q=select*", timeout=30_000)
    other = visit(browser.new_context(), page.url)
    other.get_by_text("This query came with the link").wait_for(timeout=15_000)
    has_value(other, "select run, 40 + 2 as answer from runs")
    assert other.get_by_test_id("stDataFrame").count() == 0
    other.get_by_role("button", name="Run", exact=True).click()
    other.get_by_test_id("stDataFrame").wait_for(timeout=15_000)


@whole_in_ci
def test_a_bomb_is_stopped_and_the_page_lives(context: Any, server: str) -> None:
    page = visit(context, f"{server}/sql")
    started = time.monotonic()
    ask(page, BOMB)
    page.get_by_text("Stopped after 1.5 s").wait_for(timeout=15_000)
    assert time.monotonic() - started < 8.0
    ask(page, "select 7 as seven")
    page.get_by_test_id("stDataFrame").wait_for(timeout=15_000)


def test_hostile_names_make_no_element(context: Any, server: str) -> None:
    page = visit(context, f"{server}/sql?q=" + urllib.parse.quote('select 1 as "<img src=x onerror=window.hit=1>"'))
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_test_id("stDataFrame").wait_for(timeout=15_000)
    page.get_by_text("Chart", exact=True).click()
    page.wait_for_timeout(1_000)
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x]").count() == 0


def test_a_chart_opens_its_query(context: Any, server: str) -> None:
    page = context.new_page()
    page.goto(f"{server}/curves")
    # What a chart has below it stands still once the board has its height.
    page.locator(".st-key-board [data-chart=loss] canvas[data-token]").first.wait_for(timeout=90_000)
    page.get_by_role("button", name="SQL and files").first.click(timeout=90_000)
    page.get_by_role("button", name="in SQL").first.click(timeout=15_000)
    page.get_by_text("This query came with the link").wait_for(timeout=15_000)
    has_value(page, re.compile("FROM"))
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_test_id("stDataFrame").wait_for(timeout=15_000)


@pytest.mark.slow
def test_twenty_visitors_leave_other_pages_quick(context: Any, browser: Any, server: str) -> None:
    """Twenty sessions queue for two places; somebody else goes to and fro between pages meanwhile, in a process of
    their own."""
    other = visit(browser.new_context(), f"{server}/sql")
    links = [other.get_by_test_id("stSidebarNav").get_by_role("link", name=name) for name in ("Runs", "SQL")]
    signs = ["What there is", "Ask the tables yourself"]
    go(other, links[0], signs[0])
    visitors = [visit(context, f"{server}/sql") for _ in range(20)]
    for visitor in visitors:
        ask(visitor, BOMB)
        # The spinners of twenty pages would cost this machine more than the queries do.
        visitor.set_viewport_size({"width": 50, "height": 50})
    times = [go(other, links[(turn + 1) % 2], signs[(turn + 1) % 2]) for turn in range(20)]
    assert sorted(times)[18] < 2.0, times


def go(page: Any, link: Any, sign: str) -> float:
    """Seconds from a click in the menu to the page that it leads to."""
    started = time.monotonic()
    link.click()
    page.get_by_text(sign).wait_for(timeout=60_000)
    return time.monotonic() - started
