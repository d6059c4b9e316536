"""The JavaScript modules by themselves, loaded as Streamlit loads them."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from strobe.ui.shell.components import PANEL, pack, script

pytestmark = pytest.mark.browser

EXPORTS = (*PANEL, "matching", "picker")


@pytest.fixture(scope="module")
def run(browser: Any) -> Any:
    page = browser.new_context().new_page()
    page.goto("about:blank")
    source = script(*EXPORTS, default="mountPanel")
    page.evaluate(
        "async (s) => { window.m = await import(URL.createObjectURL(new Blob([s], {type: 'text/javascript'}))) }",
        source,
    )
    yield lambda code: page.evaluate(f"() => {{ const m = window.m; return {code}; }}")
    page.context.close()


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("m.scale(0, 10, 0, 100)(5)", 50),
        ("m.scale(1, 100, 0, 100, true)(10)", 50),
        ("m.scale(1, 100, 0, 100, true).inverse(50)", 10),
        ("m.scale(3, 3, 0, 100)(3)", 50),
        ("m.ticks(0, 1500, 4)", [0, 500, 1000, 1500]),
        ("m.ticks(5, 5, 4)", [5]),
        ("m.decades(0.001, 10, 9)", [0.001, 0.01, 0.1, 1, 10]),
        ("m.decades(1e-8, 1, 3).length <= 3", True),
        ("m.logTicks(0.001, 10, 9)", [0.001, 0.01, 0.1, 1, 10]),
        ("m.logTicks(0.02, 0.08, 9).map((v) => m.words(v))", ["0.02", "0.04", "0.06", "0.08"]),
        ("m.logTicks(0.05, 2, 9)", [0.05, 0.1, 0.2, 0.5, 1, 2]),
        ("m.logTicks(0.2, 15, 5)", [0.3, 1, 3, 10]),
        ("m.logTicks(0.09, 12, 3)", [0.1, 1, 10]),
        ("m.logTicks(1.01, 1.02, 5).length >= 3", True),
        ("m.durations(0, 7200, 4)", [0, 1800, 3600, 5400, 7200]),
        ("m.durations(0, 100, 2)", [0, 50, 100]),
        ("m.within([0, 0, 2, 2, 0.5, 0.4, NaN, 0], [[-1, -1], [1, -1], [1, 1], [-1, 1]])", [0, 2]),
        ("m.within([0, 0], [[1, 1]])", []),
        ("m.fitting([0, 0, 1, 0.5, 9, 9], [0, 1], 4.6)", {"x": 0.5, "y": 0.25, "times": 8}),
        ("m.fitting([NaN, 0], [0], 1)", None),
        ("m.toldApart([0.99991, 0.99992])", ["0.99991", "0.99992"]),
        ("m.toldApart([0, 0.5, 1])", ["0", "0.5", "1"]),
        ("m.words(4200)", "4,200"),
        ("m.words(0.00031)", "3.1×10⁻⁴"),
        ("m.words(-0.25)", "−0.25"),
        ("m.words(1e-4)", "10⁻⁴"),
        ("m.words(NaN)", "not a number"),
        ("m.words(-Infinity)", "−infinity"),
        ("m.duration(5400)", "90 min"),
        (
            "m.brief(['model.h.0.q.weight', 'model.h.0.k.weight', 'model.h.10.v.weight', 'ln.weight'])",
            ["0.q", "0.k", "10.v", "ln"],
        ),
        ("m.brief(['a.weight', 'b.weight', 'weight'])", ["a.weight", "b.weight", "weight"]),
        ("m.brief(['wte'])", ["wte"]),
        ("m.atOrBefore([0, 100, 400], 399)", 1),
        (
            "(() => { const c = document.createElement('canvas'); m.prepare(c, 100, 72080); return c.height; })()",
            16384,
        ),
        ("m.atOrBefore([100, 400], 5)", 0),
        ("m.atOrBefore([0, 100], 1e9)", 1),
        ("m.moved('ArrowRight', true, 3, 8)", 7),
        ("m.moved('ArrowLeft', false, 0, 8)", 0),
        ("m.moved('End', false, 0, 8)", 7),
        ("m.moved('a', false, 0, 8)", None),
        ("m.half(0x3C00)", 1),
        ("m.half(0xC000)", -2),
        ("m.half(0x0001)", 2**-24),
        ("Number.isNaN(m.half(0x7E00))", True),
        ("m.moments(0, 86400 * 3, 4).length", 4),
        ("m.moments(5, 5, 4)", [5]),
        ("m.moments(1e9, 1e9 + 600, 6).every((s) => s % 60 === 0)", True),
        ("m.moment(90, 60).endsWith(':01')", True),
        ("m.matcher('^eval/.*loss$')('eval/a/loss')", True),
        ("m.matcher('^eval/.*loss$')('train/loss')", False),
        ("m.matcher('GROK')('my-grok-run')", True),
        ("m.matcher('a(b')('xA(b')", True),
        ("m.ramp(['#000000', '#FFFFFF'])[255]", 0xFFFFFFFF),
        ("m.ramp(['#FF0000', '#0000FF'])[0]", 0xFF0000FF),
        ("m.value(NaN)", "NaN"),
        ("m.value(-Infinity)", "−inf"),
        ("m.value(0.00032903903)", "3.29×10⁻⁴"),
        ("m.nearest([0, 10, 20], 6)", 1),
        ("m.nearest([0, 10, 20], 1e9)", 2),
        ("m.nearest([5], 0)", 0),
        ("m.between(0, 0.00197)", "0 to 0.002"),
        ("m.between(0.25001, 0.25002)", "0.25"),
        ("m.ofShade(0, -1, 1, true)", "not finite"),
        ("m.ofShade(255, -1, 1, true)", "1 or more"),
        ("m.ofShade(1, -1, 1, true)", "−1 or less"),
        ("m.ofShade(128, -1, 1, true)", "−0.0039 to 0.0039"),
        ("m.ofShade(0, 0, 255, false)", "0 to 0.5"),
        ("m.ofShade(255, 0, 255, false)", "255"),
    ],
)
def test_pure_functions(run: Any, code: str, answer: Any) -> None:
    got = run(code)
    assert got == (pytest.approx(answer) if isinstance(answer, float | list) else answer)


READINGS = """{
  steps: [0, 100, 200, 300],
  step: [NaN, 100, 190, 150, 0, 100, 100, 190, NaN], value: [NaN, 0.25, NaN, 5, -Infinity, NaN, 1e-9, 0.123456, NaN],
  state: [1, 0, 0, 2, 0, 3, 3, 0, 4],
}"""


@pytest.mark.parametrize(
    ("line", "step", "text", "title"),
    [
        (0, 0, "not yet", "no value at or before step 0"),
        (0, 100, "0.25", "recorded at step 100: 0.25"),
        (0, 200, "at 190: NaN", "recorded at step 190: NaN, none at step 200"),
        (0, 300, "ended at 150", "the last value, at step 150: 5"),
        (2, 0, "not on this axis", "no row of it has a place on the x axis"),
        (1, 0, "−inf", "recorded at step 0: −inf"),
        (1, 100, "not measured", "not measured at step 100"),
        (1, 200, "at 100: not measured", "not measured at step 100, none at step 200"),
        (1, 300, "at 190: 0.123", "recorded at step 190: 0.123456, none at step 300"),
    ],
)
def test_a_reading_names_the_step_of_its_row(run: Any, line: int, step: int, text: str, title: str) -> None:
    assert run(f"m.said(m.readingAt({READINGS}, {line}, {step}))") == {"text": text, "title": title}


def test_a_reading_of_another_step_is_never_shown(run: Any) -> None:
    for step in (-1, 50, 299, 301):
        assert run(f"m.readingAt({READINGS}, 0, {step})") is None
    assert run("m.readingAt({ steps: [] }, 0, 5)") is None
    assert run("m.about(0.5, 190)") == {"text": "~0.5", "title": "nearest drawn point, step 190"}


def test_a_smoothed_reading_stands_beside_the_recorded_one_and_is_called_so(run: Any) -> None:
    raw, smooth = f"m.readingAt({READINGS}, 0, 100)", "{ value: 0.3333, step: 100, state: 0 }"
    assert run(f"m.said({raw}, {smooth}).text") == "0.25, smoothed 0.333"
    assert "smoothed over all points: 0.3333" in run(f"m.said({raw}, {smooth}).title")
    nan = f"m.said(m.readingAt({READINGS}, 0, 200), {{ value: NaN }}).text"
    assert run(nan) == "at 190: NaN"


def test_what_python_packs_the_browser_unpacks(run: Any) -> None:
    arrays = {
        "u": np.array([0, 7, 255], np.uint8),
        "h": np.array([0.5, -2.0, 65504.0, 6e-8], np.float16),
        "f": np.array([1.5, np.nan, np.inf], np.float32),
        "d": np.array([1e300], np.float64),
    }
    text = base64.b64encode(pack({"title": "näme"}, arrays)).decode()
    got = run(
        f"(() => {{ const u = m.unpack(Uint8Array.from(atob('{text}'), (c) => c.charCodeAt(0)));"
        " return JSON.stringify([u.header.title, Object.values(u.arrays).map((a) => [...a].map(String))]); })()"
    )
    title, (u, h, f, d) = json.loads(got)
    assert title == "näme"
    assert u == ["0", "7", "255"]
    assert [float(value) for value in h] == arrays["h"].astype(float).tolist()
    assert f == ["1.5", "NaN", "Infinity"]
    assert float(d[0]) == 1e300


def test_pack_refuses_what_the_browser_cannot_hold() -> None:
    with pytest.raises(ValueError, match="int64 does not travel"):
        pack({}, {"x": np.arange(3)})


def test_a_heatmap_puts_each_byte_into_its_cell(run: Any) -> None:
    got = run(
        """(() => {
      const c = document.createElement("canvas"); c.width = c.height = 20;
      const g = c.getContext("2d"), table = m.ramp(["#000000", "#FFFFFF"]);
      m.heatmap(g, { left: 0, right: 20, top: 0, bottom: 20 }, new Uint8Array([255, 1, 0, 128]), 2, 2, table, 0);
      const at = (x, y) => [...g.getImageData(x, y, 1, 1).data];
      return [at(5, 5), at(15, 5), at(5, 15), at(15, 15)];
    })()"""
    )
    assert got == [[255, 255, 255, 255], [1, 1, 1, 255], [0, 0, 0, 0], [128, 128, 128, 255]]


def test_a_picture_without_a_finite_value_says_so(run: Any) -> None:
    got = run(
        """(() => {
      const c = document.createElement("canvas"), g = c.getContext("2d"), said = [];
      g.fillText = (words) => said.push(words);
      const look = { font: "12px sans-serif", muted: "#888", grid: "#eee", axis: "#ccc", text: "#000" };
      const header = { labels: ["w"], rows: 1, columns: 2, across: 1, widest: 90, tallest: 90, open_ended: true };
      const table = m.ramp(["#000000", "#FFFFFF"]), arrays = { values: new Uint8Array([0, 7, 0, 0]) };
      return [0, 1].map((frame) => {
        said.length = 0;
        m.tiles.draw({ header, look, table, arrays, frame }, g, 120);
        return [...said];
      });
    })()"""
    )
    assert got == [[], ["no value is finite"]]


def test_bars_and_scatter_draw_what_they_are_given(run: Any) -> None:
    got = run(
        """(() => {
      const c = document.createElement("canvas"); c.width = c.height = 100;
      const g = c.getContext("2d");
      const look = { font: "12px sans-serif", muted: "#888", grid: "#eee", axis: "#ccc", text: "#000" };
      const box = { left: 0, right: 100, top: 0, bottom: 100 };
      m.drawBars(g, box, [0, 10, NaN], 10, () => "#ff0000", look, ["a", "b", "c"]);
      const bar = [...g.getImageData(50, 50, 1, 1).data], none = [...g.getImageData(84, 51, 1, 1).data];
      g.clearRect(0, 0, 100, 100);
      const to = (v) => 50 + v, colours = ["#00ff00", "#00ff00"];
      m.scatter(g, box, [0, 0, NaN, 0], colours, ["a", "b"], () => false, to, to, look);
      return [bar.slice(0, 3), none[0] === 255, [...g.getImageData(50, 50, 1, 1).data].slice(0, 3)];
    })()"""
    )
    assert got == [[255, 0, 0], False, [0, 255, 0]]


def test_a_long_name_is_cut_in_the_middle_by_few_measurements(run: Any) -> None:
    names, most, asked = run(
        """(() => {
      const g = document.createElement("canvas").getContext("2d");
      g.font = "12px sans-serif";
      let asked = 0;
      const counting = { measureText: (text) => { asked += 1; return g.measureText(text); } };
      const long = "encoder." + "x".repeat(100000), names = [long + ".weight", long + ".bias"];
      const cut = names.map((name) => m.fitted(counting, name, 150));
      const most = Math.max(...cut.map((name) => g.measureText(name).width));
      return [[...cut, m.fitted(counting, "wte", 150), m.fitted(counting, "wte", 0)], most, asked];
    })()"""
    )
    assert names[0].startswith("encoder.")
    assert names[0].endswith(".weight")
    assert names[1].endswith(".bias")
    assert names[2:] == ["wte", ""]
    assert 130 < most <= 150
    assert asked < 30
