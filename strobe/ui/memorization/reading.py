"""One passage to be read: its text, its continuation at the cursor beside it, and its history."""

from __future__ import annotations

import re
from typing import Any, Final

import pyarrow as pa
import streamlit as st

from strobe.ui.panel import choice, panel
from strobe.ui.shell import cursor
from strobe.ui.shell.parts import follow_server
from strobe.ui.shell.words import escaped
from strobe.views import memorization
from strobe.views.memorization import Passage, Study
from strobe.views.run_view import RunView, index_at_or_before
from strobe.views.words import number

_MOST: Final = 4_000
_PIECES: Final = re.compile(r"[\w']+|[^\w\s]")


def draw(view: RunView, shown: Study) -> None:
    """The passage that is picked, at the epoch of the cursor."""
    follow_server()
    names = memorization.passage_names(shown)
    with panel.head("passage"):
        panel.title("Read a passage")
        picked = choice.select("passage", "Passage", list(names), words=names, width=360)
    found = memorization.passage(view, int(picked))
    if found is None:
        panel.caption("This passage is gone from the table.")
        return
    at = index_at_or_before(shown.steps, cursor.settled(view))
    early = cursor.settled(view) < shown.steps[0]
    row = found.at(shown.epochs[at])
    left, middle, right = st.columns(3, gap="medium")
    with left:
        panel.title("As it is", badge=found.split)
        st.html(f'<p class="st-text"><span>{escaped(row["prompt"], _MOST)}</span> {_text(row["target"])}</p>')
    with middle:
        told = f"epoch {row['epoch']}" + (", the first that was measured" if early else "")
        panel.title("As it is continued", badge=told)
        st.html(f'<p class="st-text"><span>…</span> {_compared(row)}</p>')
    with right:
        panel.title("Its history")
        _history(found)
    about = (
        f"Grey: what is given. Accuracy {number(row['accuracy'])} ({row['exact_matches']:,} of {row['tokens']:,} "
        f"positions), {row['edit_distance']:,} edits, perplexity {number(row['perplexity'])}. Underlined: in place."
    )
    panel.tools("passage", about, [found.answer.sql], lambda: found.answer.table, None)


def _text(words: str) -> str:
    return escaped(words, _MOST)


def _compared(row: dict[str, Any]) -> str:
    """The continuation, words in their place underlined where words are tokens."""
    made, target = _PIECES.findall(row["continuation"]), _PIECES.findall(row["target"])
    if len(made) != row["tokens"] or len(target) != row["tokens"]:
        return _text(row["continuation"])
    parts = [
        f"{'' if piece in '.,' else ' '}<u>{escaped(piece)}</u>" if piece == other
        else f"{'' if piece in '.,' else ' '}{escaped(piece)}"
        for piece, other in zip(made, target, strict=True)
    ]  # fmt: skip
    return "".join(parts)


def _history(found: Passage) -> None:
    names = ("epoch", "accuracy", "edit_distance", "perplexity", "memorized")
    columns = st.column_config
    st.dataframe(
        pa.table({name: [row[name] for row in found.rows] for name in names}), hide_index=True, key="history",
        placeholder="",
        column_config={
            "epoch": columns.NumberColumn("Epoch", width=54),
            "accuracy": columns.NumberColumn("Accuracy", format="%.2f", width=72),
            "edit_distance": columns.NumberColumn("Edits", width=50),
            "perplexity": columns.NumberColumn("Perplexity", format="%.3g", width=78),
            "memorized": columns.CheckboxColumn("Memorized", width=82),
        },
    )  # fmt: skip
