"""The grid of charts as numbers: its sections, where charts stand, what is read off, and bands of many lines."""

from __future__ import annotations

from typing import Any

import pytest

from strobe.ui.shell.components import BOARD, script

pytestmark = pytest.mark.browser

CHARTS = "['a/x', 'a/y', 'b', 'c/z'].map((key) => ({ key, title: key, section: key.split('/')[0] }))"
LINE = "{ x: [0, 10, 30], y: [1, 3, 2], steps: [0, 10, 30], ended: 50 }"


@pytest.fixture(scope="module")
def run(browser: Any) -> Any:
    page = browser.new_context().new_page()
    page.goto("about:blank")
    page.evaluate(
        "async (s) => { window.m = await import(URL.createObjectURL(new Blob([s], {type: 'text/javascript'}))) }",
        script(*BOARD, default="mountBoard"),
    )
    yield lambda code: page.evaluate(f"() => {{ const m = window.m; return {code}; }}")
    page.context.close()


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (
            f"m.sections({CHARTS}, () => true, ['c/z']).map((s) => [s.name, s.list.length])",
            [["Pinned", 1], ["a", 2], ["b", 1]],
        ),
        (f"m.sections({CHARTS}, (t) => t.includes('x'), []).map((s) => s.list[0].key)", ["a/x"]),
        ("[200, 700, 1300].map((w) => m.columnsIn(w, ''))", [1, 2, 3]),
        ("[m.columnsIn(300, '3'), m.columnsIn(2000, '3')]", [1, 3]),
        (
            f"m.placed(m.sections({CHARTS}, () => true, []), 1000, 3, 'small', new Set(), new Set()).items"
            ".filter((i) => i.kind === 'tile').map((i) => [Math.round(i.x), i.y])",
            # Two small sections share a row of three columns, the third begins another.
            [[0, 34], [339, 34], [677, 34], [0, 272]],
        ),
        (
            "m.placed([{ name: 's', list: Array.from({ length: 100 }, (_, k) => ({ key: `${k}` })) }], 1000, 2,"
            " 'small', new Set(), new Set()).items.filter((i) => i.kind === 'more').map((i) => i.count)",
            [76],
        ),
        ("m.inSight([{ y: 0, height: 10 }, { y: 5000, height: 10 }], 4900, 5800).length", 1),
        (f"m.readWhole({LINE}, 10)", {"asked": 10, "step": 10, "value": 3, "state": 0}),
        (f"m.readWhole({LINE}, 29)", {"asked": 29, "step": 10, "value": 3, "state": 0}),
        (f"m.readWhole({LINE}, 51)", {"asked": 51, "step": 30, "value": 2, "state": 2}),
        (f"m.readWhole({{ ...{LINE}, steps: [5, 10, 30] }}, 4).state", 1),
        (f"[5, 10, 20].map((x) => m.valueAt({LINE}, x))", [2, 3, 2.5]),
        (f"Number.isNaN(m.valueAt({LINE}, 31))", True),
        (
            f"m.band([{LINE}, {{ x: [0, 10], y: [3, 5] }}], [0, 10, 30])",
            {"x": [0, 10, 30], "mean": [2, 4, 2], "low": [1, 3, 2], "high": [3, 5, 2]},
        ),
        ("m.middle([...Array(100).keys(), 1e9])", {"range": [1, 99], "beyond": 2, "far": 1e9}),
        ("m.middle([1, 2])", None),
        ("[0.1 + 0.2, 6.5e-6, 1234567].map(m.exact)", ["0.30000000000000004", "6.5e-6", "1,234,567"]),
        ("[-0.5, 0].map(m.exact)", ["−0.5", "0"]),
        ("[NaN, Infinity, -Infinity].map(m.exact)", ["NaN", "inf", "−inf"]),
        ("m.difference({ value: 3, state: 0 }, { value: 1, state: 0 })", "+2"),
        ("m.difference({ value: 3, state: 2 }, { value: 1, state: 0 })", ""),
        ("m.stepOf({ asked: 13200, step: 13190, state: 0 })", "at 13,190"),
        ("m.wordsOf({ step: 300, value: 1, state: 2 })", "ended at 300"),
        ("m.wordsOf({ step: NaN, value: NaN, state: 1 })", "not yet"),
        ("m.threeTicks(1.4, 3.6, 2).length >= 3", True),
        (
            "['1000 2000', '1,000 to 2,000', '1000-2000', '-1.5 .. 2e3', '2000 1000', '1000', 'all'].map(m.rangeIn)",
            [[1000, 2000], [1000, 2000], [1000, 2000], [-1.5, 2000], None, None, None],
        ),
    ],
)  # fmt: skip
def test_pure_functions(run: Any, code: str, answer: Any) -> None:
    assert run(code) == answer


def test_no_words_of_moments_lie_on_others(run: Any) -> None:
    """Labels of the same row keep apart, and no mark's line runs through the words of a lower row."""
    marks = ", ".join(f"{{ x: {x}, label: 'onset {x}' }}" for x in (10, 12, 14, 60, 61, 95))
    found = run(f"""(() => {{
      const g = document.createElement("canvas").getContext("2d"), look = {{ font: "12px sans-serif" }};
      const {{ marks, count }} = m.labelRows(g, [{marks}], [0, 100], 54, 454, look);
      return [count, marks.map((mark) => [54 + 4 * mark.x, mark.row, g.measureText(mark.label).width])];
    }})()""")
    count, placed = found
    assert count == 3
    spans = [(at + 6 if at + 8 + wide <= 454 else at - 6 - wide, row, wide, at) for at, row, wide in placed]
    for left, row, wide, at in spans:
        for other, below, own, place in spans:
            if at == place:
                continue
            if row == below:
                assert left + wide < other or other + own < left
            if below < row:
                assert not other < at < other + own
