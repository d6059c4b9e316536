"""The singular values of a matrix over training, and what is read off them."""

from __future__ import annotations

from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, panel
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell.page import Page
from strobe.ui.weights.frames import Matrix
from strobe.views.run_view import literal


def rows_of(page: Page, matrix: Matrix) -> str:
    """The clauses FROM and WHERE of the spectra of this matrix."""
    layer = "IS NULL" if matrix.layer is None else f"= {matrix.layer}"
    return f"""FROM spectra WHERE run = {literal(page.run)} AND tensor = {literal(matrix.name)}
  AND layer {layer} AND part = 'whole' AND head IS NULL"""


def analysed(page: Page, matrix: Matrix) -> bool:
    """Whether the store has spectra of this matrix."""
    return bool(page.reader.rows(f"SELECT count(*) AS n {rows_of(page, matrix)}")[0]["n"])


def picked(many: int) -> list[int]:
    """Numbers of the singular values that are drawn, of so many: the first, and then ever fewer, as many as there are
    colours."""
    first, *others = sorted({1, 2, 4, 8, 16, 64, many // 2, many} & set(range(1, many + 1)))
    return [first, *others[-(len(SERIES) - 1) :]]


def over_training(page: Page, matrix: Matrix) -> None:
    """A few singular values by step: the first, and then ever fewer."""
    panel.title("Singular values over training")
    many = min(matrix.shape)
    drawn = picked(many)
    answer = page.reader.ask(f"""SELECT step, 's' || n AS series, singular_values[n] AS value
FROM (SELECT step, singular_values, unnest([{", ".join(map(str, drawn))}]) AS n {rows_of(page, matrix)})
ORDER BY n, step""")
    looks = {f"s{n}": Series(f"s{_small(n)}", SERIES[k]) for k, n in enumerate(drawn)}
    derived.lines(
        page.view, "spectrum_lines", answer, looks, y_title="singular value", log=True, marks=step_marks(page),
        about=f"Some of {many:,}, numbered from the largest. What stands out above the rest is what was learned.",
    )  # fmt: skip


def _small(n: int) -> str:
    return str(n).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def ranks(page: Page, matrix: Matrix) -> None:
    """How many directions the matrix uses, over training."""
    panel.title("Ranks over training")
    answer = page.reader.ask(f"""SELECT step, name AS series, value
FROM (SELECT step, stable_rank, effective_rank, participation_ratio {rows_of(page, matrix)})
UNPIVOT (value FOR name IN (stable_rank, effective_rank, participation_ratio))
ORDER BY series, step""")
    looks = {
        "effective_rank": Series("effective rank", SERIES[0]), "stable_rank": Series("stable rank", SERIES[1]),
        "participation_ratio": Series("participation ratio", SERIES[2]),
    }  # fmt: skip
    about = f"Of at most {min(matrix.shape):,} directions. Definitions: docs/analyses.md."
    derived.lines(page.view, "ranks", answer, looks, y_title="rank", about=about, marks=step_marks(page))


def tail(page: Page, matrix: Matrix) -> None:
    """The exponent of the tail of the eigenvalues, over training."""
    panel.title("Heavy tail (alpha) over training")
    answer = page.reader.ask(f"""SELECT step, 'alpha' AS series, alpha AS value, alpha_ks, alpha_n, note
{rows_of(page, matrix)} ORDER BY step""")
    notes = {row["note"] for row in answer.table.to_pylist() if row["value"] is None}
    if notes and not any(row["value"] is not None for row in answer.table.to_pylist()):
        panel.caption(f"No exponent: {next(iter(notes))}.")
        return
    about = "Power law fitted to the largest eigenvalues of WᵀW; the data has its Kolmogorov-Smirnov distance."
    derived.lines(page.view, "alpha", answer, {"alpha": Series("alpha", SERIES[5])}, y_title="alpha", about=about,
                         marks=step_marks(page))  # fmt: skip
