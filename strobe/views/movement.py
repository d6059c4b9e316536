"""How far each tensor moves: which of many are drawn, layer by layer, and the colours that show the usual band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from strobe.analysis.health import HEALTHY_RATIO
from strobe.views.filtering import MOST_ROWS
from strobe.views.ordering import natural
from strobe.views.run_view import Answer, RunView, literal
from strobe.views.tensors import TensorSeries
from strobe.views.words import number

Array = np.ndarray[Any, Any]

BAND: Final = (
    f"Pale: the band of {HEALTHY_RATIO[0]:g} to {HEALTHY_RATIO[1]:g}, a rule of thumb for the update ratio of one "
    "step; blue below it, red above."
)
DECADES: Final = 3
"""So many decades below and above the band its colours end."""
INSIDE: Final = 40
"""Shades on either side of the middle that are the band's, of 127."""
ENDS: Final = (
    f"{number(HEALTHY_RATIO[0] / 10**DECADES, 1)} or less", f"{HEALTHY_RATIO[0]:g} to {HEALTHY_RATIO[1]:g}",
    f"{number(HEALTHY_RATIO[1] * 10**DECADES, 2)} or more",
)  # fmt: skip
"""What the ends and the middle of the colours stand for."""


@dataclass(frozen=True)
class Words:
    """What a movement is of in a run: for an axis, and as a sentence."""

    quantity: str
    about: str


NET: Final = Words(
    "net movement a step",
    "How far a tensor moved since the snapshot before, relative to its norm there, divided by the steps between: the "
    "update ratio of one step only where snapshots are one step apart.",
)
ONE_STEP: Final = Words(
    "update ratio of one step",
    "The update ratio of the one step that led to the snapshot, relative to the norm before it: statistics alone are "
    "kept, so that nothing is known of the steps between snapshots.",
)
BOTH: Final = Words(NET.quantity, f"{NET.about} Of tensors that are kept as statistics alone it is that of one step.")


def words(view: RunView) -> Words:
    """By what the run keeps of its parameters: values, statistics alone, or some of each."""
    names = [str(entry["name"]) for entry in view.tensor_entries()]
    alone, whole = (any(name.startswith(section) for name in names) for section in ("stats/params", "params/"))
    return NET if not alone else BOTH if whole else ONE_STEP


def band_shades(ratios: Array) -> Array:
    """uint8 of the same shape, on a log scale: 128 - 40 to 128 + 40 from end to end of the usual band, 1 and 255
    three decades below and above it or farther; 1 for a tensor that does not move at all. 0 where there is no
    number."""
    low, high = np.log10(HEALTHY_RATIO)
    known = np.isfinite(ratios)
    with np.errstate(divide="ignore"):
        place = np.log10(np.where(known, ratios, 1.0))
    ends = [low - DECADES, low, high, high + DECADES]
    shade = np.interp(place, ends, [1, 128 - INSIDE, 128 + INSIDE, 255])
    return np.where(known, np.round(shade), 0).astype(np.uint8)


def furthest(series: TensorSeries) -> list[str]:
    """All rows in their order, or of many those that move least and those that move most, by their medians."""
    if len(series.rows) <= MOST_ROWS:
        return series.rows
    with np.errstate(all="ignore"):
        middle = np.array([np.nanmedian(row) if np.isfinite(row).any() else np.inf for row in series.values])
    order = np.argsort(middle, kind="stable")
    kept = sorted([*order[: MOST_ROWS // 2].tolist(), *order[-MOST_ROWS // 2 :].tolist()])
    return [series.rows[k] for k in kept]


def has_layers(view: RunView) -> bool:
    """Whether tensors of more than one layer are told apart in the tables."""
    rows = view.rows(f"""SELECT count(DISTINCT layer) AS n FROM tensors
WHERE run = {literal(view.run)} AND section = 'params'""")
    return bool(rows[0]["n"] > 1)


def by_layer(view: RunView) -> Answer:
    """row ("layer 3", or the name of a tensor that is in none), step, value: the median movement over the tensors of
    each layer."""
    return view.tables.ask(f"""SELECT coalesce('layer ' || layer, tensor) AS row, step, median(update_ratio) AS value
FROM tensors WHERE run = {literal(view.run)} AND section = 'params' AND isfinite(update_ratio)
GROUP BY ALL ORDER BY row, step""")


def layer_rows(answer: Answer) -> list[str]:
    """The rows of `by_layer` from the first layer to the last, tensors without one behind them."""
    names = answer.table["row"].unique().to_pylist()
    return sorted(names, key=lambda name: (not name.startswith("layer "), natural(name)))
