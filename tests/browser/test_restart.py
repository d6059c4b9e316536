"""A page that stays open while its server is started again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.served import free_port, served

pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_after_a_restart_a_click_keeps_run_and_step(browser: Any, store: Path) -> None:
    port = free_port()
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    with served(store, port) as address:
        page.goto(f"{address}/explorer?run=second&step=300")
        page.locator("[data-at=step]", has_text="step 300").wait_for(timeout=120_000)
        page.locator(".st-foot").first.wait_for(timeout=60_000)
        page.keyboard.press("ArrowRight")
        page.wait_for_url("**step=400**", timeout=10_000)
    with served(store, port):
        page.get_by_role("link", name="Attention", exact=True).click()
        page.locator("h1", has_text="Attention").wait_for(timeout=120_000)
        page.locator("[data-at=step]", has_text="step 400").wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
        assert "run=second" in page.url
        assert "step=400" in page.url
        assert page.locator("[data-at=step]").inner_text() == "step 400"
    page.context.close()
