"""What changed at a transition: tensors, heads and frequencies ranked by how far they moved around it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.analysis.ranking import SAMPLES, ranked
from strobe.ui import panels
from strobe.ui.data import Answer, literal
from strobe.ui.frame import Frame

MOST_ROWS = 12


def _sql(run: str) -> str:
    name = literal(run)
    return f"""SELECT 'norm of ' || tensor || coalesce('.' || layer, '') AS series, step, log10(l2) AS value
FROM tensors WHERE run = {name} AND section = 'params' AND l2 > 0
UNION ALL
SELECT 'head ' || layer || '.' || head || ' ' || replace(score, '_', ' '), step, value
FROM (UNPIVOT heads ON entropy, previous_token, first_token, induction INTO NAME score VALUE value)
WHERE run = {name}
UNION ALL
SELECT site || ' frequency ' || frequency, step, sqrt(sum(value * value))
FROM fourier WHERE run = {name} AND site IN ('embedding', 'unembedding') AND frequency > 0 GROUP BY ALL
ORDER BY series, step"""


def draw(page: Frame) -> None:
    """The ranking around the grokking onset, or around the step of the cursor where there is none."""
    onset = page.milestones.onset
    found = onset.step if onset is not None else None
    at = found if found is not None else page.step or 0
    panels.title(f"What changed around {'the onset, ' if found is not None else ''}step {at:,}")
    answer = page.reader.ask(_sql(page.run))
    table = _ranking(page.reader.key, page.reader.version, at, answer)
    if not table.num_rows:
        panels.caption("Nothing to rank: at least two snapshots on either side are needed.")
        return
    columns = st.column_config
    st.dataframe(
        table.slice(0, MOST_ROWS), hide_index=True, key="changes", height="content",
        column_config={
            "what": columns.TextColumn("What", width="large"),
            "before": columns.NumberColumn("Before", format="%.3g"),
            "after": columns.NumberColumn("After", format="%.3g"),
            "effect": columns.NumberColumn("Change", format="%.3g"),
            "standardised": columns.NumberColumn("Shift (sd)", format="%.2f", help="Over the spread on both sides"),
        },
    )  # fmt: skip
    text = (
        f"{min(MOST_ROWS, table.num_rows)} of {table.num_rows:,} series, by the shift from the {SAMPLES} snapshots "
        "before to those after, in standard deviations. Norms are in log10. A ranking, not a test."
    )
    panels.tools("changes", text, [answer.sql], lambda: table, None)


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={Answer: lambda answer: answer.sql})
def _ranking(key: str, version: str, at: int, answer: Answer) -> pa.Table:
    del key, version
    names = answer.table["series"].to_numpy(zero_copy_only=False)
    steps, values = answer.table["step"].to_numpy(), answer.table["value"].cast("float64").to_numpy()
    starts = np.flatnonzero(names[1:] != names[:-1]) + 1 if len(names) else np.zeros(0, int)
    parts = np.split(np.arange(len(names)), starts)
    series = {str(names[part[0]]): (steps[part], values[part]) for part in parts if len(part)}
    found = ranked(series, at)
    columns = {"what": [shift.name for shift in found]}
    for column in ("before", "after", "effect", "standardised"):
        columns[column] = [getattr(shift, column) for shift in found]
    return pa.table(columns)
