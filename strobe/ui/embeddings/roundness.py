"""How round an embedding lies, and how much of it is seen, over training."""

from __future__ import annotations

from typing import Final

from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, panel
from strobe.ui.panel.marks import step_marks
from strobe.views import embedding_axes
from strobe.views.embedding_axes import EmbeddingPoints
from strobe.views.run_view import RunView
from strobe.views.task import may_be_round

_LINES: Final = {
    "circularity": Series("circularity", SERIES[2]), "noise_bound": Series("noise, 95% below", SERIES[2], dash=True),
    "noise_mean": Series("noise, mean", SERIES[3], dash=True),
    "explained": Series("variance in the plane", SERIES[0]),
}  # fmt: skip
_SEEN: Final = "The share of the points' variance that lies in the plane that is drawn."


def draw(view: RunView, points: EmbeddingPoints) -> None:
    """Circularity and explained variance of the plane that is shown; where tokens are words, the second alone."""
    round_too = may_be_round(view)
    panel.title("How round, and how much of it is seen" if round_too else "How much of it is seen")
    lines = _LINES if round_too else {"explained": _LINES["explained"]}
    derived.lines(
        view, "roundness", embedding_axes.roundness(points), lines, y_title="share", share=True, height=240,
        about=embedding_axes.roundness_words(points) if round_too else _SEEN, marks=step_marks(view),
    )  # fmt: skip
