"""Names of rows in printed heatmaps: short as on the pages, cut in the middle; and a scale that stays on paper."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pyarrow as pa
import pytest

from strobe.charts.curves import tensor_heatmap
from strobe.charts.figure import Sheet
from strobe.charts.moment import Attention
from strobe.charts.names import brief
from strobe.charts.svg import text_width

LONG = [f"model.layers.{k}.self_attn.{p}_proj.weight" for k in (0, 1, 10) for p in "qk"]


def test_what_most_names_have_is_left_out() -> None:
    assert brief(LONG) == [f"{k}.{p}_proj" for k in (0, 1, 10) for p in "qk"]
    assert brief(["a.weight", "b.weight"]) == ["a", "b"]
    assert brief(["a.weight", "weight"]) == ["a.weight", "weight"], "nothing would be left of one"
    assert brief([]) == []


def heatmap(names: list[str]) -> str:
    rows = [{"row": name, "step": step, "value": 1.0 + step} for name in names for step in (0, 1)]
    schema = pa.schema([("row", pa.string()), ("step", pa.int64()), ("value", pa.float64())])
    return tensor_heatmap(pa.Table.from_pylist(rows, schema), names, quantity="gradient, L2 norm").svg(480)


def test_a_narrow_heatmap_has_short_names_and_its_whole_scale() -> None:
    drawn = heatmap([f"{name}.and.what.else.makes.it.long" for name in LONG])
    assert "10.q_proj" in drawn
    assert "self_attn" not in drawn
    (bar,) = re.findall(r'<rect x="([0-9.]+)"[^>]* width="120"', drawn) or re.findall(r'x="([0-9.]+)"[^>]*url', drawn)
    assert float(bar) + 120 + 7 + text_width("2") <= 480 - 24


def test_names_that_fit_stand_whole() -> None:
    assert "layers.0.weight" in heatmap(["layers.0.weight", "layers.1.weight"])


@pytest.mark.parametrize("length", [3, 12])
def test_positions_of_small_heads_do_not_overlap(length: int) -> None:
    names = [f"p{k:02}" for k in range(length)]
    drawn = Sheet([Attention(np.ones((1, 4, length, length)), names, names)]).svg(480)
    at = [float(x) for x in re.findall(r'<text x="([0-9.]+)"[^>]*text-anchor="middle"[^>]*>p', drawn)]
    gaps = [b - a for a, b in itertools.pairwise(at) if b > a]
    assert min(gaps, default=99) >= text_width("p00")
