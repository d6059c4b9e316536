"""Tiles as a printed figure: every name in it, one picture a tile."""

from __future__ import annotations

import numpy as np

from strobe.charts.export import image
from strobe.charts.tiles import Tiles


def test_every_tile_has_its_name_and_its_picture() -> None:
    values = np.random.default_rng(0).random((5, 7, 7))
    figure = Tiles(values, [f"neuron {k}" for k in range(5)], ("activation", "least", "most"), ("a", "b"))
    svg = image(figure, "svg").decode()
    assert svg.count("<image ") == 5
    assert all(f">neuron {k}<" in svg for k in range(5))
    assert image(figure, "png").startswith(b"\x89PNG")


def test_one_tile_alone_has_axes_in_numbers() -> None:
    svg = image(Tiles(np.eye(97)[None], ["neuron 3"], ("activation", "0", "1"), ("a", "b")), "svg").decode()
    assert all(f">{number}</text>" in svg for number in (0, 20, 80))
