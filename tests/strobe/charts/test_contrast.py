"""Colours that can be seen and told apart, in light and in dark, by readers of every kind of sight."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from strobe.charts import theme
from strobe.charts.theme import DARK, LIGHT, SERIES, Mode, contrast

SIGHT = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""Linear RGB to linear RGB: Machado, Oliveira and Fernandes 2009, at their full severity."""
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
_TOLD_APART = 12.0
"""In CIELAB units, of which 2.3 are just seen side by side."""


def seen(colour: str, sight: str) -> npt.NDArray[np.float64]:
    """CIELAB of a colour as a kind of sight has it."""
    coded = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    x, y, z = _XYZ @ np.clip(np.asarray(SIGHT[sight]) @ linear, 0, 1) / [0.95047, 1, 1.08883]
    fx, fy, fz = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


def test_the_ratio_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#FFFFFF") == contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    assert contrast("#CCBB44", "#FFFFFF") < 2, "the yellow that no line may have"


@pytest.mark.parametrize("mode", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_stand_out_of_the_ground_and_text_more_so(mode: Mode) -> None:
    for colour in (*SERIES, theme.ACCENT):
        assert contrast(colour, mode.background) >= 3, colour
    for text in (mode.text, mode.muted, mode.primary):
        for ground in (mode.background, mode.secondary):
            assert contrast(text, ground) >= 4.5, (text, ground)
    assert contrast(mode.background, mode.primary) >= 4.5, "what stands on the accent takes the colour of the ground"


@pytest.mark.parametrize("sight", SIGHT)
def test_neighbours_are_told_apart(sight: str) -> None:
    near = {
        (one, other): float(np.linalg.norm(seen(one, sight) - seen(other, sight)))
        for one, other in pairwise((*SERIES, SERIES[0]))
    }
    assert min(near.values()) > _TOLD_APART, near


def test_no_series_is_grey() -> None:
    for colour in SERIES:
        assert np.hypot(*seen(colour, "full")[1:]) > 20, colour
