"""The scales' JavaScript by itself: axes of whatever a number can be."""

from __future__ import annotations

from typing import Any

import pytest

from strobe.ui.shell.components import STATIC
from tests.support.effort import tries

pytestmark = pytest.mark.browser

PAIRS = """async ([source, draws]) => {
  const { decades, logTicks, padded, scale, ticks, words } = await import(
    URL.createObjectURL(new Blob([source], {type: 'text/javascript'})));
  const bits = new DataView(new ArrayBuffer(8)), bad = [];
  let state = 1;
  const any = () => {
    for (;;) {
      for (const at of [0, 4]) bits.setUint32(at, state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
      if (Number.isFinite(bits.getFloat64(0))) return bits.getFloat64(0);
    }
  };
  const M = Number.MAX_VALUE, e = Number.MIN_VALUE;
  const pairs = [[1e-310, 2], [e, 1], [e, e], [e, M], [1e-200, 1e200]];
  pairs.push([1e308, 1.7e308], [-1e308, 1e308], [-M, M], [0, e]);
  for (let k = 0; k < draws; k++) pairs.push([any(), any()]);
  for (const pair of pairs) for (const log of [false, true]) {
    const [lo, hi] = pair.map((v) => (log ? Math.abs(v) || e : v)).sort((a, b) => a - b);
    const [from, to] = padded([lo, hi], log), at = scale(from, to, 300, 0, log);
    const marks = log ? logTicks(from, to, 9) : ticks(from, to, 9);
    const places = [from, lo, hi, to, ...marks].map(at);
    const good = from <= lo && hi <= to && places.every((y) => y >= -1e-6 && y <= 300 + 1e-6)
      && marks.length && marks.length <= 30
      && marks.every((v) => Number.isFinite(v) && !/NaN|undefined/.test(words(v)));
    if (!good) bad.push([lo, hi, log, from, to, marks.slice(0, 5)]);
  }
  return bad.slice(0, 5).map(String);
}"""


def test_every_pair_of_numbers_has_an_axis(browser: Any) -> None:
    page = browser.new_context().new_page()
    page.goto("about:blank")
    source = (STATIC / "scales.js").read_text(encoding="utf-8")
    assert page.evaluate(PAIRS, [source, tries(4000, 20_000)]) == []
    page.context.close()
