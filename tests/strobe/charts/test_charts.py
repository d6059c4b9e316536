"""Figures for papers, the theme they share, and the SQL that feeds the curves."""

from __future__ import annotations

import math
import re
import tomllib
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strobe.charts import axes, export, moment, theme
from strobe.charts.axes import Axis, decades, log_ticks
from strobe.charts.curves import Mark, Series, curves, tensor_heatmap
from strobe.ui.shell.words import ends, inert, sentence
from strobe.views import attention, curve_sql, tensors
from strobe.views.budget import window
from strobe.views.run_view import Answer
from strobe.views.tensors import shades, tensor_series
from strobe.views.words import age, number, size, thinned, visible
from tests.support.duck import cursor
from tests.support.places import ROOT

NASTY = '<img src=x> "quoted" $x$ :red[y]'


def table(*rows: tuple[str, float, float]) -> pa.Table:
    names, xs, ys = zip(*rows, strict=True)
    return pa.table({"series": list(names), "x": list(map(float, xs)), "y": list(map(float, ys))})


def figure(**changes: Any) -> Any:
    rows = table(("test", 0, 4.5), ("test", 10, 0.01), ("train", 0, 4.0), ("train", 10, 1e-4), ("lone", 5, 1.0))
    series = [Series("test", theme.TEST), Series("train", theme.TRAIN, dash=True), Series("lone", theme.SERIES[2])]
    marks = [Mark(5, "onset 5", "#228833"), Mark(0, "peak 4.5", theme.TEST, y=4.5)]
    return curves(
        rows, series, **{"x_title": "step", "y_title": "loss (nats)", "log": True, "marks": marks} | changes
    )


def test_the_palette_of_the_app_is_the_palette_of_the_figures() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert tuple(config["theme"]["chartCategoricalColors"]) == theme.SERIES
    assert tuple(config["theme"]["chartSequentialColors"]) == theme.SEQUENTIAL
    assert tuple(config["theme"]["chartDivergingColors"]) == theme.DIVERGING
    for name, mode in (("light", theme.LIGHT), ("dark", theme.DARK)):
        given_colours = config["theme"][name]
        assert given_colours["primaryColor"] == mode.primary
        assert given_colours["backgroundColor"] == mode.background
        assert given_colours["secondaryBackgroundColor"] == mode.secondary
        assert given_colours["textColor"] == mode.text
        assert given_colours["borderColor"] == mode.border


def test_the_app_of_strangers_shows_no_error_details_and_takes_no_file() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["client"] == {"toolbarMode": "minimal", "showErrorDetails": "none"}
    assert config["server"]["maxUploadSize"] == 0
    assert not {"enableCORS", "enableXsrfProtection"} & config["server"].keys()


def test_a_cyclic_map_ends_where_it_begins() -> None:
    assert theme.CYCLIC[0] == theme.CYCLIC[-1]


def test_runs_take_the_colours_in_order_and_never_share_one_below_eight() -> None:
    runs = [f"run-{k}" for k in range(7)]
    looks = theme.run_looks(runs)
    assert [look.colour for look in looks.values()] == list(theme.SERIES)
    assert theme.run_looks(runs[:3]) == {run: looks[run] for run in runs[:3]}


def test_more_runs_than_colours_are_told_apart_by_their_dashes() -> None:
    """Each split of each run has a line of its own, in the figure and in its legend."""
    runs = [f"run-{k}" for k in range(20)]
    looks = theme.run_looks(runs)
    lines = {(look.colour, look.dash(second)) for look in looks.values() for second in (False, True)}
    assert len(lines) == 40
    assert {look.turn for look in list(looks.values())[:7]} == {0}, "colours first"
    table = pa.table({"series": runs[:10], "x": [0.0] * 10, "y": [1.0] * 10})
    table = pa.concat_tables([table, table.set_column(1, "x", pa.array([1.0] * 10))])
    series = [Series(run, looks[run].colour, turn=looks[run].turn) for run in runs[:10]]
    svg = curves(table, series, x_title="step", y_title="loss", log=False).svg()
    for tag, width in (("polyline", "1.6"), ("line", "2")):
        strokes = re.findall(rf'<{tag} [^>]*stroke="(#\w+)" stroke-width="{width}"([^>]*)/>', svg)
        assert (len(strokes), len(set(strokes))) == (10, 10), tag


def test_altair_takes_the_theme() -> None:
    assert theme.altair().theme.active == "strobe"


def test_a_figure_has_legend_labels_units_and_its_marks_in_words() -> None:
    texts = words_of(figure().svg())
    for words in ("loss (nats)", "step", "onset 5", "peak 4.5", "test", "train", "lone", "10−4", "0.1"):
        assert words in texts, words
    assert 'stroke-dasharray="5 4"' in figure().svg()


def words_of(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_a_series_of_one_point_is_a_dot() -> None:
    svg = figure(marks=()).svg()
    assert (svg.count("<polyline"), svg.count("<circle")) == (2, 1)


def test_a_curve_is_where_its_points_are() -> None:
    line = curves(
        table(("a", 0, 1.0), ("a", 5, 3.0), ("a", 10, 2.0)),
        [Series("a", "#123456")],
        x_title="x",
        y_title="y",
        log=False,
    )
    found = re.search(r'<polyline points="([^"]*)"', line.svg())
    assert found is not None
    (x0, y0), (x1, y1), (x2, y2) = ([float(v) for v in pair.split(",")] for pair in found[1].split())
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11)
    assert y0 - y1 == pytest.approx(2 * (y0 - y2), abs=0.21)
    assert y1 < y2 < y0


@pytest.mark.parametrize(("low", "high"), [(1e-8, 12.0), (1.0, 1.0), (3e-300, 1e300)])
def test_log_axes_have_few_decades_inside_the_data(low: float, high: float) -> None:
    ticks = decades(low, high)
    assert 1 <= len(ticks) <= 10
    assert low * 0.999 <= ticks[0] <= ticks[-1] <= high * 1.001
    assert all(np.log10(b / a) >= 0.99 for a, b in pairwise(ticks))


def test_labels_of_an_axis_tell_its_ticks_apart() -> None:
    assert [words for _, words in Axis(1.00001, 1.00003, "").ticks(2)] == ["1.00001", "1.00002", "1.00003"]
    assert [words for _, words in Axis(0.02, 0.08, "", log=True).ticks(9)] == ["0.02", "0.04", "0.06", "0.08"]
    assert [words for _, words in Axis(1e-5, 2, "", log=True).ticks(9)] == [
        "10⁻⁵",
        "10⁻⁴",
        "0.001",
        "0.01",
        "0.1",
        "1",
    ]
    assert [words for _, words in Axis(0, 3.2e9, "").ticks(3)] == ["0", "2×10⁹"]
    assert [words for _, words in Axis(0, 14_000, "").ticks(3)] == ["0", "5,000", "10,000"]
    assert [words for _, words in Axis(0, 7200, "", unit="s").ticks(4)] == [
        "0 s",
        "30 min",
        "60 min",
        "90 min",
        "2 h",
    ]


def test_names_in_a_figure_are_text() -> None:
    spec = curves(
        table((NASTY, 0, 1.0), (NASTY, 1, 2.0)), [Series(NASTY, "#000000")], x_title="step", y_title="y", log=False
    )
    svg = export.image(spec, "svg").decode()
    assert "<img" not in svg
    assert NASTY in words_of(svg)


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")])
def test_a_figure_becomes_a_file(kind: str, magic: bytes) -> None:
    assert export.image(figure(), kind).startswith(magic)


def test_a_png_has_300_dots_to_an_inch_of_96_pixels() -> None:
    svg = ElementTree.fromstring(figure().svg())
    head = export.image(figure(), "png")[16:24]
    sides = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
    inches = [float(svg.attrib[side]) / 96 for side in ("width", "height")]
    assert sides == pytest.approx([300 * inch for inch in inches], abs=2)


def test_an_unknown_kind_of_image_is_refused() -> None:
    with pytest.raises(ValueError, match="there is png, svg, pdf"):
        export.image(figure(), "gif")


def test_a_heatmap_keeps_the_order_of_its_rows_and_names_its_scale() -> None:
    rows = pa.table({"row": ["wte", "fcw", "wte"], "step": [0, 100, 100], "value": [1.0, 4.0, 2.0]})
    made = tensor_heatmap(rows, ["wte", "fcw"], quantity="gradient, L2 norm")
    texts = words_of(made.svg())
    assert [text for text in texts if text in ("wte", "fcw")] == ["wte", "fcw"]
    assert {"gradient, L2 norm (log scale)", "1", "2", "4", "0", "100", "step"} <= set(texts)
    corners = made.pixels[0, 0], made.pixels[0, 1], made.pixels[1, 0], made.pixels[1, 1]
    first, last = (
        [int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in (theme.SEQUENTIAL[0], theme.SEQUENTIAL[-1])
    )
    assert corners[0].tolist() == first
    assert corners[3].tolist() == last
    assert corners[2].tolist() == [255, 255, 255]


def test_csv_disarms_formulas_and_parquet_keeps_types() -> None:
    rows = pa.table({"name": ["=cmd()", "plain", None, "@x"], "value": [1.5, -2.0, None, 3.0]})
    assert export.csv(rows).decode().splitlines()[1:] == ['"\'=cmd()",1.5', '"plain",-2', ",", '"\'@x",3']
    import io

    import pyarrow.parquet as pq

    assert pq.read_table(io.BytesIO(export.parquet(rows))).equals(rows)
    assert pq.ParquetFile(io.BytesIO(export.parquet(rows))).metadata.row_group(0).column(0).compression == "ZSTD"


def ask(values: list[float], **options: Any) -> list[dict[str, Any]]:
    connection = cursor()
    steps = list(range(len(values)))
    scalars = pa.table({
        "run": ["a"] * len(values), "name": ["val_loss"] * len(values), "step": steps, "value": values,
        "time": [float(s) for s in steps], "tokens": [s * 96 for s in steps],
    })  # fmt: skip
    connection.register("scalars", scalars)
    return connection.sql(curve_sql.curve("a", "val_loss", **options)).to_arrow_table().to_pylist()


@settings(max_examples=25)
@given(st.integers(2001, 6000), st.integers(0, 10**9), st.data())
def test_buckets_keep_both_ends_and_every_spike(n: int, seed: int, data: st.DataObject) -> None:
    values = np.random.default_rng(seed).normal(size=n)
    spike = data.draw(st.integers(0, n - 1))
    values[spike] = data.draw(st.sampled_from([1e6, -1e6]))
    rows = ask(values.tolist())
    assert len(rows) <= curve_sql.POINTS
    kept = {row["step"]: row["y"] for row in rows}
    assert {0, n - 1, spike} <= kept.keys()
    assert all(values[step] == y for step, y in kept.items())
    assert rows[0]["n"] == n
    assert [row["x"] for row in rows] == sorted(row["x"] for row in rows)


def test_few_points_are_all_kept_also_inside_a_window() -> None:
    values = list(np.linspace(1, 2, 3000))
    assert len(ask(values[:2000])) == 2000
    inside = ask(values, window=(100.0, 300.0))
    assert [row["step"] for row in inside] == list(range(100, 301))
    assert [row["x"] for row in ask(values[:5], axis="tokens")] == [0, 96, 192, 288, 384]
    assert [row["x"] for row in ask(values[:3], axis="time")] == [0, 1, 2]


def test_what_is_not_finite_or_not_positive_on_a_log_axis_is_left_out() -> None:
    values = [1.0, float("nan"), float("inf"), -1.0, 0.0, 2.0]
    assert [row["y"] for row in ask(values) if row["y"] is not None] == [1.0, -1.0, 0.0, 2.0]
    assert [row["y"] for row in ask(values, log=True) if row["y"] is not None] == [1.0, 2.0]
    assert {row["n"] for row in ask(values)} == {4}


@settings(max_examples=20, deadline=None)
@given(st.integers(2001, 5000), st.integers(0, 10**9), st.data())
def test_a_bucket_without_a_finite_value_breaks_the_line(n: int, seed: int, data: st.DataObject) -> None:
    """Of 500 buckets those that hold only what is not finite, and no other between the first and the last point."""
    random = np.random.default_rng(seed)
    values = random.normal(size=n + 1)
    values[random.random(n + 1) < 0.2] = np.inf
    start = data.draw(st.integers(1, n - 100))
    values[start : start + 100] = np.nan
    values[[0, n]] = 1.0
    rows = ask(values.tolist())
    bucket = np.floor(np.arange(n + 1) * 500 / n) if np.isfinite(values).sum() > 2000 else np.arange(n + 1)
    finite = {b for b, v in zip(bucket, values, strict=True) if np.isfinite(v)}
    broken = {bucket[row["step"]] for row in rows if row["y"] is None}
    assert broken == set(bucket) - finite
    assert all(row["y"] == values[row["step"]] for row in rows if row["y"] is not None)


def test_a_quote_in_a_name_stays_inside_its_literal() -> None:
    sql = curve_sql.curve("a", "x'; DROP TABLE runs; --")
    assert "'x''; DROP TABLE runs; --'" in sql


def test_shades_cover_the_scale_and_leave_zero_empty() -> None:
    bytes_, low, high = shades(np.array([[1e-4, 1.0, 0.0], [np.nan, np.inf, 1e-2]]))
    assert bytes_.tolist() == [[1, 255, 0], [0, 0, 128]]
    assert (low, high) == (1e-4, 1.0)
    assert not shades(np.zeros((2, 2)))[0].any()


def test_frames_beyond_eight_megabytes_become_a_window_round_the_cursor() -> None:
    steps = list(range(0, 10_000, 100))
    assert window(steps, 500, 1000) == (steps, True)
    assert window(steps, 500, 80_000) == (steps, True)
    for step in (0, 5000, 9900, 5050):
        for each, many in ((300_000, 10), (1_000_000, 3), (5_000_000, 1)):
            chosen, whole = window(steps, step, each)
            assert not whole
            assert len(chosen) == many
            assert max(s for s in steps if s <= step) in chosen


def test_a_window_of_frames_reaches_beyond_the_cursor_on_both_sides() -> None:
    steps = list(range(100))
    for step in range(1, 99):
        chosen, _ = window(steps, step, 900_000)
        assert {step - 1, step, step + 1} <= set(chosen)


def test_words() -> None:
    assert [number(v) for v in (None, 0.0, 4200.0, 0.000031, float("nan"))] == [
        "–",
        "0",
        "4,200",
        "3.10×10⁻⁵",
        "not a number",
    ]
    assert [size(v) for v in (None, 12, 84_000, 12.1e6)] == ["–", "12 B", "84 kB", "12.1 MB"]
    assert [age(v) for v in (None, 5, 200, 7200, 1e6)] == ["–", "just now", "3 min", "2 h", "11 d"]
    assert visible("a\u202eb\x00") == "a\ufffdb\ufffd"
    assert inert("[a](b) :red[x] $y$ <b>") == r"\[a\]\(b\) \:red\[x\] \$y\$ \<b\>"
    kept = (
        '{"snapshots_kept": 28, "snapshots_recorded": 171, "sections_dropped": ["grads"], "float32_as_float16": true}'
    )
    assert thinned(kept).startswith("28 of 171 snapshots; without grads")
    assert thinned(None) == ""
    assert thinned("{half") == "{half"


def test_a_matrix_has_one_row_a_tensor_and_layer_in_the_order_of_the_model() -> None:
    cells = [
        ("zeta", None, 0, 1.0),
        ("fcw", 1, 0, 2.0),
        ("fcw", 0, 0, 3.0),
        ("wte", None, 0, 4.0),
        ("fcw", 0, 100, 5.0),
    ]
    cells += [("fcw", 1, 100, None), ("lnfw", 0, 0, math.nan), ("lnfw", 0, 100, 6.0)]
    names, layers, steps, values = zip(*cells, strict=True)
    table = pa.table(
        {"tensor": names, "layer": pa.array(layers, pa.int16()), "step": steps, "value": pa.array(values)}
    )
    matrix = tensor_series(Answer("SELECT", table, 0.0))
    assert matrix.rows == ["wte", "fcw.0", "fcw.1", "lnfw", "zeta"]
    assert matrix.steps == [0, 100]
    expected = [[4.0, np.nan], [3.0, 5.0], [2.0, np.nan], [np.nan, 6.0], [1.0, np.nan]]
    assert np.array_equal(matrix.values, expected, equal_nan=True)
    assert matrix.table(["fcw.0"]).to_pylist() == [
        {"row": "fcw.0", "step": 0, "value": 3.0},
        {"row": "fcw.0", "step": 100, "value": 5.0},
    ]
    assert matrix.table().num_rows == 7, "NaN was recorded, NULL was not"
    assert matrix.drawn().num_rows == 6
    assert matrix.recorded.tolist() == [[1, 0], [1, 1], [1, 0], [1, 1], [1, 0]]
    assert matrix.history(["fcw.1"]).to_pylist() == [
        {"row": "fcw.1", "step": 0, "value": 2.0},
        {"row": "fcw.1", "step": 100, "value": None},
    ]


def test_of_many_steps_some_are_drawn_and_all_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "_MOST_COLUMNS", 3)
    rows = {"tensor": ["w"] * 9, "layer": pa.array([None] * 9, pa.int16()), "step": range(9), "value": np.arange(9.0)}
    matrix = tensor_series(Answer("SELECT", pa.table(rows)))
    assert matrix.steps == [0, 4, 8]
    assert matrix.drawn()["step"].to_pylist() == [4, 8], "0 has no place on a log scale"
    assert matrix.table()["value"].to_pylist() == list(range(9))


def test_one_moment_is_data_and_a_figure() -> None:
    weights = np.tril(np.ones((1, 2, 3, 3))) / np.array([1, 2, 3])[:, None]
    seen = np.where(attention.masked_keys(3, 3), np.nan, weights)
    table = attention.weights_table(weights, attention.masked_keys(3, 3), ["a", "it's", "="])
    assert table.num_rows == 2 * 6
    assert set(table.filter(pc.equal(table["query"], 1))["weight"].to_pylist()) == {0.5}
    places = np.array([[1.0, 2.0], [3.0, np.nan]])
    dots = moment.points_table(places, ["x", "y"])
    assert dots["label"].to_pylist() == ["x", "y"]
    figures = [moment.Attention(seen, ["a", "it's", "="], ["a", "it's", "="]), moment.points(dots, 3.0),
               moment.bars(["1", "2"], [0.5, 2.0], x_title="frequency", y_title="norm")]  # fmt: skip
    for figure in figures:
        assert export.image(figure, "svg").startswith(b"<svg")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.05901, 0.05934, ("0.0590", "0.0593")), (1, 2, ("1.0", "2.0")), (3, 3, ("3.0", "3.0"))],
)
def test_the_ends_of_a_scale_are_told_apart(low: float, high: float, words: tuple[str, str]) -> None:
    assert ends(low, high) == words


def test_a_printed_scale_tells_its_ends_apart() -> None:
    assert axes.ends(0.05901, 0.05934) == ("0.059", "0.0593")
    assert axes.ends(3.0, 3.0) == ("3", "3")


def test_commands_in_a_sentence_are_code_and_nothing_in_it_is_markup() -> None:
    assert sentence("run `strobe verify a`.") == "run <code>strobe verify a</code>."
    assert sentence("`<b>` and ` alone") == "<code>&lt;b&gt;</code> and ` alone"


def test_a_line_breaks_where_nothing_was_measured() -> None:
    table = pa.table({"series": ["a"] * 6, "x": [0.0, 1, 2, 3, 4, 5], "y": [1.0, 2, None, 3, None, 1]})

    def drawn(rows: pa.Table) -> tuple[int, int]:
        """Lines with the colour of the series, and dots."""
        svg = curves(rows, [Series("a", "#123456")], x_title="step", y_title="alpha", log=False).svg()
        return len(re.findall(r'<polyline[^>]*stroke="#123456"', svg)), svg.count('r="2"')

    assert drawn(table) == (1, 2), "a value between two gaps is a dot"
    assert drawn(table.filter(pc.is_valid(table["y"]))) == (1, 0)
    assert drawn(table.filter(pc.less(table["x"], 4))) == (1, 1)


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0.05, 2.0, 9, [0.05, 0.1, 0.2, 0.5, 1, 2]),
        (0.2, 15.0, 5, [0.3, 1, 3, 10]),
        (0.09, 12.0, 3, [0.1, 1, 10]),
    ],
)
def test_a_log_axis_has_three_labels_or_more(low: float, high: float, count: float, expected: list[float]) -> None:
    assert log_ticks(low, high, count) == expected
    assert len(log_ticks(1.01, 1.02, 5)) >= 3
