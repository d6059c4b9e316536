"""What changed at a moment of a run: tensors, heads and frequencies ranked by how far they moved around it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strobe.analysis.ranking import FLOOR, SAMPLES, Shift, ranked
from strobe.views.run_view import Answer, RunView, literal

KINDS: Final = {"all": "Everything", "norm": "Norms", "head": "Heads", "frequency": "Frequencies"}
"""What is ranked."""
FLOOR_WORDS: Final = f"{FLOOR:.0%}"
_DERIVED: Final = {"head": "heads", "frequency": "fourier"}


def series(view: RunView) -> Answer:
    """What is ranked: kind, series, step, value, in the order of series and steps."""
    return view.tables.ask(_sql(literal(view.run)))


def _sql(name: str) -> str:
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


def ranking(answer: Answer, at: int) -> pa.Table:
    """`series` by their shift at step `at`, the farthest first: kind, what, before, after, effect, standardised (in
    standard deviations), sides ("still" where these hardly spread, else empty)."""
    table = answer.table
    names = table["series"].to_numpy(zero_copy_only=False)
    steps, values = table["step"].to_numpy(), table["value"].cast("float64").to_numpy()
    starts = np.flatnonzero(names[1:] != names[:-1]) + 1 if len(names) else np.zeros(0, int)
    parts = [part for part in np.split(np.arange(len(names)), starts) if len(part)]
    shifts = ranked({str(names[part[0]]): (steps[part], values[part]) for part in parts}, at)
    return _table(shifts, {str(names[part[0]]): table["kind"][int(part[0])].as_py() for part in parts})


def _table(shifts: list[Shift], kinds: dict[str, Any]) -> pa.Table:
    columns: dict[str, pa.Array] = {
        "kind": pa.array([kinds[shift.name] for shift in shifts], pa.string()),
        "what": pa.array([shift.name for shift in shifts], pa.string()),
    }
    for column in ("before", "after", "effect", "standardised"):
        columns[column] = pa.array([getattr(shift, column) for shift in shifts], pa.float64())
    columns["sides"] = pa.array(["still" if shift.floored else "" for shift in shifts], pa.string())
    return pa.table(columns)


def of_kind(table: pa.Table, kind: str) -> pa.Table:
    """The rows of a ranking of one of KINDS."""
    return table if kind == "all" else table.filter(pc.equal(table["kind"], kind))


def why_none(view: RunView, kind: str) -> str:
    """Why a ranking of this kind has no rows."""
    table = _DERIVED.get(kind)
    if table and not view.rows(f"SELECT count(*) AS n FROM {table} WHERE run = {literal(view.run)}")[0]["n"]:
        return f"This run has no rows in {table}: `strobe analyze {view.run}` fills it where the run can have it."
    return "Nothing to rank here: at least two snapshots on either side are needed."


def about(shown: int, total: int) -> str:
    """What a ranking is, of which so many series are shown."""
    return (
        f"{shown} of {total:,} series, by the shift from the {SAMPLES} snapshots before to those after, in standard "
        f"deviations (at least {FLOOR_WORDS} of the series' range, marked “still”). Norms are in log10. A ranking, "
        "not a test."
    )
