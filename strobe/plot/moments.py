"""Figures of one moment: attention, embedding, a weight matrix, its singular values, the embedding's frequencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from etl.errors import StrobeError
from etl.run.roles import LLMC_ROLES
from strobe.charts import moment
from strobe.charts.curves import Curves, Series
from strobe.charts.theme import TEST
from strobe.plot.request import Request
from strobe.views.attention import rooted, weights_at
from strobe.views.binning import bin_words
from strobe.views.embedding import token_embedding
from strobe.views.embedding_axes import on_axes_of
from strobe.views.run_view import RunView
from strobe.views.spectrum import analysed_layers, stored_at
from strobe.views.weights import (
    WeightMatrix,
    first_with_role,
    matrices,
    matrices_in,
    matrix_of,
    picture,
    read_matrix,
)

if TYPE_CHECKING:
    from etl.run.snapshot import Snapshot


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
        raise StrobeError("its snapshots have no params/wte")
    try:
        points = on_axes_of(shown, view.steps[-1], snapshot.step)
    except ValueError as error:
        raise StrobeError(f"its embedding has no axes: {error}") from None
    reach = float(np.nanmax(np.abs(points), initial=0)) * 1.05 or 1.0
    about = f"Axes of the last snapshot. Colour: residue, cyclic. {shown.rows.left_out}".rstrip()
    return moment.Points(
        points, shown.rows.labels, reach, "first principal axis", "second principal axis", caption=about
    )  # fmt: skip


def weights(request: Request) -> moment.Matrix:
    """One weight matrix (--tensor, --layer), large ones as means of bins."""
    snapshot = request.snapshot()
    matrix = _asked_matrix(request, snapshot)
    drawn = picture(read_matrix(snapshot, matrix))
    if drawn.empty:
        raise StrobeError(f"every weight of {matrix.name} is 0 or not finite")
    rows, columns = matrix.shape
    about = f"{matrix.label}, {rows:,} × {columns:,}. {bin_words(drawn.bins)}".strip()
    return moment.Matrix(drawn.cells, drawn.reach, f"{matrix.label}, weight", matrix.dims, drawn.bins, caption=about)


def _asked_matrix(request: Request, snapshot: Snapshot) -> WeightMatrix:
    """The matrix that --tensor and --layer name. Raises StrobeError where the snapshot has none such."""
    name = f"params/{request.tensor}" if request.tensor else _first_matrix(snapshot)
    if name not in snapshot:
        raise StrobeError(f"its snapshots have no {name}")
    entry, tensor = snapshot.spec(name), name.partition("/")[2]
    shape = tuple(entry["shape"])
    if len(shape) not in (2, 3) or (len(shape) == 3 and request.layer >= shape[0]):
        raise StrobeError(f"{tensor} has shape {shape}: it has no matrix of layer {request.layer}")
    if len(shape) == 2:
        _no_layer(tensor, request.layer)
    return matrix_of(entry, request.layer if len(shape) == 3 else None)


def _no_layer(name: str, layer: int) -> None:
    """Raises StrobeError for a layer other than the 0 that stands for none."""
    if layer:
        raise StrobeError(f"{name} has no layers, so no layer {layer}; leave --layer out")


def _first_matrix(snapshot: Snapshot) -> str:
    """The tensor whose matrix is drawn where none is named: by what it is."""
    entries = [snapshot.spec(name) for name in snapshot.names]
    first = first_with_role(matrices_in(entries), "mlp_in", "qkv", "token_embedding")
    if first is None:
        names = [name.partition("/")[2] for name in snapshot.names if name.startswith("params/")]
        raise StrobeError("name the matrix with --tensor; there are " + (", ".join(names[:12]) or "no parameters"))
    return f"params/{first.name}"


def spectrum(request: Request) -> Curves:
    """Singular values of one weight matrix (--tensor, --layer), greatest first, on a log axis."""
    view = request.view()
    layers = analysed_layers(view)
    tensor = request.tensor or _first_analysed(view, layers)
    layer = _asked_layer(request, tensor, layers)
    stored = stored_at(view, tensor, layer, request.step)
    if stored is None:
        raise request.nothing_derived("spectra")
    values = stored.values
    place = np.arange(1, len(values) + 1, dtype=np.float64)[values > 0]
    label = tensor if layer is None else f"{tensor}.{layer}"
    line = (Series(label, TEST), place, values[values > 0])
    caption = f"{label}: {len(values):,} singular values at step {stored.step:,}."
    return Curves([line], "number, from the greatest", "singular value", True, caption=caption)


def _first_analysed(view: RunView, layers: Mapping[str, object]) -> str:
    """The tensor that is drawn where none is named: what goes into the MLP, by the manifest where that is on this
    machine, else by its usual name."""
    first = first_with_role(matrices(view), "mlp_in")
    usual = [name for name, role in LLMC_ROLES.items() if role == "mlp_in"]
    return first.name if first is not None else next((name for name in usual if name in layers), usual[0])


def _asked_layer(request: Request, tensor: str, analysed: Mapping[str, Sequence[int | None]]) -> int | None:
    """The layer of the tensor, None where it has none. Raises StrobeError where spectra are stored, but none of this
    matrix."""
    layers = analysed.get(tensor, [])
    if analysed and not layers:
        names = ", ".join(sorted(analysed)[:12])
        raise StrobeError(f"there are no singular values of {tensor!r:.60}; there are those of {names}")
    if None in layers:
        _no_layer(tensor, request.layer)
        return None
    if layers and request.layer not in layers:
        raise StrobeError(f"{tensor} has {len(layers)} layers; --layer counts from 0")
    return request.layer


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
