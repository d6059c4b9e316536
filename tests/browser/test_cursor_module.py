"""The step cursor's JavaScript by itself, before a server that may lose what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from strobe.ui.shell.components import STATIC, script

pytestmark = pytest.mark.browser

MOUNT = """async ([source, html]) => {
  const module = await import(URL.createObjectURL(new Blob([source], {type: 'text/javascript'})));
  window.told = [];
  const parentElement = document.createElement("div");
  parentElement.innerHTML = html;
  const setStateValue = (_, value) => told.push(value.split("@").slice(0, 2).join("@"));
  window.server = (step) => { module.default({
    data: { run: "a", steps: [0, 100, 200], step, arrived: 0, empty: "", ticks: [
      { step: 100, label: "grokking onset", kind: "onset", rule: "By a rule." },
      { step: 200, label: "end", kind: "" }] },
    parentElement, setStateValue }); };
  window.grown = (steps, running = true) => { module.default({
    data: { run: "a", steps, step: 0, arrived: 0, empty: "", ticks: [], running }, parentElement, setStateValue }); };
  window.live = () => parentElement.querySelector("[data-at=live]");
  window.titles = () => [...parentElement.querySelectorAll("[data-at=marks] > *")].map((tick) => tick.title);
  window.press = (name) => parentElement.querySelector(`[data-at=${name}]`).click();
  server(0);
}"""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_context().new_page()
    page.clock.install(time=0)
    page.goto("about:blank")
    page.clock.pause_at(1000)
    source = script("scales", "clock", "cursor", default="mountCursor")
    page.evaluate(MOUNT, [source, (STATIC / "cursor.html").read_text(encoding="utf-8")])
    yield page
    page.context.close()


def told(page: Any) -> list[str]:
    heard: list[str] = page.evaluate("told")
    return heard


def test_a_step_is_told_once_where_the_server_answers(page: Any) -> None:
    page.evaluate("press('next')")
    page.clock.run_for(249)
    assert told(page) == []
    page.clock.run_for(2)
    assert told(page) == ["a@100"]
    page.evaluate("server(100)")
    page.clock.run_for(60_000)
    assert told(page) == ["a@100"]


def test_a_step_that_was_lost_on_its_way_is_told_again_and_not_for_ever(page: Any) -> None:
    page.evaluate("press('next')")
    page.clock.run_for(2300)
    assert told(page) == ["a@100"] * 2
    page.clock.run_for(600_000)
    assert told(page) == ["a@100"] * 4


def test_only_where_the_cursor_is_now_is_told_again(page: Any) -> None:
    page.evaluate("press('next')")
    page.clock.run_for(300)
    page.evaluate("press('next')")
    page.clock.run_for(300)
    page.evaluate("server(200)")
    page.clock.run_for(60_000)
    assert told(page) == ["a@100", "a@200"]


def test_a_mark_says_what_it_is_where_and_by_which_rule(page: Any) -> None:
    assert page.evaluate("titles()") == ["grokking onset, step 100\nBy a rule.", "end, step 200"]


LINK = """(target) => {
  document.body.innerHTML = `<a href="#there" target="${target}"><b>There</b></a>`;
  document.querySelector("a").onclick = (event) => event.preventDefault();
}"""


@pytest.mark.parametrize("target", ["", "_blank"])
def test_nothing_is_told_on_the_way_to_another_page(page: Any, target: str) -> None:
    page.evaluate(LINK, target)
    page.evaluate("press('next')")
    page.clock.run_for(100)
    page.evaluate("document.querySelector('b').click()")
    page.clock.run_for(1500)
    assert told(page) == (["a@100"] if target else [])
    page.evaluate("server(0)")
    page.clock.run_for(300)
    assert told(page)[-1:] == ["a@100"]


def test_a_link_that_leads_nowhere_else_only_delays_the_telling(page: Any) -> None:
    page.evaluate(LINK, "")
    page.evaluate("press('next'); document.querySelector('b').click()")
    page.clock.run_for(3100)
    assert told(page) == ["a@100"]


STEP_LINK = """([run, step, keys]) => {
  const link = Object.assign(document.createElement("a"), { href: "#elsewhere", target: "_blank" });
  Object.assign(link.dataset, { run, step });
  document.body.append(link);
  const event = new MouseEvent("click", { bubbles: true, cancelable: true, ...keys });
  return link.dispatchEvent(event);
}"""


@pytest.mark.parametrize(
    ("run", "keys", "step"), [("a", {}, 100), ("b", {}, 0), ("a", {"ctrlKey": True}, 0), ("a", {"shiftKey": True}, 0)]
)
def test_a_link_to_a_step_of_the_run_is_followed_here(page: Any, run: str, keys: dict[str, bool], step: int) -> None:
    page.evaluate("document.addEventListener('click', (event) => setTimeout(() => event.preventDefault()), false)")
    left = page.evaluate(STEP_LINK, [run, 130, keys])
    assert page.evaluate("window.__strobe.step") == step
    assert left == (step == 0), "what is not followed here is left to the browser"


def test_a_live_cursor_goes_along_with_a_run_until_someone_goes_back(page: Any) -> None:
    step = "window.__strobe.step"
    assert page.evaluate("live().hidden"), "the run is over"
    page.evaluate("grown([0, 100, 200])")
    assert not page.evaluate("live().hidden")
    page.evaluate("grown([0, 100, 200, 300])")
    assert page.evaluate(step) == 0, "nobody asked for it"
    page.evaluate("live().click()")
    assert page.evaluate(step) == 300
    page.evaluate("grown([0, 100, 200, 300, 400])")
    assert page.evaluate(step) == 400
    page.clock.run_for(300)
    assert told(page)[-1] == "a@400", "the server hears it as well"
    page.evaluate("press('prev')")
    page.evaluate("grown([0, 100, 200, 300, 400, 500])")
    assert page.evaluate(step) == 300
    page.evaluate("live().click(); grown([0, 100, 200, 300, 400, 500, 600], false)")
    assert page.evaluate("live().hidden && window.__strobe.live === null"), "the run has ended"
