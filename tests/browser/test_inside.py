"""The pages inside the model in a real browser, on the embedded run: figures are drawn and follow the cursor."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.effort import UNLESS_IN_CI, whole_in_ci

pytestmark = pytest.mark.browser

COLOURS = """(canvas) => {
  const { width, height } = canvas, { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3]) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  return seen.size;
}"""
EXPLORER = ["explorer_loss", "explorer_attention", "explorer_embedding", "explorer_weights", "fourier_bars"]
LISTEN = """window.__seen = {};
window.addEventListener("strobe:drawn", (e) => window.__seen[e.detail.panel] = e.detail.step)"""


def canvas(page: Any, key: str) -> Any:
    found = page.locator(f".st-key-{key} canvas[data-token]").first
    found.wait_for(timeout=90_000)
    return found


@pytest.mark.parametrize(
    ("address", "keys"),
    [
        pytest.param("attention", ["attention", "attention_at_0", "scores_lines"], marks=UNLESS_IN_CI),
        pytest.param("embeddings?axes=7", ["embeddings", "roundness"], marks=UNLESS_IN_CI),
        (
            "weights",
            ["weights", "weight_histogram", "singular_values", "spectrum_lines", "band_profile", "activation_lines"],
        ),
        pytest.param(
            "fourier",
            ["fourier_losses", "fourier_grid", "fourier_bars", "fourier_neurons", "fourier_one"],
            marks=UNLESS_IN_CI,
        ),
    ],
)
def test_every_figure_of_a_page_is_drawn(page: Any, server: str, address: str, keys: list[str]) -> None:
    page.goto(f"{server}/{address}{'&' if '?' in address else '?'}run=grok-p97")
    for key in keys:
        canvas(page, key)
        page.wait_for_function(
            f"([canvas]) => ({COLOURS})(canvas) >= 4", arg=[canvas(page, key).element_handle()], timeout=60_000
        )


def test_one_key_moves_all_five_panels_of_the_explorer(page: Any, server: str) -> None:
    page.goto(f"{server}/explorer?run=grok-p97")
    for key in EXPLORER:
        canvas(page, key)
    page.wait_for_timeout(500)
    page.evaluate(LISTEN)
    page.keyboard.press("Home")
    page.wait_for_function(
        "(keys) => keys.every((key) => window.__seen[key] === 0)", arg=EXPLORER, timeout=3000, polling="raf"
    )


@whole_in_ci
def test_phases_are_named_and_a_neuron_follows_the_cursor(page: Any, server: str) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server}/fourier?run=grok-p97&step=14000")
    one = canvas(page, "fourier_one")
    assert "circuit formation" in page.locator(".st-key-fourier_losses .legend").inner_text()
    expect(one).to_have_attribute("aria-label", re.compile(r"k = \d+ holds 9\d%, activation .* to "), timeout=60_000)
    page.keyboard.press("Home")
    expect(one).to_have_attribute("aria-label", re.compile(r"k = \d+ holds \d%"), timeout=30_000)


def no_note(page: Any) -> None:
    """A canvas that shows another step says so, until the server has sent the one that was asked for."""
    from playwright.sync_api import expect

    expect(page.locator(".note").filter(has_text=re.compile("."))).to_have_count(0, timeout=60_000)


@pytest.mark.parametrize("address", ["attention?head=1.2", pytest.param("explorer", marks=UNLESS_IN_CI)])
def test_frames_that_do_not_fit_come_when_the_cursor_rests(page: Any, server: str, address: str) -> None:
    page.goto(f"{server}/{address}{'&' if '?' in address else '?'}run=long")
    heads = canvas(page, "explorer_attention" if address == "explorer" else "attention")
    foot = page.get_by_text("page made in")
    foot.wait_for(timeout=90_000)
    made = foot.inner_text()
    page.wait_for_function(f"([canvas]) => ({COLOURS})(canvas) >= 4", arg=[heads.element_handle()], timeout=60_000)
    for key, step in (("Home", 0), ("End", 1900)):
        page.keyboard.press(key)
        page.wait_for_url(f"**step={step}**", timeout=60_000)
        no_note(page)
    assert foot.inner_text() == made, "the rest of the page stays"


SEEN = """([note]) => { window.__whole = new Set(); window.addEventListener("strobe:drawn", (e) => {
  if (e.detail.panel === "attention" && !note.textContent) window.__whole.add(e.detail.step);
}); }"""


@whole_in_ci
def test_play_waits_for_the_frames_that_do_not_fit(page: Any, server: str) -> None:
    page.goto(f"{server}/runs?run=long&step=0")
    canvas(page, "attention")
    page.get_by_text("page made in").wait_for(timeout=90_000)
    page.evaluate(SEEN, [page.locator(".st-key-attention .note").element_handle()])
    page.keyboard.press("Space")
    # Every snapshot was on screen, the first one before anybody listened.
    page.wait_for_function("() => window.__whole.size >= 19", timeout=90_000)
    page.wait_for_url("**step=1900**", timeout=60_000)


@whole_in_ci
def test_a_page_left_in_the_middle_of_a_move_shows_where_it_ended(page: Any, server: str) -> None:
    page.goto(f"{server}/attention?run=long")
    canvas(page, "attention")
    page.get_by_text("page made in").wait_for(timeout=90_000)
    page.keyboard.press("Home")
    page.get_by_role("link", name="Explorer", exact=True).click()
    canvas(page, "explorer_attention")
    page.wait_for_url("**/explorer**step=0**", timeout=60_000)
    no_note(page)


def test_the_way_back_restores_where_the_cursor_was(page: Any, server: str) -> None:
    page.goto(f"{server}/runs?run=grok-a&step=500")
    canvas(page, "attention")
    page.get_by_text("page made in").wait_for(timeout=90_000)
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**step=600**", timeout=60_000)
    page.get_by_role("link", name="Attention", exact=True).click()
    page.locator("h1", has_text="Attention").wait_for(timeout=60_000)
    canvas(page, "attention")
    page.keyboard.press("Home")
    page.wait_for_url("**step=0**", timeout=60_000)
    page.go_back()
    page.wait_for_url("**/runs**step=600**", timeout=60_000)
    page.locator("[data-at=step]").filter(has_text="step 600").wait_for(timeout=60_000)
