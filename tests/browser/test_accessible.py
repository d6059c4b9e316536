"""What axe-core finds on the pages, in both themes: nothing that is serious or critical."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from strobe.ui.shell.registry import specs
from tests.support.effort import whole_in_ci
from tests.support.served import served

pytestmark = pytest.mark.browser

RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
    .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target} ${node.html.slice(0, 120)}`));
}"""
UNNAMED = "() => { const one = document.createElement('button'); one.id = 'unnamed'; document.body.append(one); }"


def axe() -> str:
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None
    assert found.origin is not None, "a package of the extra dev"
    return Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def serious(page: Any, address: str) -> list[str]:
    page.goto(address)
    page.locator("h1").first.wait_for(timeout=60_000)
    page.locator("[data-test-script-state=notRunning]").wait_for(timeout=60_000)
    page.wait_for_timeout(1000)
    page.evaluate(axe())
    found: list[str] = page.evaluate(RUN)
    return found


@whole_in_ci
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_is_found_on_any_page(browser: Any, tmp_path: Path, theme: str) -> None:
    # The example, which has something on every page.
    with served(tmp_path / "none") as address:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=theme)
        page = context.new_page()
        found = {name: serious(page, f"{address}/{name}") for name in specs()}
        page.evaluate(UNNAMED)
        assert "unnamed" in str(page.evaluate(RUN)), "what is wrong is found"
        context.close()
    assert {name: what for name, what in found.items() if what} == {}
