"""The changes of a run's series, from the stored table: when, how, how sure, and in how many there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from strobe.analysis.change_points import LEVEL
from strobe.derive.transitions import FALSE_DISCOVERIES, NOT_SEARCHED, UNEVEN
from strobe.views.run_view import Answer, RunView, literal
from strobe.views.words import number

TABLE: Final = "transitions"
RULE: Final = (
    "A change is a step, or a gradual rise or fall (from 10% to 90%), that neither a smooth drift nor noise with "
    f"memory explains: at most {LEVEL:.0%} of simulated series without a change look as much like one, and of all "
    f"changes of a run at most {FALSE_DISCOVERIES:.0%} are expected to be false (Benjamini-Yekutieli). Noise that "
    "jumps by itself, as a random walk with heavy-tailed steps, has steps by this rule. Losses and norms: of log10."
)


@dataclass(frozen=True)
class Transitions:
    """Of one run."""

    answer: Answer
    """A row for each change, by step, and then one for each series without."""
    changes: Sequence[dict[str, Any]]
    searched: int
    """Series that were long enough to be searched."""
    unable: Sequence[str]
    """Of each of the others, why nothing can be told."""
    uneven: int
    """Series whose samples are unevenly spaced."""
    left_out: Mapping[str, str]
    """Derived table whose series were not searched -> why it has none."""

    def sentence(self) -> str:
        """What was found in how many series, in how many there is nothing, and of how many nothing can be told."""
        out = self._left_out()
        if not self.searched:
            why = _many(self.unable) if self.unable else "since the run has no series"
            return f"Changes: cannot tell, {why}.{out}"
        changed = len({row["series"] for row in self.changes})
        text = f"{len(self.changes):,} change{'' if len(self.changes) == 1 else 's'} in {changed:,} of "
        text += f"{self.searched:,} series that were searched"
        if still := self.searched - changed:
            text += f"; in {still:,} no change that can be told from drift"
        if self.unable:
            text += f"; of {len(self.unable):,} more one cannot tell ({_many(self.unable)})"
        return f"{text}." + (f" In {self.uneven:,} series {UNEVEN}." if self.uneven else "") + out

    def _left_out(self) -> str:
        tables: dict[str, list[str]] = {}
        for table, why in self.left_out.items():
            tables.setdefault(why, []).append(table)
        return "".join(f" Not searched: {' and '.join(names)} ({why})." for why, names in tables.items())

    def table(self) -> pa.Table:
        """The changes for people: series, change, low, high (of its 95% interval), effect, sd (effect in standard
        deviations), p (corrected)."""
        rows, text, whole, real = self.changes, pa.string(), pa.int64(), pa.float64()
        return pa.table(
            {
                "series": pa.array([row["series"] for row in rows], text),
                "change": pa.array([words(row) for row in rows], text),
                "low": pa.array([row["step_low"] for row in rows], whole),
                "high": pa.array([row["step_high"] for row in rows], whole),
                "effect": pa.array([row["effect"] for row in rows], real),
                "sd": pa.array([row["effect_sd"] for row in rows], real),
                "p": pa.array([row["p_corrected"] for row in rows], real),
            }
        )


def transitions(view: RunView) -> Transitions:
    """Of one run, as `strobe analyze` left them."""
    answer = view.tables.ask(sql(view.run))
    every = answer.table.to_pylist()
    left_out = {row["series"]: row["note"] for row in every if row["kind"] == NOT_SEARCHED}
    rows = [row for row in every if row["kind"] != NOT_SEARCHED]
    unable = [row for row in rows if row["kind"] == "cannot tell"]
    searched = {row["series"] for row in rows} - {row["series"] for row in unable}
    uneven = {row["series"] for row in rows if UNEVEN in (row["note"] or "")} & searched
    changes = [row for row in rows if row["step"] is not None]
    return Transitions(answer, changes, len(searched), [row["note"] for row in unable], len(uneven), left_out)


def sql(run: str) -> str:
    """The changes of a run, and the series without."""
    return f"""SELECT series, kind, step, step_low, step_high, step_10, step_90, effect, effect_sd, p, p_corrected,
  samples, series_searched, model, rule, note
FROM transitions WHERE run = {literal(run)} AND kind IN ('step', 'gradual', 'none', 'cannot tell', '{NOT_SEARCHED}')
ORDER BY step, series"""


def words(row: dict[str, Any]) -> str:
    """One change: "step up at 7,000", "gradual fall from 6,300 to 6,855, half of it by 6,578"."""
    up = row["effect"] > 0
    if row["kind"] == "step":
        return f"step {'up' if up else 'down'} at {row['step']:,}"
    return (
        f"gradual {'rise' if up else 'fall'} from {row['step_10']:,} to {row['step_90']:,}, midpoint {row['step']:,}"
    )


def cells(row: dict[str, Any]) -> list[str]:
    """One change for a terminal: series, change, 95% interval, effect, in sd, p."""
    interval = f"{row['step_low']:,} to {row['step_high']:,}"
    return [
        row["series"],
        words(row),
        interval,
        *(number(row[name]) for name in ("effect", "effect_sd", "p_corrected")),
    ]


def _many(reasons: Sequence[str]) -> str:
    """The most frequent of some reasons."""
    return max(reasons, key=list(reasons).count)
