"""The way back: one entry for a page, a run or a selection, and none for a moving cursor."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.effort import whole_in_ci

pytestmark = pytest.mark.browser


def entries(page: Any) -> int:
    return int(page.evaluate("history.length"))


def stands(page: Any, name: str) -> None:
    page.locator("h1", has_text=name).first.wait_for(timeout=30_000)
    page.locator(".st-foot").first.wait_for(timeout=30_000)


def came_to(page: Any, text: str) -> None:
    page.wait_for_function("text => location.href.includes(text)", arg=text, timeout=30_000)


@whole_in_ci
def test_one_entry_for_what_a_visitor_did_and_none_for_the_cursor(page: Any, server: str) -> None:
    page.goto("about:blank")
    page.goto(f"{server}/runs")
    stands(page, "Runs")
    came_to(page, "step=")
    begun = entries(page)
    assert begun == 2, "the page itself, whatever the app wrote into its address"

    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1_000)
    assert entries(page) == begun

    page.get_by_role("link", name="Curves", exact=True).first.click()
    stands(page, "Curves")
    page.wait_for_timeout(800)
    assert entries(page) == begun + 1

    page.go_back()
    stands(page, "Runs")
    assert "/runs" in page.url


def test_a_selection_is_an_entry_and_back_restores_the_one_before(page: Any, server: str) -> None:
    page.goto(f"{server}/runs?run=grok-a&step=400")
    stands(page, "Runs")
    begun = entries(page)
    page.get_by_role("checkbox", name="Select second").click()
    came_to(page, "run=second")
    page.wait_for_timeout(800)
    assert entries(page) == begun + 1
    page.go_back()
    page.wait_for_function("!location.href.includes('run=second')")
    assert "run=grok-a" in page.url


@whole_in_ci
def test_a_name_opens_its_run_alone_at_its_last_step(page: Any, server: str) -> None:
    page.goto(f"{server}/runs?run=grok-a&step=400")
    stands(page, "Runs")
    page.get_by_role("button", name="second", exact=True).click()
    came_to(page, "run=second")
    came_to(page, "step=600")
    page.locator("[data-at=step]", has_text="step 600").wait_for(timeout=10_000)
