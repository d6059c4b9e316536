"""The panels of the Fourier page: which frequencies a network that adds modulo p computes with, and since when."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.analysis.fourier import SPECIALISED
from strobe.analysis.phases import DONE, FALL, LEARNED, Phases, phases
from strobe.charts import moment
from strobe.charts.curves import Series, Span
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, downloads, panel
from strobe.ui.panel.kinds import BarsPanel, presence
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell import address
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import count, number
from strobe.views.run_view import literal

FALLS: Final = {"0.8": "80%", "0.5": "50%", "0.2": "20%"}
"""Shares of the peak of the test loss at which cleanup can be said to begin."""
ENDS: Final = {"0.1": "10%", "0.01": "1%", "0.001": "0.1%"}
"""The same for its end."""
COLOURS: Final = {"memorization": SERIES[1], "circuit formation": SERIES[3], "cleanup": SERIES[2]}


def _power(page: Page, site: str) -> str:
    return f"""SELECT frequency::VARCHAR AS row, step, sqrt(sum(value * value)) AS value
FROM fourier WHERE run = {literal(page.run)} AND site = {literal(site)} AND frequency > 0
GROUP BY frequency, step ORDER BY frequency, step"""


def keys(page: Page) -> list[int]:
    """The key frequencies: those of specialised neurons of the last analysed snapshot."""
    rows = page.reader.rows(f"""SELECT DISTINCT frequency FROM neurons
WHERE run = {literal(page.run)} AND share >= {SPECIALISED}
  AND step = (SELECT max(step) FROM neurons WHERE run = {literal(page.run)})
ORDER BY frequency""")
    return [row["frequency"] for row in rows]


def story(page: Page) -> None:
    """The end of the run in one sentence of numbers."""
    neurons = page.reader.rows(f"""SELECT count(*) AS n, count(*) FILTER (share >= {SPECIALISED}) AS special
FROM neurons WHERE run = {literal(page.run)}
  AND step = (SELECT max(step) FROM neurons WHERE run = {literal(page.run)})""")[0]
    losses = {
        (row["measure"], row["split"]): row["value"]
        for row in page.reader.rows(f"""SELECT measure, split, value FROM progress
WHERE run = {literal(page.run)} AND frequency IS NULL
  AND step = (SELECT max(step) FROM progress WHERE run = {literal(page.run)})""")
    }
    found = keys(page)
    parts = [
        f"{count(neurons['special'])} of {count(neurons['n'])} neurons specialise (share at least {SPECIALISED})"
    ]
    name = "frequency" if len(found) == 1 else "frequencies"
    parts[0] += f" on {len(found)} key {name}: {', '.join(map(str, found))}." if found else "; no key frequency."
    if found:
        parts.append(
            f"With those alone the loss is {number(losses.get(('restricted_loss', 'all')))} nats "
            f"(all of the model: {number(losses.get(('full_loss', 'all')))}); without them it is "
            f"{number(losses.get(('excluded_loss', 'train')))} on the training set."
        )
    panel.say(" ".join(parts))


def spectrum(page: Page) -> None:
    """The embedding's norm at each frequency and step."""
    panel.title("Embedding: frequency by step")
    answer = page.reader.ask(_power(page, "embedding"))
    rows = [str(k) for k in sorted({int(name) for name in answer.table["row"].to_pylist()})]
    about = "Norm of the sine and cosine components of the token embedding, log scale."
    derived.grid(page.view, "fourier_grid", answer, rows, quantity="norm", row_height=max(7, 400 // len(rows)),
                        about=about)  # fmt: skip


def at_cursor(page: Page) -> None:
    """The same as bars, for the snapshot under the cursor; key frequencies are coloured."""
    panel.title("Frequencies of the embedding at the cursor")
    answer = page.reader.ask(_power(page, "embedding"))
    steps = np.unique(answer.table["step"].to_numpy())
    values = answer.table["value"].cast("float32").to_numpy().reshape(-1, len(steps)).T
    found = keys(page)
    labels = [str(k + 1) for k in range(values.shape[1])]
    header = BarsPanel(
        subject=f"bars {page.run}", run=page.run, steps=steps.tolist(), labels=labels,
        marked=[k - 1 for k in found], height=250, colour=SERIES[2], what="frequency", quantity="norm",
        presence=presence(page.view, lack="not analysed"),
        alt=f"Norm of {values.shape[1]} frequencies of the embedding at the step of the cursor",
    )  # fmt: skip
    panel.show(f"fourier_bars{page.suffix}", header, {"values": np.ascontiguousarray(values)})
    downloads.draw(
        page, f"fourier_bars{page.suffix}", "Green: the key frequencies." if found else "No key frequency.",
        steps.tolist(), answer.sql,
        lambda at: pa.table({"frequency": np.arange(1, values.shape[1] + 1), "norm": values[at].astype(float)}),
        lambda at: moment.bars(labels, values[at], x_title="frequency", y_title="norm of the embedding"),
    )  # fmt: skip


def losses(page: Page) -> None:
    """Full, restricted and excluded loss over training, with the phases that they tell."""
    with panel.head("fourier_losses"):
        panel.title("Loss with and without the key frequencies")
        _rule()
    answer = page.reader.ask(f"""SELECT measure || coalesce(' ' || split, '') AS series, step, value
FROM progress WHERE run = {literal(page.run)} AND frequency IS NULL
  AND (measure, split) IN (('full_loss', 'train'), ('full_loss', 'val'), ('restricted_loss', 'all'),
                           ('excluded_loss', 'train'))
ORDER BY series, step""")
    looks = {
        "full_loss val": Series("test", SERIES[0]), "full_loss train": Series("train", SERIES[1]),
        "restricted_loss all": Series("restricted (key frequencies alone)", SERIES[2]),
        "excluded_loss train": Series("excluded (without them, train)", SERIES[5]),
    }  # fmt: skip
    found = _phases(page)
    words = ", ".join(f"{phase.name} to step {phase.end:,}" for phase in found.found)
    if not keys(page):
        about = "No key frequency, so there is no restricted and no excluded loss, and there are no phases."
    else:
        about = "The key frequencies are those of the last snapshot, at every step. "
        about += f"{words[0].upper()}{words[1:]}." if words else f"No phases: {found.reason}."
    derived.lines(
        page.view, "fourier_losses", answer, looks, y_title="loss (nats)", log=True, height=270,
        marks=step_marks(page), about=about, spans=spans(page),
    )  # fmt: skip


def _rule() -> None:
    """The rules of the phases, with the two thresholds that can be chosen."""
    fall, done = str(FALL), str(DONE)
    address.offer("fall", list(FALLS), fall)
    address.offer("done", list(ENDS), done)
    with st.popover("Phases", type="tertiary", key="phases"):
        panel.caption(
            "Memorization ends at the least excluded loss before the test loss has fallen, where the train loss has "
            f"fallen to {LEARNED:.0%} of its first value. Circuit formation: the excluded loss rises and the "
            "restricted one falls while the test loss stays high. Cleanup begins and ends at these shares of the "
            "test loss's peak. Drawn by eye in the literature; these rules are ours."
        )
        st.segmented_control("Cleanup begins at", list(FALLS), key="fall", required=True, persist_state="session",
                             format_func=lambda share: FALLS[share])  # fmt: skip
        st.segmented_control("Cleanup ends at", list(ENDS), key="done", required=True, persist_state="session",
                             format_func=lambda share: ENDS[share])  # fmt: skip
    address.remember("fall", st.session_state["fall"], fall)
    address.remember("done", st.session_state["done"], done)


def _phases(page: Page) -> Phases:
    table = page.reader.ask(f"""SELECT step,
  max(value) FILTER (measure = 'full_loss' AND split = 'train') AS train,
  max(value) FILTER (measure = 'full_loss' AND split = 'val') AS test,
  max(value) FILTER (measure = 'excluded_loss' AND frequency IS NULL) AS excluded,
  max(value) FILTER (measure = 'restricted_loss' AND split = 'all') AS restricted
FROM progress WHERE run = {literal(page.run)} GROUP BY step ORDER BY step""").table
    columns = [table[name].cast("float64").to_numpy() for name in ("step", "train", "test", "excluded", "restricted")]
    fall, done = (float(st.session_state.get(key, default)) for key, default in (("fall", FALL), ("done", DONE)))
    return phases(*columns, fall=fall, done=done)


def spans(page: Page) -> list[Span]:
    """The phases of the run, to be shaded on its charts over training."""
    return [Span(phase.start, phase.end, phase.name, COLOURS[phase.name]) for phase in _phases(page).found]


def gini(page: Page) -> None:
    """How unequal the embeddings' components are."""
    panel.title("Sparsity in frequency (Gini)")
    answer = page.reader.ask(f"""SELECT measure AS series, step, value FROM progress
WHERE run = {literal(page.run)} AND measure LIKE 'gini%' ORDER BY series, step""")
    looks = {"gini_embedding": Series("embedding", SERIES[0]), "gini_unembedding": Series("unembedding", SERIES[5])}
    about = "0: all components alike; near 1: a few hold everything."
    derived.lines(page.view, "fourier_gini", answer, looks, y_title="Gini", share=True, about=about,
                         marks=step_marks(page), spans=spans(page))  # fmt: skip


def clusters(page: Page) -> None:
    """How many neurons belong to each key frequency, over training."""
    with panel.head("fourier_clusters"):
        panel.title("Specialised neurons by frequency")
    found = keys(page)
    answer = page.reader.ask(f"""SELECT n.frequency::VARCHAR AS series, step,
  count(*) FILTER (share >= {SPECIALISED}) AS value
FROM neurons n WHERE run = {literal(page.run)} AND frequency IS NOT NULL
GROUP BY ALL ORDER BY series, step""")
    looks = {str(k): Series(f"frequency {k}", SERIES[i % len(SERIES)]) for i, k in enumerate(found)}
    if not found:
        panel.caption(f"No neuron has a share of {SPECIALISED} in the last snapshot.")
        return
    derived.lines(
        page.view, "fourier_clusters", answer, looks, y_title="neurons", marks=step_marks(page), spans=spans(page),
        about=f"Neurons whose best frequency holds at least {SPECIALISED} of their variance.",
    )  # fmt: skip
