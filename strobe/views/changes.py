"""What changed at a moment of a run: tensors, heads and frequencies ranked by how far they moved around it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strobe.analysis.ranking import (
    EARNED,
    FLOOR,
    LEAST,
    PLACES,
    SAMPLES,
    STANDS_OUT,
    Ranking,
    ranked,
)
from strobe.views.ordering import natural
from strobe.views.run_view import Answer, RunView, literal

KINDS: Final = {"all": "Everything", "norm": "Norms", "head": "Heads", "frequency": "Frequencies"}
"""What is ranked."""
CANNOT_TELL: Final = "cannot tell"
RULE: Final = (
    "A shift is the mean of the snapshots after less that of those before (an eighth of them on either side, "
    f"{LEAST} to {SAMPLES}), and its size how many times the usual one it is: the root mean square of the same "
    "difference everywhere else in the series, memory and drift included "
    f"(at least {FLOOR:.0%} of the series' range: “still elsewhere”). At {STANDS_OUT:.0f} times it stands out. "
    "Norms are in log10."
)
_WHY_UNTOLD: Final = f"too few snapshots on a side, or fewer than {PLACES} other places to compare with."
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
    """`series` by their shift at step `at`, the farthest first: kind, what, before, after, effect, times (the usual
    one), verdict. Those for which it cannot be told come last, with NULLs."""
    table = answer.table
    names = table["series"].to_numpy(zero_copy_only=False)
    steps, values = table["step"].to_numpy(), table["value"].cast("float64").to_numpy()
    starts = np.flatnonzero(names[1:] != names[:-1]) + 1 if len(names) else np.zeros(0, int)
    parts = [part for part in np.split(np.arange(len(names)), starts) if len(part)]
    found = ranked({str(names[part[0]]): (steps[part], values[part]) for part in parts}, at)
    return _table(found, {str(names[part[0]]): table["kind"][int(part[0])].as_py() for part in parts})


def _table(found: Ranking, kinds: dict[str, Any]) -> pa.Table:
    names = [*(shift.name for shift in found.shifts), *sorted(found.untold, key=natural)]
    columns: dict[str, pa.Array] = {
        "kind": pa.array([kinds[name] for name in names], pa.string()), "what": pa.array(names, pa.string()),
    }  # fmt: skip
    nothing: list[Any] = [None] * len(found.untold)
    for column in ("before", "after", "effect", "times"):
        columns[column] = pa.array([getattr(shift, column) for shift in found.shifts] + nothing, pa.float64())
    verdicts = [_verdict(shift.times, shift.floored) for shift in found.shifts]
    columns["verdict"] = pa.array(verdicts + [CANNOT_TELL] * len(found.untold), pa.string())
    return pa.table(columns)


def _verdict(times: float, still: bool) -> str:
    told = "stands out" if abs(times) >= STANDS_OUT else "as elsewhere"
    return f"{told} (still elsewhere)" if still else told


def of_kind(table: pa.Table, kind: str) -> pa.Table:
    """The rows of a ranking of one of KINDS."""
    return table if kind == "all" else table.filter(pc.equal(table["kind"], kind))


def why_none(view: RunView, kind: str) -> str:
    """Why a ranking of this kind has no rows."""
    table = _DERIVED.get(kind)
    if table and not view.rows(f"SELECT count(*) AS n FROM {table} WHERE run = {literal(view.run)}")[0]["n"]:
        return f"This run has no rows in {table}: `strobe analyze {view.run}` fills it where the run can have it."
    return "Nothing to rank here: no series moves."


def about(table: pa.Table, shown: int) -> str:
    """What a ranking is, of which so many rows are shown: its rule, its counts, and what cannot be told."""
    verdicts = table["verdict"].to_pylist()
    untold = verdicts.count(CANNOT_TELL)
    if untold == len(verdicts):
        return f"Of none of {untold:,} series it can be told: {_WHY_UNTOLD} {RULE}"
    told, out = len(verdicts) - untold, sum(verdict.startswith("stands out") for verdict in verdicts)
    text = f"{min(shown, len(verdicts))} of {len(verdicts):,} series. {RULE} {out:,} of {told:,} series stand out; "
    text += f"of random ones up to {EARNED:.1%} do, here {EARNED * told:.0f}."
    if untold:
        text += f" Of {untold:,} it cannot be told: {_WHY_UNTOLD}"
    return text
