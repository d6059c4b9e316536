"""Names of any length in figures and movies: cut before they are measured, and told apart where they are cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from strobe.charts import movie_frames, svg
from strobe.charts.curves import Mark, Series, curves
from strobe.charts.figure import Figure
from strobe.charts.movie_frames import FrameDrawing, Words, attention_frame, embedding_frame, matrix_frame
from strobe.charts.theme import SEQUENTIAL

LONG = "encoder." + 10_000 * "x"


class Counting:
    """A font that counts the letters it measures."""

    measured = 0

    def __init__(self, font: Any) -> None:
        self._font = font

    def getlength(self, words: str) -> float:
        Counting.measured += len(words)
        return float(self._font.getlength(words))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._font, name)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Counting]]:
    for module in (movie_frames, svg):
        real = module._font
        monkeypatch.setattr(module, "_font", lambda size, real=real: Counting(real(size)))
    Counting.measured = 0
    return Counting


def frames(name: str) -> list[Any]:
    words = Words(f"{name}, step 300", name)
    return [
        attention_frame(np.full((1, 1, 3, 3), 0.3), words, positions=[name, "b", "="]),
        matrix_frame(np.ones((4, 4)), 1.0, words),
        embedding_frame(np.zeros((2, 2)), 1.0, [name, name], words),
        embedding_frame(np.zeros((2, 2)), 1.0, ["0", "1"], words),
    ]


def test_a_movie_measures_no_more_than_its_frames_can_hold(measured: type[Counting]) -> None:
    frames(LONG)
    assert measured.measured < 4 * 40_000, "four frames, where each letter more would be measured 2,500 times"


def figures(name: str) -> list[Figure]:
    table = pa.table({"series": [name, name], "x": [0.0, 1.0], "y": [1.0, 2.0]})
    marks = [Mark(1.0, name, "#000000")]
    drawn = curves(table, [Series(name, "#112233")], x_title="step", y_title="loss", log=False, marks=marks)
    return [replace(drawn, title=name, caption=f"of {name} and {name}")]


def test_a_figure_measures_no_more_than_its_page_can_hold(measured: type[Counting]) -> None:
    for figure in figures(LONG):
        figure.svg()
    assert measured.measured < 60_000


def test_a_cut_name_keeps_the_end_that_tells_it_apart() -> None:
    first, second = (svg.cut(LONG + end, 150) for end in (".weight", ".bias"))
    assert first.startswith("encoder.")
    assert (first[-7:], second[-5:]) == (".weight", ".bias")
    assert svg.text_width(first) <= 150
    assert svg.cut("wte", 150) == "wte"


def test_words_of_a_movie_end_inside_it_and_keep_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = FrameDrawing(480, 10, Words(""), SEQUENTIAL)
    written: list[str] = []
    monkeypatch.setattr(drawing._draw, "text", lambda _, words, **__: written.append(words))
    assert drawing.text(14, 8, f"{LONG}, step 300", "#000000", 15) <= 480
    assert written[0].startswith("encoder.")
    assert written[0].endswith("..." + written[0].rpartition("...")[2])
    assert written[0].endswith(", step 300")


def test_a_caption_of_long_words_stays_on_its_page() -> None:
    lines = svg.wrapped(f"of {LONG} and {LONG}", 300)
    assert all(svg.text_width(line) <= 300 for line in lines)
    assert len(lines) > 1
