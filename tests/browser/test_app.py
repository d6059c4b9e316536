"""The app as a visitor meets it: curves drawn, keys move the cursor, links are followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from strobe.charts.theme import run_looks
from tests.support.effort import whole_in_ci

pytestmark = pytest.mark.browser

LISTEN = """window.__seen = []; window.addEventListener("strobe:drawn", (e) => window.__seen.push(e.detail))"""
INK = """(canvas, colour) => {
  const [r, g, b] = colour, { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let n = 0;
  for (let i = 0; i < data.length; i += 4)
    if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24 && data[i + 3] > 200) n++;
  return n;
}"""
PLACE_OF = """(canvas, colour) => {
  const [r, g, b] = colour, { width, height } = canvas, ratio = window.devicePixelRatio || 1;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  for (let x = Math.round(width / 3); x < width; x++) for (let y = 0; y < height; y++) {
    const i = 4 * (y * width + x);
    if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24 && data[i + 3] > 200)
      return [x / ratio, y / ratio];
  }
}"""
SNAP = "(canvas) => canvas.toDataURL()"
_LOOKS = run_looks(["grok-a", "second"])
COLOURS = {run: [int(colour[k : k + 2], 16) for k in (1, 3, 5)] for run, (colour, _) in _LOOKS.items()}
TEST_BLUE = [0x44, 0x77, 0xAA]


def panel(page: Any, key: str) -> Any:
    """Of a panel by its key; of the charts in the grid by theirs."""
    if key in ("loss", "accuracy"):
        return page.locator(f".st-key-board [data-chart={key}] canvas[data-token]").first
    return page.locator(f".st-key-{key} canvas").first


def dragged(page: Any, canvas: Any) -> None:
    """Zooms to the part between two places of a chart."""
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 250, box["y"] + 100, steps=4)
    page.mouse.up()


def opened(page: Any, url: str, key: str, timeout: float = 30_000) -> Any:
    page.goto(url)
    canvas = panel(page, key)
    canvas.wait_for(timeout=timeout)
    page.wait_for_timeout(300)
    return canvas


@pytest.fixture(scope="module")
def asked_for() -> list[str]:
    """Every address that the page of the curves asked for."""
    return []


@pytest.fixture(scope="module")
def untouched(store: Path) -> dict[Path, int]:
    """When each file of the store was written, as of before the first page."""
    return written(store)


def written(store: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in store.rglob("*")}


@pytest.fixture(scope="module")
def _loaded(lasting: Any, server: str, asked_for: list[str], untouched: dict[Path, int]) -> Any:
    lasting.on("request", lambda request: asked_for.append(request.url))
    # The server is just started: the first page waits for its imports.
    opened(lasting, f"{server}/curves?run=grok-a", "loss", timeout=120_000)
    return lasting


@pytest.fixture
def curves(_loaded: Any) -> Any:
    """The page of the curves, loaded once, with the cursor at its last step as when it was opened."""
    _loaded.keyboard.press("End")
    assert label(_loaded) == "step 1,500"
    return _loaded


def label(page: Any) -> str:
    return str(page.locator("[data-at=step]").inner_text())


def test_the_loss_curve_is_drawn(curves: Any) -> None:
    canvas = panel(curves, "loss")
    assert canvas.evaluate(INK, TEST_BLUE) > 300
    assert "loss (nats) against step: test, train" in canvas.get_attribute("aria-label")


def test_a_key_redraws_the_panel_without_the_server(page: Any, server: str) -> None:
    canvas = opened(page, f"{server}/runs?run=grok-a&step=1500", "attention")
    page.evaluate(LISTEN)
    before = canvas.evaluate(SNAP)
    assert label(page) == "step 1,500"
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("window.__seen.some((d) => d.panel === 'attention' && d.step === 1400)", timeout=2000)
    assert label(page) == "step 1,400"
    assert canvas.evaluate(SNAP) != before
    page.wait_for_url("**step=1400**", timeout=5000)


@pytest.mark.parametrize(
    ("keys", "step"),
    [
        (["Home"], "step 0"),
        (["Home", "ArrowRight"], "step 100"),
        (["Home", "Shift+ArrowRight"], "step 1,000"),
        (["Home", "End"], "step 1,500"),
        (["Home", "ArrowLeft"], "step 0"),
    ],
)
def test_every_key_of_the_cursor(curves: Any, keys: list[str], step: str) -> None:
    for key in keys:
        curves.keyboard.press(key)
    assert label(curves) == step


def test_the_cursor_stays_in_reach_when_the_page_is_scrolled(curves: Any) -> None:
    main = curves.locator("[data-testid=stMain]")
    main.evaluate("(main) => main.scrollTo(0, 9999)")
    curves.wait_for_timeout(200)
    assert main.evaluate("(main) => main.scrollTop") > 100
    curves.locator("[data-at=first]").click(timeout=2000)
    assert label(curves) == "step 0"
    main.evaluate("(main) => main.scrollTo(0, 0)")


def test_space_plays_and_pauses(curves: Any) -> None:
    curves.evaluate("() => document.activeElement.blur()")  # Space belongs to a button that has the focus
    curves.keyboard.press("Home")
    assert label(curves) == "step 0"
    curves.keyboard.press("Space")
    curves.wait_for_function("() => window.__strobe.step >= 200", timeout=3000)
    curves.keyboard.press("Space")
    stopped = label(curves)
    curves.wait_for_timeout(500)
    assert label(curves) == stopped != "step 1,500"


def test_typing_does_not_move_the_cursor(curves: Any) -> None:
    curves.evaluate(
        "() => { const i = document.createElement('input'); i.id = 'typing'; document.body.append(i); i.focus(); }"
    )
    curves.keyboard.press("ArrowLeft")
    assert label(curves) == "step 1,500"
    curves.evaluate("() => document.getElementById('typing').remove()")
    curves.keyboard.press("ArrowLeft")
    assert label(curves) == "step 1,400"


@whole_in_ci
def test_a_shared_link_shows_what_its_sender_saw(page: Any, browser: Any, server: str) -> None:
    opened(page, f"{server}/curves?run=grok-a", "loss")
    page.get_by_role("radio", name="Tokens").or_(page.get_by_role("button", name="Tokens")).first.click()
    page.wait_for_url("**x=tokens**", timeout=5000)
    page.keyboard.press("Home")
    page.wait_for_url("**step=0**", timeout=5000)
    other = browser.new_context().new_page()
    canvas = opened(other, page.url, "loss")
    assert label(other) == "step 0"
    assert "against tokens seen" in canvas.get_attribute("aria-label")
    other.context.close()


@whole_in_ci
def test_a_browser_that_is_late_does_not_bring_the_cursor_back(page: Any, server: str) -> None:
    # What the server answers is held back, so that a click tells the address from before the cursor moved.
    held: list[Any] = []
    holding = [False]

    def through(socket: Any) -> None:
        beyond = socket.connect_to_server()
        socket.on_message(beyond.send)
        beyond.on_message(lambda message: held.append((socket, message)) if holding[0] else socket.send(message))

    page.route_web_socket("**/_stcore/stream", through)
    opened(page, f"{server}/curves?run=grok-a", "loss")
    page.wait_for_url("**step=800**", timeout=5000)
    page.wait_for_timeout(500)
    holding[0] = True
    page.keyboard.press("Home")
    page.wait_for_timeout(1000)
    page.get_by_role("radio", name="Tokens").or_(page.get_by_role("button", name="Tokens")).first.click()
    page.wait_for_timeout(1000)
    holding[0] = False
    for socket, message in held:
        socket.send(message)
    page.wait_for_url("**x=tokens**", timeout=5000)
    page.wait_for_timeout(500)
    assert "step=0" in page.url
    assert label(page) == "step 0"


@whole_in_ci
def test_a_link_to_a_page_on_a_fresh_server_and_the_bare_address_both_work(page: Any, server: str) -> None:
    page.goto(f"{server}/?run=grok-a&run=second&step=300")
    panel(page, "attention").wait_for(timeout=90_000)
    page.wait_for_url("**/runs?**run=grok-a&run=second**")
    page.locator("[data-at=step]", has_text="step 300").wait_for()
    assert not page.get_by_text("Page not found").count()


def test_changing_the_page_keeps_run_and_step(page: Any, server: str) -> None:
    opened(page, f"{server}/curves?run=grok-a&step=500", "loss")
    page.get_by_role("link", name="Runs").first.click()
    panel(page, "attention").wait_for(timeout=90_000)
    page.wait_for_url("**step=500**", timeout=5000)
    assert "run=grok-a" in page.url
    assert label(page) == "step 500"


def test_a_click_in_a_curve_moves_the_cursor_and_a_drag_zooms_all_charts(curves: Any) -> None:
    canvas = panel(curves, "loss")
    box, other = canvas.bounding_box(), panel(curves, "accuracy")
    curves.mouse.click(box["x"] + 56, box["y"] + 150)
    assert label(curves) == "step 0"
    curves.mouse.move(5, 5)
    before = canvas.evaluate(SNAP), other.evaluate(SNAP)
    dragged(curves, canvas)
    curves.wait_for_url("**zoom=**", timeout=5000)
    zoomed = canvas.evaluate(SNAP), other.evaluate(SNAP)
    assert zoomed[0] != before[0]
    assert zoomed[1] != before[1]
    curves.get_by_role("button", name="Reset zoom").click()
    curves.wait_for_function("() => !location.search.includes('zoom=')", timeout=5000)
    assert (canvas.evaluate(SNAP), other.evaluate(SNAP)) == before
    dragged(curves, canvas)
    curves.keyboard.press("Escape")
    assert canvas.evaluate(SNAP) == before[0]


def test_ticking_a_second_run_overlays_it(page: Any, server: str) -> None:
    opened(page, f"{server}/curves?run=grok-a", "loss")
    page.locator("label", has_text="second").first.click()
    page.wait_for_url("**run=second**", timeout=5000)
    page.wait_for_function("() => document.body.innerText.includes('second')")
    page.locator(".st-key-board .dock").get_by_role("button", name="second").first.wait_for(timeout=5000)


@whole_in_ci
def test_a_click_on_a_curve_makes_its_run_the_first(page: Any, server: str) -> None:
    canvas = opened(page, f"{server}/curves?run=grok-a&run=second", "accuracy")
    box = canvas.bounding_box()
    ink = canvas.evaluate(PLACE_OF, COLOURS["second"])
    page.mouse.click(box["x"] + ink[0], box["y"] + ink[1])
    page.wait_for_url("**run=second&run=grok-a**", timeout=5000)


@whole_in_ci
def test_a_metric_is_found_by_a_regular_expression_and_pinned(page: Any, server: str) -> None:
    opened(page, f"{server}/curves?run=grok-a", "loss")
    page.get_by_label("Filter metrics by name").fill("^recorder.ms$")
    tile = page.locator(".st-key-board .tile")
    page.wait_for_function("() => location.search.includes('filter=')", timeout=5000)
    assert tile.count() == 1
    tile.get_by_role("button", name="Pin").click()
    page.wait_for_url("**pin=recorder_ms**", timeout=5000)
    page.locator("canvas[aria-label^='recorder_ms']").wait_for(timeout=60_000)


def test_the_store_is_not_written(curves: Any, store: Path, untouched: dict[Path, int]) -> None:
    assert written(store) == untouched


def test_nothing_is_fetched_from_elsewhere(curves: Any, server: str, asked_for: list[str]) -> None:
    assert len(asked_for) > 5
    assert [
        url for url in asked_for if not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))
    ] == []


def test_a_zoom_ends_where_the_axis_changes(curves: Any) -> None:
    canvas = panel(curves, "loss")
    dragged(curves, canvas)
    curves.wait_for_url("**zoom=**", timeout=5000)
    curves.get_by_role("radio", name="Tokens").or_(curves.get_by_role("button", name="Tokens")).first.click()
    curves.locator(".st-key-board [data-chart=loss] canvas[aria-label*='against tokens seen']").wait_for(
        timeout=60_000
    )
    curves.wait_for_function("() => !location.search.includes('zoom=')", timeout=5000)
    assert not curves.get_by_role("button", name="Reset zoom").is_visible()


KEYS = (
    ("+", "zoom=", True), (".", "zoom=", True), ("0", "zoom=", False), ("p", "pin=loss", True),
    ("p", "pin=loss", False), ("l", "linear=loss", True), ("Home", "at=0", True),
)  # fmt: skip


@whole_in_ci
def test_a_chart_is_worked_by_keys_alone(page: Any, server: str) -> None:
    """Each key, what of the address it changes, and whether that is there then."""
    opened(page, f"{server}/curves?run=grok-a&step=500", "loss")
    page.locator(".st-key-board [data-chart=loss]").focus()
    for key, part, there in KEYS:
        page.keyboard.press(key)
        page.wait_for_function("([part, there]) => location.search.includes(part) === there", arg=[part, there])
    page.keyboard.press("Enter")
    page.wait_for_url("**step=0**", timeout=5000)
