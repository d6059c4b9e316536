"""The singular values of a matrix and what is read off them: stored ones, and those of one step computed now."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from etl.errors import StrobeError
from etl.run.snapshot import Snapshot
from strobe.analysis.spectrum import SingularValues, singular_values, why_none
from strobe.analysis.unfolding import APART
from strobe.views.matrices import WeightMatrix, read_matrix
from strobe.views.matrix_names import MatrixName
from strobe.views.run_view import Answer, RunView, literal

MOST_VALUES: Final = 512
"""Singular values that a panel shows; of more, the largest."""
_PER_OPERATION: Final = 1.2e-11
"""Seconds; the Gram matrix of (m, n), m <= n, takes 2 m^2 n operations and its eigenvalues about as long again."""

Array = np.ndarray[Any, Any]


def rows_of(view: RunView, matrix: MatrixName) -> str:
    """The clauses FROM and WHERE of the spectra of a matrix."""
    layer = "IS NULL" if matrix.layer is None else f"= {matrix.layer}"
    part = f"part = {literal(matrix.part[0])} AND head = {matrix.part[1]}" if matrix.part else _WHOLE
    return f"""FROM spectra WHERE run = {literal(view.run)} AND tensor = {literal(matrix.tensor)}
  AND layer {layer} AND {part}"""


_WHOLE: Final = "part = 'whole' AND head IS NULL"


def analysed(view: RunView, matrix: WeightMatrix) -> bool:
    """Whether the tables have spectra of this matrix."""
    return bool(view.rows(f"SELECT count(*) AS n {rows_of(view, matrix)}")[0]["n"])


@dataclass(frozen=True)
class SpectrumFrames:
    """`values` float32 (steps, n): the largest n of `total` singular values, descending. Where there are none,
    `steps` is empty and `reason` says why."""

    steps: list[int]
    values: Array
    total: int
    sql: str
    reason: str = ""
    in_tables: bool = False
    """Whether the tables have all of them."""
    edges: Array | None = None
    """float32 (steps,): the edge of random entries at each, NaN where it has none; None where it was not computed."""

    @property
    def left_out(self) -> str:
        """Which of them these are, as a sentence."""
        if self.total > MOST_VALUES:
            return f"The largest {MOST_VALUES} of {self.total:,}{'; the files have all' if self.in_tables else ''}."
        return f"All {self.total:,}, largest first."

    def every(self, view: RunView, matrix: WeightMatrix, index: int) -> Array:
        """float32: the singular values of one frame, all of them where the tables have them."""
        if self.in_tables and self.total > MOST_VALUES:
            stored = stored_at(view, matrix, self.steps[index])
            if stored is not None:
                return stored.values.astype(np.float32)
        return np.asarray(self.values[index])


def stored(view: RunView, matrix: WeightMatrix) -> SpectrumFrames:
    """The singular values in the tables, of all steps."""
    answer = view.tables.ask(f"""SELECT step, singular_values[:{MOST_VALUES}] AS singular_values, random_edge
{rows_of(view, matrix)} AND singular_values IS NOT NULL ORDER BY step""")
    total = min(matrix.shape)
    if not answer.table.num_rows:
        reason = (
            "No singular values: at every snapshot a weight is not finite, or a value is beyond the range of float64."
        )
        return SpectrumFrames([], np.zeros((0, 0), np.float32), total, answer.sql, reason)
    values = np.stack([np.asarray(row, np.float32) for row in answer.table["singular_values"].to_pylist()])
    edges = answer.table["random_edge"].cast("float64").to_numpy(zero_copy_only=False).astype(np.float32)
    return SpectrumFrames(answer.table["step"].to_pylist(), values, total, answer.sql, in_tables=True, edges=edges)


@dataclass(frozen=True)
class StoredSpectrum:
    """All singular values of one matrix at one step: `values` float64, descending."""

    step: int
    values: Array


def stored_at(view: RunView, matrix: MatrixName, step: int | None) -> StoredSpectrum | None:
    """The singular values in the tables at `step` or the last analysed one before it, or at the last of all; None
    where there are none."""
    until = "" if step is None else f" AND step <= {step}"
    rows = view.rows(f"""SELECT step, singular_values
{rows_of(view, matrix)} AND singular_values IS NOT NULL{until} ORDER BY step DESC LIMIT 1""")
    return StoredSpectrum(rows[0]["step"], np.asarray(rows[0]["singular_values"], np.float64)) if rows else None


@dataclass(frozen=True)
class AnalysedMatrix(MatrixName):
    """A matrix that has spectra in the tables, by the name that it has there."""

    name: str
    layer: int | None
    part: tuple[str, int] | None = None
    group: str = ""


def analysed_matrices(view: RunView) -> list[AnalysedMatrix]:
    """The matrices that have spectra in the tables."""
    parts = ", ".join(map(literal, APART))
    rows = view.rows(f"""SELECT DISTINCT tensor, layer, part, head FROM spectra
WHERE run = {literal(view.run)} AND ({_WHOLE} OR part IN ({parts})) ORDER BY tensor, layer, head""")
    return [
        AnalysedMatrix(row["tensor"], row["layer"], None if row["head"] is None else (row["part"], row["head"]))
        for row in rows
    ]


def over_training(view: RunView, matrix: WeightMatrix, numbers: Sequence[int]) -> Answer:
    """step, series ("s1"), value: some singular values, numbered from 1, by step; then "edge", the `random_edge`."""
    rows = rows_of(view, matrix)
    return view.tables.ask(f"""SELECT step, coalesce('s' || n, 'edge') AS series, value
FROM (SELECT step, n, singular_values[n] AS value
      FROM (SELECT step, singular_values, unnest([{", ".join(map(str, numbers))}]) AS n {rows})
      UNION ALL SELECT step, NULL AS n, random_edge AS value {rows} AND random_edge IS NOT NULL)
ORDER BY n NULLS LAST, step""")


def ranks(view: RunView, matrix: WeightMatrix) -> Answer:
    """step, series (stable_rank, effective_rank, participation_ratio), value, NULL where it is not defined."""
    return view.tables.ask(f"""SELECT step, name AS series, value
FROM (SELECT step, stable_rank, effective_rank, participation_ratio {rows_of(view, matrix)})
UNPIVOT INCLUDE NULLS (value FOR name IN (stable_rank, effective_rank, participation_ratio))
ORDER BY series, step""")


def seconds(matrix: WeightMatrix) -> float:
    """About what the singular values of one step cost here."""
    short, long = sorted(matrix.shape)
    return 2e-3 + _PER_OPERATION * 2 * short**2 * long


@dataclass(frozen=True)
class ComputedSpectrum:
    """The singular values of one step as they were computed: `values` float32, the largest first, at most
    MOST_VALUES; or None, and `reason` says why."""

    step: int
    values: Array | None
    method: str = ""
    """In words: an SVD or the Gram matrix."""
    seconds: float = 0.0
    largest_off: float = 0.0
    """At most, of itself."""
    smallest_off: float = 0.0
    """At most, in the unit of the weights."""
    reason: str = ""


def computed(view: RunView, matrix: WeightMatrix, step: int) -> ComputedSpectrum:
    """The singular values at a step that has a snapshot, computed now."""
    snapshots, started = view.snapshots(), time.perf_counter()
    if snapshots is None:
        return ComputedSpectrum(step, None, reason="The snapshots of this run are not on this machine.")
    try:
        made = _of(snapshots.sound(snapshots.current()[step]), matrix)
    except (StrobeError, OSError, KeyError):
        reason = f"The snapshot of step {step:,} cannot be read: `strobe verify` says why."
        return ComputedSpectrum(step, None, reason=reason)
    if why := why_none(made.values):
        reason = f"{why[0].upper()}{why[1:]} at step {step:,}, so there are no singular values."
        return ComputedSpectrum(step, None, reason=reason)
    largest = float(made.error[0] / made.values[0]) if made.values[0] else 0.0
    return ComputedSpectrum(
        step, made.values[:MOST_VALUES].astype(np.float32),
        "the Gram matrix in float64" if made.method == "gram" else "an SVD in float64",
        time.perf_counter() - started, largest, float(made.error[-1]),
    )  # fmt: skip


def of_computed(matrix: WeightMatrix, kept: Mapping[int, ComputedSpectrum]) -> SpectrumFrames:
    """What was computed so far, by step."""
    values = {step: made.values for step, made in sorted(kept.items()) if made.values is not None}
    sql = f"-- computed from the snapshot under the cursor: params/{matrix.name}"
    if not values:
        return SpectrumFrames([], np.zeros((0, 0), np.float32), min(matrix.shape), sql, "Nothing is computed yet.")
    return SpectrumFrames(list(values), np.stack(list(values.values())), min(matrix.shape), sql)


def _of(snapshot: Snapshot, matrix: WeightMatrix) -> SingularValues:
    return singular_values(read_matrix(snapshot, matrix))
