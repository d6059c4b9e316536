"""Numbers to colours: tables of 256 from a few stops, and places on a cyclic map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from strobe.charts.theme import CYCLIC, LIGHT

Array = np.ndarray[Any, Any]


def rgb(colour: str) -> tuple[int, int, int]:
    """#RRGGBB as three integers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def colour_table(colours: Sequence[str]) -> Array:
    """(256, 3) uint8: `colours` (hex) at even places, linear between."""
    stops = np.array([rgb(colour) for colour in colours], float)
    at = np.linspace(0, len(stops) - 1, 256)
    return np.stack([np.interp(at, np.arange(len(stops)), stops[:, k]) for k in range(3)], 1).round().astype(np.uint8)


def heatmap(shares: Array, colours: Sequence[str]) -> Array:
    """(rows, columns) in 0..1 as (rows, columns, 3) uint8; white where NaN."""
    place = np.nan_to_num(np.clip(shares, 0, 1) * 255).round().astype(np.uint8)
    picture: Array = colour_table(colours)[place]
    picture[np.isnan(shares)] = 255
    return picture


def log_shares(values: Array) -> tuple[Array, float, float]:
    """`values` as shares 0..1 of the way, on a log scale, from the least to the greatest that is positive and finite
    (NaN elsewhere), and these two ends (NaN where there is none)."""
    good = np.isfinite(values) & (values > 0)
    shares = np.full(values.shape, np.nan)
    if not good.any():
        return shares, np.nan, np.nan
    low, high = float(values[good].min()), float(values[good].max())
    span = np.log(high) - np.log(low)
    shares[good] = (np.log(values[good]) - np.log(low)) / span if span > 0 else 0.0
    return shares, low, high


def _are_residues(labels: Sequence[str]) -> bool:
    """Whether nearly all tokens are numbers; the digits in an alphabet are not residues."""
    numbers = sum(label.isdecimal() for label in labels)
    return 0 < numbers >= 3 * (len(labels) - numbers)


def token_range(labels: Sequence[str]) -> tuple[str, str]:
    """The names at the two ends of the cyclic map of `token_colours`."""
    ends = [label for label in labels if label.isdecimal()] if _are_residues(labels) else list(labels)
    return (ends[0], ends[-1]) if ends else ("", "")


def named_tokens(labels: Sequence[str]) -> list[int]:
    """Which points of a scatter get their name: every tenth, and what is no residue among residues."""
    every, residues = max(10, len(labels) // 10), _are_residues(labels)
    return [k for k, label in enumerate(labels) if k % every == 0 or (residues and not label.isdecimal())]


def token_colours(labels: Sequence[str], turn: int = 1) -> Array:
    """(n, 3) uint8. Residues stand round the cyclic map by `turn` times their number, since p - 1 and 0 are
    neighbours; another token among them ("=") gets the muted colour of the text. Tokens of a text go round the map in
    their order."""
    numbers = [int(label) if label.isdecimal() else -1 for label in labels]
    if not _are_residues(labels):
        numbers = list(range(len(labels)))
    around = max(numbers, default=0) + 1
    table = colour_table(CYCLIC)
    picked = table[[round(255 * (turn * max(k, 0) % around) / around) for k in numbers]]
    picked[[k < 0 for k in numbers]] = rgb(LIGHT.muted)
    return np.asarray(picked)
