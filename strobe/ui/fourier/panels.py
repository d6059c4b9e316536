"""The panels of the Fourier page: which frequencies a network that adds modulo p computes with, and since when."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.analysis.fourier import SPECIALISED
from strobe.analysis.phases import DONE, EARNED, EARNED_OF, FALL, LEARNED, LEAST, STEADY, Phases
from strobe.charts import moment
from strobe.charts.curves import Series, Span
from strobe.charts.theme import SERIES
from strobe.ui.panel import choice, derived, downloads, panel
from strobe.ui.panel.kinds import BarsPanel, presence
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell.words import inert
from strobe.views import fourier, loss_check
from strobe.views.narrow import narrow_all
from strobe.views.run_view import RunView

FALLS: Final = {"0.8": "80%", "0.5": "50%", "0.2": "20%"}
"""Shares of the peak of the test loss at which cleanup can be said to begin."""
ENDS: Final = {"0.1": "10%", "0.01": "1%", "0.001": "0.1%"}
"""The same for its end."""
COLOURS: Final = {"memorization": SERIES[1], "circuit formation": SERIES[3], "cleanup": SERIES[2]}


def story(view: RunView) -> None:
    """The end of the run in one sentence of numbers, and what speaks against them."""
    checked = loss_check.loss_check(view)
    if checked.fires:
        st.warning(inert(checked.sentence(), panel.MOST_WORDS))
    panel.say(fourier.end(view).sentence())
    if (said := checked.sentence()) and not checked.fires:
        panel.caption(said)


def spectrum(view: RunView) -> None:
    """The embedding's norm at each frequency and step."""
    panel.title("Embedding: frequency by step")
    answer = fourier.power(view)
    rows = [str(k) for k in sorted({int(name) for name in answer.table["row"].to_pylist()})]
    about = "Norm of the sine and cosine components of the token embedding, log scale."
    derived.grid(view, "fourier_grid", answer, rows, quantity="norm", row_height=max(7, 400 // len(rows)),
                        about=about)  # fmt: skip


def at_cursor(view: RunView, key: str = "fourier_bars") -> None:
    """The same as bars, for the snapshot under the cursor; key frequencies are coloured."""
    panel.title("Frequencies of the embedding at the cursor")
    answer = fourier.power(view)
    steps = np.unique(answer.table["step"].to_numpy())
    values = answer.table["value"].to_numpy().reshape(-1, len(steps)).T
    keys = fourier.key_frequencies(view)
    labels = [str(k + 1) for k in range(values.shape[1])]
    header = BarsPanel(
        subject=f"bars {view.run}", run=view.run, steps=steps.tolist(), labels=labels,
        marked=[k - 1 for k in keys], height=250, colour=SERIES[2], what="frequency", quantity="norm",
        presence=presence(view, lack="not analysed"),
        alt=f"Norm of {values.shape[1]} frequencies of the embedding at the step of the cursor",
    )  # fmt: skip
    panel.show(key, header, {"values": narrow_all(values)})
    downloads.offer(
        view, key, "Green: the key frequencies." if keys else "No key frequency.",
        steps.tolist(), answer.sql,
        lambda at: pa.table({"frequency": np.arange(1, values.shape[1] + 1), "norm": values[at]}),
        lambda at: moment.bars(labels, values[at], x_title="frequency", y_title="norm of the embedding"),
    )  # fmt: skip


def losses(view: RunView) -> None:
    """Full, restricted and excluded loss over training, with the phases that they tell."""
    with panel.head("fourier_losses"):
        panel.title("Loss with and without the key frequencies")
        _rule()
    answer = fourier.losses(view)
    looks = {
        "full_loss val": Series("test", SERIES[0]), "full_loss train": Series("train", SERIES[1]),
        "restricted_loss all": Series("restricted (key frequencies alone)", SERIES[2]),
        "excluded_loss train": Series("excluded (without them, train)", SERIES[5]),
        "full_loss all": Series("all inputs, over the residues", SERIES[0]),
        "model_loss all": Series("all inputs, over all classes", SERIES[1], dash=True),
    }  # fmt: skip
    grokking = _phases(view)
    words = ", ".join(f"{phase.name} to step {phase.end:,}" for phase in grokking.found)
    if not fourier.key_frequencies(view):
        about = "No key frequency, so there is no restricted and no excluded loss, and there are no phases."
    else:
        about = "The key frequencies are those of the last snapshot, at every step. "
        about += f"{words[0].upper()}{words[1:]}." if words else f"No phases: {_no_phases(view, grokking)}."
    if unknown := fourier.end(view).unknown:
        about += f" Over all inputs, for the losses of train and test are not known: {unknown}."
    checked = loss_check.loss_check(view)
    derived.lines(
        view, "fourier_losses", answer, looks, y_title="loss (nats)", log=True, height=270,
        marks=step_marks(view), about=_in_doubt(view, about), spans=spans(view), queries=[checked.sql],
    )  # fmt: skip


def _in_doubt(view: RunView, about: str) -> str:
    """A caption of progress measures, with a word of warning where the loss check disagrees."""
    return f"{loss_check.DOUBTFUL} {about}" if loss_check.loss_check(view).fires else about


def excluded_by_key(view: RunView) -> None:
    """The excluded loss of each key frequency alone, over training."""
    answer = fourier.excluded_by_key(view)
    if not answer.table.num_rows:
        return
    panel.title("Excluded loss of each key frequency")
    keys = [str(k) for k in sorted({int(name) for name in answer.table["row"].to_pylist()})]
    about = "Loss on the training set (nats) without that frequency alone, log scale: how much rests on it."
    if all(value is None for value in answer.table["value"].to_pylist()):
        panel.caption(f"Not known: {fourier.end(view).unknown}.")
        return
    derived.grid(view, "fourier_excluded", answer, keys, quantity="loss (nats)",
                 row_height=min(56, max(8, 180 // len(keys))), about=_in_doubt(view, about))  # fmt: skip


def _no_phases(view: RunView, grokking: Phases) -> str:
    return fourier.end(view).unknown or grokking.reason


def _rule() -> None:
    """The rules of the phases, with the two thresholds that can be chosen."""
    fall, done = str(FALL), str(DONE)
    with st.popover("Phases", type="tertiary", key="phases"):
        panel.caption(
            "Memorization ends at the least excluded loss before the test loss has fallen, where the train loss has "
            f"fallen to {LEARNED:.0%} of its first value. Circuit formation: the excluded loss rises and the "
            f"restricted one falls steadily (Kendall's tau of at least {STEADY}, over at least {LEAST} snapshots) "
            "while the test loss stays high. Cleanup begins and ends at these shares of the test loss's peak. Drawn "
            f"by eye in the literature; these rules are ours. With {FALL:.0%} and {DONE:.0%}, at most {EARNED:.0%} "
            f"of {EARNED_OF:,} sets of random losses of any kind that was tried earn phases."
        )
        choice.segmented("fall", "Cleanup begins at", list(FALLS), fall, words=FALLS, labelled=True)
        choice.segmented("done", "Cleanup ends at", list(ENDS), done, words=ENDS, labelled=True)


def _phases(view: RunView) -> Phases:
    fall, done = (float(st.session_state.get(key, default)) for key, default in (("fall", FALL), ("done", DONE)))
    return fourier.phases_of(view, fall, done)


def spans(view: RunView) -> list[Span]:
    """The phases of the run, to be shaded on its charts over training."""
    return [Span(phase.start, phase.end, phase.name, COLOURS[phase.name]) for phase in _phases(view).found]


def gini(view: RunView) -> None:
    """How unequal the components of the embeddings and of the neuron-logit map are."""
    panel.title("Sparsity in frequency (Gini)")
    answer = fourier.gini(view)
    looks = {
        "gini_embedding": Series("embedding", SERIES[0]), "gini_unembedding": Series("unembedding", SERIES[5]),
        "gini_neuron_logit": Series("neurons to logits (W_L)", SERIES[2]),
    }  # fmt: skip
    about = "0: all components alike; near 1: a few hold everything."
    derived.lines(view, "fourier_gini", answer, looks, y_title="Gini", share=True, about=about,
                         marks=step_marks(view), spans=spans(view))  # fmt: skip


def squared_weights(view: RunView) -> None:
    """The sum of the squares of every parameter."""
    panel.title("Sum of squared weights")
    answer = fourier.squared_weights(view)
    looks = {"sum_of_squared_weights": Series("all parameters", SERIES[1])}
    derived.lines(view, "fourier_squares", answer, looks, y_title="sum of squares",
                  about="Of every recorded parameter: what weight decay pulls on.",
                  marks=step_marks(view), spans=spans(view))  # fmt: skip


def clusters(view: RunView) -> None:
    """How many neurons belong to each key frequency, over training."""
    with panel.head("fourier_clusters"):
        panel.title("Specialised neurons by frequency")
    keys = fourier.key_frequencies(view)
    answer = fourier.clusters(view)
    looks = {str(k): Series(f"frequency {k}", SERIES[i % len(SERIES)]) for i, k in enumerate(keys)}
    if not keys:
        panel.caption(f"No neuron has a share of {SPECIALISED} in the last snapshot.")
        return
    derived.lines(
        view, "fourier_clusters", answer, looks, y_title="neurons", marks=step_marks(view), spans=spans(view),
        about=f"Neurons whose best frequency holds at least {SPECIALISED} of their variance.",
    )  # fmt: skip
