"""One token that is searched for: its nearest neighbours at the cursor, and how near they were at first."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import streamlit as st

from etl.errors import StrobeError
from strobe.ui.panel import choice, panel
from strobe.ui.shell.cursor import settled
from strobe.ui.shell.parts import follow_server
from strobe.ui.shell.words import escaped
from strobe.views.embedding import Embedding
from strobe.views.nearest import Neighbour, Neighbours, neighbours
from strobe.views.run_view import RunView
from strobe.views.words import count


def draw(view: RunView, shown: Embedding) -> None:
    """The search box and the table; it is made again when the cursor rests."""
    follow_server()
    rows = _by_name(shown)
    with panel.head("nearest"):
        panel.title(f"Nearest neighbours of one row of {shown.name}")
        name = choice.select("near", "Token", list(rows), labelled=True, width=220)
    step = settled(view)
    try:
        found = neighbours(shown, rows[name], step, view.steps[0])
    except (StrobeError, OSError, KeyError):
        panel.caption(f"The snapshot at step {count(step)} or the first one cannot be read.")
        return
    if not found.nearest:
        panel.caption(f"At step {count(step)} this row is zero or not finite, and has no direction.")
        return
    _table(found)
    words = "By the cosine of all dimensions, among the rows that are shown; in italics those that are near no more."
    sql = f"-- read from the snapshots at steps {step} and {found.other}: params/{shown.name}"
    panel.tools("nearest", f"{words} {shown.rows.left_out}".strip(), [sql], lambda: _file(found), None)


def _by_name(shown: Embedding) -> dict[str, int]:
    """What is offered -> the place of its row; with its number where a name is another row's too."""
    often = Counter(shown.rows.labels)
    return {
        f"{label} (row {shown.rows.numbers[k]})" if often[label] > 1 else label: k
        for k, label in enumerate(shown.rows.labels)
    }


def _table(found: Neighbours) -> None:
    head = "".join(
        f'<th scope="col">{words}</th>'
        for words in (
            f"place at {count(found.step)}", f"cosine at {count(found.step)}", f"place at {count(found.other)}",
            f"cosine at {count(found.other)}",
        )
    )  # fmt: skip
    rows = [*((one, True) for one in found.nearest), *((one, False) for one in found.left)]
    body = "".join(_row(one, near=near) for one, near in rows)
    st.html(f'<div class="st-table" tabindex="0"><table><tr><td></td>{head}</tr>{body}</table></div>')


def _row(one: Neighbour, *, near: bool) -> str:
    cells = (count(one.place), _cosine(one.cosine), count(one.other_place), _cosine(one.other_cosine))
    kind = "" if near else ' class="st-none"'
    data = "".join(f"<td{kind}>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{escaped(one.label, 60)}</th>{data}</tr>'


def _cosine(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _file(found: Neighbours) -> pa.Table:
    rows = [*found.nearest, *found.left]
    return pa.table(
        {
            "token": [one.label for one in rows], f"place_{found.step}": [one.place for one in rows],
            f"cosine_{found.step}": [one.cosine for one in rows],
            f"place_{found.other}_first": [one.other_place for one in rows],
            f"cosine_{found.other}_first": [one.other_cosine for one in rows],
        }
    )  # fmt: skip
