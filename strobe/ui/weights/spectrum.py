"""The singular values of a matrix over training, and what is read off them."""

from __future__ import annotations

from typing import Final

from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, panel
from strobe.ui.panel.marks import step_marks
from strobe.views import spectrum, spectrum_verdicts
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import RunView

EDGE: Final = Series("edge of random entries", SERIES[0], dash=True)


def picked(many: int) -> list[int]:
    """Numbers of the singular values that are drawn, of so many: the first, and then ever fewer, as many as there are
    colours."""
    first, *others = sorted({1, 2, 4, 8, 16, 64, many // 2, many} & set(range(1, many + 1)))
    return [first, *others[-(len(SERIES) - 1) :]]


def over_training(view: RunView, matrix: WeightMatrix) -> None:
    """A few singular values by step: the first, and then ever fewer."""
    panel.title("Singular values over training")
    many = min(matrix.shape)
    numbers = picked(many)
    looks = {f"s{n}": Series(f"s{_small(n)}", SERIES[k]) for k, n in enumerate(numbers)}
    looks["edge"] = EDGE
    edge = spectrum_verdicts.edge(view, matrix)
    derived.lines(
        view, "spectrum_lines", spectrum.over_training(view, matrix, numbers), looks, y_title="singular value",
        log=True, marks=step_marks(view),
        about=f"Some of {many:,}, numbered from the largest. {edge.words}", queries=[edge.answer.sql],
    )  # fmt: skip


def _small(n: int) -> str:
    return str(n).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def ranks(view: RunView, matrix: WeightMatrix) -> None:
    """How many directions the matrix uses, over training."""
    panel.title("Ranks over training")
    looks = {
        "effective_rank": Series("effective rank", SERIES[0]), "stable_rank": Series("stable rank", SERIES[1]),
        "participation_ratio": Series("participation ratio", SERIES[2]),
    }  # fmt: skip
    about = f"Of at most {min(matrix.shape):,} directions. Definitions: docs/analyses.md."
    derived.lines(
        view, "ranks", spectrum.ranks(view, matrix), looks, y_title="rank", about=about, marks=step_marks(view)
    )


def tail(view: RunView, matrix: WeightMatrix) -> None:
    """The exponent of the tail of the eigenvalues, over training."""
    panel.title("Heavy tail (alpha) over training")
    fitted = spectrum_verdicts.tail(view, matrix)
    if not fitted.drawn:
        panel.caption(fitted.words)
        return
    looks = {"alpha": Series("alpha, where not ruled out", SERIES[5])}
    derived.lines(view, "alpha", fitted.answer, looks, y_title="alpha", about=fitted.words, marks=step_marks(view))
