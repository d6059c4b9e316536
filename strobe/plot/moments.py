"""Figures of one moment: attention, embedding, a weight matrix, its singular values, the embedding's frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.errors import StrobeError
from etl.run.roles import LLMC_ROLES
from strobe.charts import moment
from strobe.charts.curves import Curves, Series
from strobe.charts.theme import TEST
from strobe.plot.request import Request
from strobe.views.attention import rooted, weights_at
from strobe.views.binning import bin_words
from strobe.views.embedding import token_embedding, why_none
from strobe.views.embedding_axes import on_axes_of
from strobe.views.matrices import WeightMatrix, default_matrix, first_with_role, matrices, matrices_in, read_matrix
from strobe.views.matrix_names import asked
from strobe.views.missing import why_missing
from strobe.views.run_view import RunView
from strobe.views.sorted_values import MOST_POINTS, sorted_values
from strobe.views.spectrum import AnalysedMatrix, analysed_matrices, stored_at
from strobe.views.tokens import colour_words
from strobe.views.weights import picture

if TYPE_CHECKING:
    from etl.run.snapshot import Snapshot

Array = np.ndarray[Any, Any]


def attention(request: Request) -> moment.Attention:
    """Attention weights of every head, means over the probe sequences."""
    step = request.snapshot().step
    weights = weights_at(request.view(), step)
    return moment.Attention(
        weights.seen.astype(np.float64), weights.labels, weights.queries, rooted(len(weights.labels)),
        caption="Mean over the probe sequences; rows attend to columns.",
    )  # fmt: skip


def embedding(request: Request) -> moment.Points:
    """Token embeddings on the two principal axes of the last snapshot."""
    snapshot, view = request.snapshot(), request.view()
    shown = token_embedding(view)
    if shown is None:
        raise StrobeError(why_none(view, "token embedding"))
    try:
        points = on_axes_of(shown, view.steps[-1], snapshot.step)
    except ValueError as error:
        raise StrobeError(f"its embedding has no axes: {error}") from None
    reach = float(np.nanmax(np.abs(points), initial=0)) * 1.05 or 1.0
    colours = colour_words(shown.rows.modulus, 1)
    about = f"Axes of the last snapshot. Colour: {colours}. {shown.rows.left_out}".rstrip()
    return moment.Points(
        points, shown.rows.labels, reach, "first principal axis", "second principal axis", caption=about
    )  # fmt: skip


def weights(request: Request) -> moment.Matrix | Curves:
    """One weight matrix (--tensor, --layer), large ones as means of bins; a vector as its values in their order."""
    snapshot = request.snapshot()
    matrix = _asked_matrix(request, snapshot)
    values = read_matrix(snapshot, matrix)
    if matrix.vector:
        return _vector(matrix, values)
    drawn = picture(values)
    if drawn.empty:
        raise StrobeError(f"every weight of {matrix.label} is 0 or not finite")
    about = f"{matrix.label}. {matrix.shape_words} {bin_words(drawn.bins)}".strip()
    return moment.Matrix(drawn.cells, drawn.reach, f"{matrix.label}, weight", matrix.dims, drawn.bins, caption=about)


def _vector(matrix: WeightMatrix, values: Array) -> Curves:
    shown = sorted_values(values, MOST_POINTS)
    if not len(shown.values):
        raise StrobeError(f"no value of {matrix.label} is finite")
    line = (Series(matrix.label, TEST), shown.places.astype(np.float64), shown.values)
    caption = f"{matrix.label}. {shown.words}"
    return Curves([line], "number, from the greatest", "value", False, caption=caption)


def _asked_matrix(request: Request, snapshot: Snapshot) -> WeightMatrix:
    """The matrix that --tensor and --layer name. Raises StrobeError where the snapshot has none such."""
    among = matrices_in([snapshot.spec(name) for name in snapshot.names])
    if request.tensor and among:
        return asked(among, request.tensor, request.layer)
    first = first_with_role(among, "mlp_in", "qkv", "token_embedding") or default_matrix(among)
    if first is None:
        raise StrobeError(why_missing(request.view(), "weight matrix", "params"))
    return asked(among, first.tensor, request.layer)


def spectrum(request: Request) -> Curves:
    """Singular values of one weight matrix (--tensor, --layer), greatest first, on a log axis."""
    view = request.view()
    matrix = _analysed_matrix(request, view)
    stored = stored_at(view, matrix, request.step)
    if stored is None:
        raise request.nothing_derived("spectra")
    values = stored.values
    place = np.arange(1, len(values) + 1, dtype=np.float64)[values > 0]
    line = (Series(matrix.label, TEST), place, values[values > 0])
    caption = f"{matrix.label}: {len(values):,} singular values at step {stored.step:,}."
    return Curves([line], "number, from the greatest", "singular value", True, caption=caption)


def _analysed_matrix(request: Request, view: RunView) -> AnalysedMatrix:
    """The matrix that is meant, of those that have spectra. Raises StrobeError where this one has none."""
    among = analysed_matrices(view)
    if not among:
        raise request.nothing_derived("spectra")
    tensor = request.tensor or _first_analysed(view, among)
    return asked(among, tensor, request.layer, lack="there are no singular values of {}")


def _first_analysed(view: RunView, among: Sequence[AnalysedMatrix]) -> str:
    """The tensor that is drawn where none is named: what goes into the MLP, by the manifest where that is on this
    machine, else by its usual name, else the first."""
    first, names = first_with_role(matrices(view), "mlp_in"), [each.tensor for each in among]
    usual = [name for name, role in LLMC_ROLES.items() if role == "mlp_in"]
    wanted = [*([first.tensor] if first is not None else []), *usual]
    return next((name for name in wanted if name in names), names[0])


def frequencies(request: Request) -> moment.Bars:
    """The norm of each frequency of the embedding."""
    rows = request.found(
        "fourier",
        """SELECT frequency, sqrt(sum(value * value)) AS value FROM fourier WHERE run = $1 AND site = 'embedding'
AND frequency > 0 AND step = (SELECT max(step) FROM fourier WHERE run = $1 AND ($2 IS NULL OR step <= $2))
GROUP BY frequency ORDER BY frequency""",
        request.step,
    )
    names = [str(k) for k in rows["frequency"].to_pylist()]
    made = moment.bars(names, rows["value"].to_pylist(), x_title="frequency", y_title="norm")
    return replace(made, caption="Norms of the embedding's sines and cosines over the model dimension.")
