"""Light and dark as a visitor chose, and the sheet of keys: the scripts by themselves, and one whole app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from strobe.ui.shell.components import STATIC, script
from tests.support.effort import whole_in_ci

pytestmark = pytest.mark.browser

SITE = "http://127.0.0.1/"
MOUNT = """async ([source, html]) => {
  const module = await import(URL.createObjectURL(new Blob([source], {type: "text/javascript"})));
  const parentElement = document.createElement("div");
  parentElement.innerHTML = html;
  document.body.append(parentElement);
  window.told = [];
  module.default({ parentElement, setTriggerValue: (name, value) => told.push(`${name} ${value}`) });
}"""
DARK = "matchMedia('(prefers-color-scheme: dark)').matches"
LISTEN = """() => {
  window.heard = [];
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => heard.push(matches));
}"""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_context(color_scheme="light").new_page()
    theme = (STATIC / "theme.js").read_text(encoding="utf-8")
    page.route(SITE, lambda route: route.fulfill(body=f"<script>{theme}</script>", content_type="text/html"))
    mounted(page)
    yield page
    page.context.close()


def mounted(page: Any) -> None:
    page.goto(SITE)
    source = script("clock", "menu", default="mountMenu")
    page.evaluate(MOUNT, [source, (STATIC / "menu.html").read_text(encoding="utf-8")])
    page.evaluate(LISTEN)


def choose(page: Any, name: str) -> None:
    page.get_by_role("radio", name=name).check(force=True)


def test_a_choice_changes_what_the_browser_answers_and_lasts(page: Any) -> None:
    assert not page.evaluate(DARK)
    choose(page, "Dark")
    assert page.evaluate(DARK)
    assert not page.evaluate("matchMedia('(prefers-color-scheme: light)').matches")
    assert page.evaluate("heard") == [True]
    page.wait_for_function("told.includes('theme dark')")
    mounted(page)
    assert page.evaluate(DARK)
    assert page.get_by_role("radio", name="Dark").is_checked()
    choose(page, "Light")
    assert page.evaluate("heard") == [False]


def test_without_a_choice_it_is_the_system_that_says(page: Any) -> None:
    choose(page, "Dark")
    page.emulate_media(color_scheme="dark")
    choose(page, "System")
    assert page.evaluate(DARK)
    assert page.evaluate("heard") == [True], "dark is dark, whoever says so"
    page.emulate_media(color_scheme="light")
    page.wait_for_function("heard.length === 2")
    assert page.evaluate("heard") == [True, False]


def test_other_questions_are_answered_by_the_browser(page: Any) -> None:
    choose(page, "Dark")
    assert page.evaluate("matchMedia('(min-width: 1px)').matches")
    assert not page.evaluate("matchMedia('(max-width: 1px)').matches")


def test_a_question_mark_shows_the_keys_unless_it_is_typed(page: Any) -> None:
    sheet = page.locator("dialog[open]")
    page.evaluate("() => { document.body.append(document.createElement('textarea')); }")
    page.locator("textarea").press("?")
    assert sheet.count() == 0
    page.locator("textarea").blur()
    page.keyboard.press("?")
    assert sheet.is_visible()
    assert "play, pause" in sheet.inner_text()
    page.keyboard.press("Escape")
    assert sheet.count() == 0
    page.evaluate("window.dispatchEvent(new CustomEvent('strobe:keys'))")
    assert sheet.is_visible(), "the cursor has a button for it"


@whole_in_ci
def test_the_whole_app_is_dark_at_once_and_on_every_page(browser: Any, server: str) -> None:
    page = browser.new_context(color_scheme="light").new_page()
    ground = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
    page.goto(f"{server}/compare?run=grok-a")
    page.locator(".st-foot").first.wait_for(timeout=120_000)
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    choose(page, "Dark")
    page.wait_for_function(f"{ground} === 'rgb(15, 18, 23)'")
    # What the server draws follows: the lines behind the curves.
    page.locator(".stVegaLiteChart [stroke='#2A303A']").first.wait_for(state="attached", timeout=10_000)
    page.goto(f"{server}/runs?run=grok-a")
    page.locator(".st-foot").first.wait_for(timeout=120_000)
    assert page.evaluate(ground) == "rgb(15, 18, 23)"
    page.context.close()
