"""The neurons over training: since when they keep their final frequency, and how coarse they are."""

from __future__ import annotations

from typing import Final

import streamlit as st

from strobe.analysis.fourier import SPECIALISED
from strobe.analysis.neurons import BLOB, PLAID
from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.ui.fourier.panels import spans
from strobe.ui.panel import derived, panel
from strobe.ui.panel.marks import step_marks
from strobe.views import neuron_history
from strobe.views.neuron_history import Coarseness
from strobe.views.run_view import RunView

_COMMITMENT: Final = {
    "specialised": Series("specialised", SERIES[4], dash=True), "committed": Series("committed", SERIES[2]),
}  # fmt: skip
_BLOB, _PLAID = f"blob ({BLOB} or more)", f"plaid (below {PLAID})"


def draw(view: RunView) -> None:
    """Both panels side by side; where the run was analysed before there were their tables, the way to fill them."""
    if derived.part_ready(view, neuron_history.TABLES, "Commitment and coarseness of neurons", "analyse_history"):
        left, right = st.columns(2, gap="medium")
        with left:
            commitment(view)
        with right:
            coarseness(view)


def commitment(view: RunView) -> None:
    """How many neurons are specialised at each step, and how many from it to the end."""
    panel.title("Neurons committed to their final frequency")
    history = neuron_history.commitment(view)
    rule = f"Committed: share at least {SPECIALISED}, on the final frequency, from there to the end."
    about = " ".join(filter(None, (history.sentence(), history.switch_words(), rule)))
    derived.lines(
        view, "fourier_commitment", neuron_history.committed(view), _COMMITMENT, y_title="neurons", about=about,
        marks=step_marks(view), spans=spans(view), queries=[history.answer.sql],
    )  # fmt: skip


def coarseness(view: RunView) -> None:
    """How many neurons of each layer are blobs and plaid."""
    panel.title("Coarseness of neurons")
    coarse = neuron_history.coarseness(view)
    if coarse.reason:
        panel.caption(coarse.reason)
        return
    about = f"{coarse.sentence()} {neuron_history.DEFINITION} {coarse.sampled}".rstrip()
    derived.lines(
        view, "fourier_coarseness", coarse.answer, _looks(coarse), y_title="share of neurons", share=True,
        about=about, marks=step_marks(view), spans=spans(view), queries=[coarse.over_layers.sql],
    )  # fmt: skip


def _looks(coarse: Coarseness) -> dict[str, Series]:
    """Of one layer a colour for the mean, blobs and plaid each; of several a colour a layer, without the mean."""
    if coarse.of == 1:
        layer = coarse.layers[0]
        return {
            f"mean {layer}": Series("mean coarseness", SERIES[0]), f"blob {layer}": Series(_BLOB, SERIES[1]),
            f"plaid {layer}": Series(_PLAID, SERIES[3]),
        }  # fmt: skip
    return {
        f"{name} {layer}": Series(f"layer {layer} {name}", SERIES[k], dash=dash)
        for k, layer in enumerate(coarse.layers)
        for name, dash in (("blob", False), ("plaid", True))
    }
