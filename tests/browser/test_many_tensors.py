"""A run of 3,000 tensors: what pages draw of it fits into a canvas at every pixel ratio, and nothing is blank."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from strobe.record import Recorder, TensorSpec
from tests.support.served import served

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LAYERS = 1500
MOST_SIDE = 16_384
"""Pixels: a canvas that is higher or wider stays blank in Chromium, and in others sooner."""
DRAWN = """() => {
  const found = [], walk = (root) => { for (const e of root.querySelectorAll("*")) {
    if (e.tagName === "CANVAS" && e.getBoundingClientRect().height) found.push(e);
    if (e.shadowRoot) walk(e.shadowRoot);
  } };
  walk(document);
  return found.map((e) => {
    const near = e.getBoundingClientRect().top < innerHeight;
    const { data } = e.getContext("2d").getImageData(0, 0, e.width || 1, Math.min(e.height, 4096) || 1);
    return { width: e.width, height: e.height, blank: near && !data.some((v, i) => i % 4 === 3 && v) };
  });
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("many")
    random = np.random.default_rng(0)
    specs = []
    for layer in range(LAYERS):
        for name, dims, shape in (("weight", ("out", "in"), (8, 8)), ("bias", ("out",), (8,))):
            values = random.standard_normal(shape, np.float32)
            specs.append(
                TensorSpec(f"layers.{layer}.{name}", "params", dims, values, layer=layer, group=f"layers.{name}")
            )
    with Recorder(root / "many", specs, when_full="wait", fsync=False) as recorder:
        for step in range(12):
            for spec in specs:
                spec.tensor[...] += 0.01
            recorder.log(step, train_loss=1 / (1 + step))
            recorder.snapshot(step)
    ingest([root / "many"], root / "store")
    with served(Path(root / "store")) as address:
        yield address


@pytest.mark.parametrize("ratio", [1, 2, 3])
@pytest.mark.parametrize("name", ["curves", "weights", "explorer"])
def test_every_canvas_is_drawn_and_within_the_browsers_limit(
    browser: Any, address: str, name: str, ratio: int
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, device_scale_factor=ratio)
    page = context.new_page()
    page.goto(f"{address}/{name}?run=many")
    page.locator("canvas[data-token]").first.wait_for(timeout=60_000)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=60_000)
    page.wait_for_function(f"() => !({DRAWN})().some((each) => each.blank)", timeout=30_000)
    found = page.evaluate(DRAWN)
    assert len(found) >= 2
    assert max(max(each["width"], each["height"]) for each in found) <= MOST_SIDE
    assert page.locator('[data-testid="stException"]').all_inner_texts() == []
    context.close()
