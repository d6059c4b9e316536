"""Figures of one moment: attention, embedding, a weight matrix, its singular values, the embedding's frequencies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from etl.errors import StrobeError
from strobe.charts import moment
from strobe.charts.binning import bin_words, binned
from strobe.charts.curves import Curves, Series
from strobe.charts.theme import TEST
from strobe.plot.request import Request
from strobe.views.embedding import token_embedding
from strobe.views.embedding_axes import on_axes_of
from strobe.views.tokens import position_names


def attention(request: Request) -> moment.Attention:
    """Attention weights of every head, means over the probe sequences."""
    snapshot = request.snapshot()
    weights = np.asarray(request.values(snapshot, "attention/att"), np.float64).mean(axis=1)
    length = weights.shape[-1]
    weights[..., np.triu(np.ones((length, length), bool), 1)] = np.nan
    names = position_names(_task(request), length)
    return moment.Attention(weights, names, caption="Mean over the probe sequences; rows attend to columns.")


def _task(request: Request) -> dict[str, object]:
    from etl.run.folder import Run

    folder = request.store.run(request.run).folder
    return dict(Run(folder).manifest.task) if folder is not None else {}


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
    name = request.tensor or _first_matrix(snapshot.names)
    stored = np.asarray(request.values(snapshot, f"params/{name}"), np.float32)
    if stored.ndim not in (2, 3) or (stored.ndim == 3 and request.layer >= len(stored)):
        raise StrobeError(f"{name} has shape {stored.shape}: it has no matrix of layer {request.layer}")
    if stored.ndim == 2:
        _no_layer(name, request.layer)
    whole = stored[request.layer] if stored.ndim == 3 else stored
    cells, bins = binned(whole)
    finite = np.abs(cells[np.isfinite(cells)])
    reach = float(np.quantile(finite, 0.999)) if finite.size else 0.0
    if reach == 0:
        raise StrobeError(f"every weight of {name} is 0 or not finite")
    dims = [str(dim) for dim in snapshot.spec(f"params/{name}")["dims"][-2:]]
    label = f"{name}.{request.layer}" if stored.ndim == 3 else name
    about = f"{label}, {whole.shape[0]:,} × {whole.shape[1]:,}. {bin_words(bins)}".strip()
    return moment.Matrix(cells, reach, f"{label}, weight", (dims[0], dims[1]), bins, caption=about)


def _no_layer(name: str, layer: int) -> None:
    """Raises StrobeError for a layer other than the 0 that stands for none."""
    if layer:
        raise StrobeError(f"{name} has no layers, so no layer {layer}; leave --layer out")


def _first_matrix(names: list[str]) -> str:
    there = [name.partition("/")[2] for name in names if name.startswith("params/")]
    known = next((name for name in ("fcw", "qkvw", "wte") if name in there), None)
    if known is None:
        raise StrobeError("name the matrix with --tensor; there are " + (", ".join(there[:12]) or "no parameters"))
    return known


def _asked_for(request: Request, tensor: str) -> None:
    """Raises StrobeError where spectra are stored, but none of this matrix."""
    there = request.rows("SELECT DISTINCT tensor, layer FROM spectra WHERE run = $1 AND part = 'whole'").to_pylist()
    layers = [row["layer"] for row in there if row["tensor"] == tensor]
    if there and not layers:
        names = ", ".join(sorted({row["tensor"] for row in there})[:12])
        raise StrobeError(f"there are no singular values of {tensor!r:.60}; there are those of {names}")
    if layers == [None]:
        _no_layer(tensor, request.layer)
    elif layers and request.layer not in layers:
        raise StrobeError(f"{tensor} has {len(layers)} layers; --layer counts from 0")


def spectrum(request: Request) -> Curves:
    """Singular values of one weight matrix (--tensor, --layer), greatest first, on a log axis."""
    tensor = request.tensor or "fcw"
    _asked_for(request, tensor)
    rows = request.found(
        "spectra",
        """SELECT step, layer, singular_values FROM spectra WHERE run = $1 AND tensor = $2 AND part = 'whole'
AND head IS NULL AND coalesce(layer, $3) = $3 AND ($4 IS NULL OR step <= $4) ORDER BY step DESC LIMIT 1""",
        tensor, request.layer, request.step,
    )  # fmt: skip
    values = np.asarray(rows["singular_values"][0].as_py(), np.float64)
    place = np.arange(1, len(values) + 1, dtype=np.float64)[values > 0]
    label = tensor if rows["layer"][0].as_py() is None else f"{tensor}.{request.layer}"
    line = (Series(label, TEST), place, values[values > 0])
    caption = f"{label}: {len(values):,} singular values at step {rows['step'][0].as_py():,}."
    return Curves([line], "number, from the greatest", "singular value", True, caption=caption)


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
