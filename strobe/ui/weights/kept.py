"""What was read of a run's matrices, kept by step and shared between visitors.

It is filled as pages ask, so that the settled step can be read and shown first and the others later; a page asks
`missing` which those are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from strobe.analysis.banding import BandProfile
from strobe.ui.shell.cache import cached_by_run, filled
from strobe.views import bands, histograms, sorted_values, weights
from strobe.views import matrices as every_matrix
from strobe.views.bands import BandProfiles
from strobe.views.histograms import Histograms
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import RunView
from strobe.views.sorted_values import SortedFrames, SortedValues
from strobe.views.weights import MatrixFrames, PackedPicture

_matrices = cached_by_run(every_matrix.matrices)


def matrices(view: RunView) -> list[WeightMatrix]:
    """Every weight matrix of the run; none where its snapshots are not on this machine."""
    # Asked each time, since a folder can go while the server runs.
    if view.tables.run(view.run).folder is None:
        return []
    every: list[WeightMatrix] = _matrices(view)
    return every


def layers(view: RunView, matrix: WeightMatrix) -> list[WeightMatrix]:
    """The same matrix in every layer."""
    return every_matrix.in_every_layer(matrices(view), matrix)


def pictures(view: RunView, matrix: WeightMatrix) -> dict[int, PackedPicture | None]:
    """Step -> what was read of the matrix, None where it cannot be; so are the two below."""
    kept: dict[int, PackedPicture | None] = filled("picture", view, matrix.name, matrix.layer, matrix.part)
    return kept


def shown_layers(view: RunView, matrix: WeightMatrix) -> list[WeightMatrix]:
    """The layers whose spread is drawn beside that of the matrix."""
    return histograms.shown(layers(view, matrix), matrix)


def spreads(view: RunView, matrix: WeightMatrix) -> dict[int, Any]:
    """Of all layers at once that are shown: where these are some, they depend on the matrix's own."""
    every, drawn = layers(view, matrix), shown_layers(view, matrix)
    own = None if len(drawn) == len(every) else matrix.layer
    kept: dict[int, Any] = filled("spread", view, matrix.tensor, own, matrix.part)
    return kept


def profiles(view: RunView, matrix: WeightMatrix) -> dict[int, BandProfile | None]:
    kept: dict[int, BandProfile | None] = filled("profile", view, matrix.name, matrix.layer, matrix.part)
    return kept


def ordered(view: RunView, vector: WeightMatrix) -> dict[int, SortedValues | None]:
    """Of a vector."""
    kept: dict[int, SortedValues | None] = filled("ordered", view, vector.name, vector.layer)
    return kept


def missing(kept: dict[int, Any], steps: Sequence[int]) -> list[int]:
    """Those of the steps that were not read yet."""
    return [step for step in steps if step not in kept]


def _fill(
    kept: dict[int, Any], steps: Sequence[int], read: Callable[[Sequence[int]], Iterator[tuple[int, Any]]]
) -> None:
    # One by one: what was read stays where a rerun interrupts the rest.
    kept.update(read(missing(kept, steps)))


def matrix_frames(view: RunView, matrix: WeightMatrix, steps: Sequence[int], least: float = 0.0) -> MatrixFrames:
    """The matrix at these steps, on one scale that ends at `least` or beyond; a snapshot that cannot be read costs
    its own frame."""
    kept = pictures(view, matrix)
    _fill(kept, steps, lambda lacking: weights.pictures(view, matrix, lacking))
    return weights.on_one_scale(matrix, kept, steps, least)


def sorted_frames(view: RunView, vector: WeightMatrix, steps: Sequence[int]) -> SortedFrames:
    """A vector's values in their order at these steps."""
    kept = ordered(view, vector)
    _fill(kept, steps, lambda lacking: sorted_values.read(view, vector, lacking))
    return sorted_values.frames(kept, steps)


def histogram_frames(view: RunView, matrix: WeightMatrix, steps: Sequence[int]) -> Histograms:
    """How the weights are spread at these steps, layer by layer."""
    every, kept = shown_layers(view, matrix), spreads(view, matrix)
    _fill(kept, steps, lambda lacking: histograms.spreads(view, every, lacking))
    return histograms.histograms(every, kept, steps)


def band_frames(view: RunView, matrix: WeightMatrix, steps: Sequence[int]) -> BandProfiles:
    """How far from the diagonal the weights lie at these steps."""
    kept = profiles(view, matrix)
    _fill(kept, steps, lambda lacking: bands.profiles(view, matrix, lacking))
    return bands.bands(kept, steps)
