"""What changed at a transition: tensors, heads and frequencies ranked by how far they moved around it."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from strobe.analysis.ranking import FLOOR, SAMPLES, ranked
from strobe.ui.panel import panel
from strobe.ui.shell import address, cursor
from strobe.ui.shell.page import Page
from strobe.ui.shell.parts import follow_server
from strobe.views.run_view import Answer, literal

MOST_ROWS = 12
CURSOR: Final = "cursor"
KINDS: Final = {"all": "Everything", "norm": "Norms", "head": "Heads", "frequency": "Frequencies"}
"""What is ranked."""


def _sql(run: str) -> str:
    name = literal(run)
    return f"""SELECT 'norm' AS kind, 'norm of ' || tensor || coalesce('.' || layer, '') AS series, step,
  log10(l2) AS value
FROM tensors WHERE run = {name} AND section = 'params' AND l2 > 0
UNION ALL
SELECT 'head', 'head ' || layer || '.' || head || ' ' || replace(score, '_', ' '), step, value
FROM (UNPIVOT heads ON entropy, previous_token, first_token, induction INTO NAME score VALUE value)
WHERE run = {name}
UNION ALL
SELECT 'frequency', site || ' frequency ' || frequency, step, sqrt(sum(value * value))
FROM fourier WHERE run = {name} AND site IN ('embedding', 'unembedding') AND frequency > 0 GROUP BY ALL
ORDER BY series, step"""


def _moments(page: Page) -> dict[str, tuple[str, int]]:
    """Around what the ranking can be made: key -> words, step. The onset first, the cursor always."""
    onset, peak, found = page.milestones.onset, page.milestones.peak, {}
    if onset is not None and onset.step is not None:
        found["onset"] = ("the onset", onset.step)
    if onset is not None and onset.fitted is not None:
        found["known"] = ("the training set known", onset.fitted)
    if peak is not None and peak.step is not None and peak.fallen is not None:
        found["peak"] = ("the test-loss peak", peak.step)
    return found | {CURSOR: ("the cursor", cursor.step())}


def draw(page: Page) -> None:
    """The ranking around the grokking onset or another moment of the run, or around the cursor."""
    moments = _moments(page)
    first = next(iter(moments))
    address.offer("moment", list(moments), first)
    address.offer("changed", list(KINDS), "all")
    with panel.head("changes"):
        words, at = moments[st.session_state["moment"]]
        panel.title(f"What changed around {words}, step {at:,}")
        with st.container(horizontal=True, gap="small", width="content", vertical_alignment="center"):
            st.segmented_control(
                "What is ranked", list(KINDS), key="changed", required=True, persist_state="session",
                label_visibility="collapsed", format_func=lambda kind: KINDS[kind],
            )  # fmt: skip
            if len(moments) > 1:
                st.selectbox(
                    "Around", list(moments), key="moment", persist_state="session", width=230,
                    label_visibility="collapsed", format_func=lambda name: f"around {moments[name][0]}",
                )  # fmt: skip
    moment = address.remember("moment", st.session_state["moment"], first)
    kind = address.remember("changed", st.session_state["changed"], "all")
    if moment == CURSOR:
        follow_server()
    answer = page.reader.ask(_sql(page.run))
    table = _ranking(*page.reader.key, at, answer)
    if kind != "all":
        table = table.filter(pc.equal(table["kind"], kind))
    if not table.num_rows:
        panel.caption(_nothing(page, kind))
        return
    # Most rankings have no still sides, and an empty column tells nothing.
    still = any(table["sides"].slice(0, MOST_ROWS).to_pylist())
    _table(table.drop_columns(["kind"] if still else ["kind", "sides"]))
    text = (
        f"{min(MOST_ROWS, table.num_rows)} of {table.num_rows:,} series, by the shift from the {SAMPLES} snapshots "
        "before to those after, in standard deviations (at least "
        f"{FLOOR:.0%} of the series' range, marked “still”). Norms are in log10. A ranking, not a test."
    )
    panel.tools("changes", text, [answer.sql], lambda: table, None)


def _nothing(page: Page, kind: str) -> str:
    if kind in ("head", "frequency"):
        table = {"head": "heads", "frequency": "fourier"}[kind]
        there = page.reader.rows(f"SELECT count(*) AS n FROM {table} WHERE run = {literal(page.run)}")[0]["n"]
        if not there:
            return f"This run has no rows in {table}: `strobe analyze {page.run}` fills it where the run can have it."
    return "Nothing to rank here: at least two snapshots on either side are needed."


def _table(table: pa.Table) -> None:
    columns = st.column_config
    st.dataframe(
        table.slice(0, MOST_ROWS), hide_index=True, key="changes", height="content", placeholder="",
        column_config={
            "what": columns.TextColumn("What", width="large"),
            "before": columns.NumberColumn("Before", format="%.3g"),
            "after": columns.NumberColumn("After", format="%.3g"),
            "effect": columns.NumberColumn("Change", format="%.3g"),
            "standardised": columns.NumberColumn("Shift (sd)", format="%.2f", help="Over the spread on both sides"),
            "sides": columns.TextColumn(
                "Sides", width="small",
                help=f"still: hardly any spread before and after, so the shift is over {FLOOR:.0%} of the range",
            ),
        },
    )  # fmt: skip


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={Answer: lambda answer: answer.sql})
def _ranking(key: str, version: str, at: int, answer: Answer) -> pa.Table:
    del key, version
    names = answer.table["series"].to_numpy(zero_copy_only=False)
    steps, values = answer.table["step"].to_numpy(), answer.table["value"].cast("float64").to_numpy()
    starts = np.flatnonzero(names[1:] != names[:-1]) + 1 if len(names) else np.zeros(0, int)
    parts = [part for part in np.split(np.arange(len(names)), starts) if len(part)]
    found = ranked({str(names[part[0]]): (steps[part], values[part]) for part in parts}, at)
    kinds = {str(names[part[0]]): answer.table["kind"][int(part[0])].as_py() for part in parts}
    columns: dict[str, pa.Array] = {
        "kind": pa.array([kinds[shift.name] for shift in found], pa.string()),
        "what": pa.array([shift.name for shift in found], pa.string()),
    }
    for column in ("before", "after", "effect", "standardised"):
        columns[column] = pa.array([getattr(shift, column) for shift in found], pa.float64())
    columns["sides"] = pa.array(["still" if shift.floored else "" for shift in found], pa.string())
    return pa.table(columns)
