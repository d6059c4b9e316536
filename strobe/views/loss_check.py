"""Whether a run's log agrees with its snapshots: one finding, for the run's card, the Fourier page and the command
line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from strobe.views.run_view import RunView, Tables, literal
from strobe.views.words import count, number, visible

DOUBTFUL: Final = "Doubtful: the loss check disagrees."
"""Beside every measure that rests on the same forward pass and the same split."""


@dataclass(frozen=True)
class Disagreement:
    """One logged value and what its snapshot gives instead."""

    step: int
    metric: str
    logged: float
    computed: float
    tolerance: float
    likely: str


@dataclass(frozen=True)
class Finding:
    """Of one run: how many logged losses and accuracies were `compared` with recomputed ones."""

    compared: int = 0
    snapshots: int = 0
    disagreements: list[Disagreement] = field(default_factory=list)
    """By metric and step."""
    unknown: dict[str, int] = field(default_factory=dict)
    """Why nothing can be told -> of how many values."""
    untold: dict[str, int] = field(default_factory=dict)
    """Those of `unknown` that were logged."""
    sql: str = ""

    @property
    def fires(self) -> bool:
        """Whether anything disagrees."""
        return bool(self.disagreements)

    def sentence(self) -> str:
        """What was found, its count and its tolerance; empty where the run was not checked."""
        if not self.compared:
            return f"Loss check: cannot tell ({self._why()})." if self.unknown else ""
        snapshots = f"{count(self.snapshots)} snapshot{'s' if self.snapshots > 1 else ''}"
        logged = self.compared + sum(self.untold.values())
        of = f"{count(logged)} logged losses and accuracies at {snapshots}"
        beside = f"; {self._untold()}" if self.untold else ""
        if not self.fires:
            right = f"{count(self.compared)} of" if self.untold else "all"
            return f"Loss check: {right} {of} are what the snapshots give when they are run again{beside}."
        return (
            f"Loss check: {count(len(self.disagreements))} of {of} are not what the snapshots give when they are run "
            f"again{beside}. {self._worst()} Likely: {self._likely()}. Progress measures, which rest on the same "
            "pass and split, are doubtful."
        )

    def _why(self) -> str:
        return "; ".join(f"{visible(why)}: {count(many)} values" for why, many in self.unknown.items())

    def _untold(self) -> str:
        """How many logged values cannot be told, and why."""
        why = "; ".join(visible(each) for each in self.untold)
        if len(self.untold) > 1:
            why = "; ".join(f"{visible(each)} ({count(many)})" for each, many in self.untold.items())
        return f"{count(sum(self.untold.values()))} cannot be told: {why}"

    def _worst(self) -> str:
        """Of each metric that disagrees the value that is furthest off, with both numbers."""
        furthest: dict[str, Disagreement] = {}
        for each in self.disagreements:
            if each.metric not in furthest or _distance(each) > _distance(furthest[each.metric]):
                furthest[each.metric] = each
        parts = [
            f"{each.metric} at step {count(each.step)}: logged {number(each.logged)}, recomputed "
            f"{number(each.computed)} (tolerance {100 * each.tolerance:g}% of {_of(each.metric)})"
            for each in furthest.values()
        ]
        return "Furthest off: " + "; ".join(parts) + "."

    def _likely(self) -> str:
        """The reasons, most frequent first, each with the values that speak for it where there are several."""
        counts = Counter(each.likely for each in self.disagreements).most_common()
        if len(counts) == 1:
            return counts[0][0]
        return "; or ".join(f"{reason} ({count(many)} values)" for reason, many in counts)


def _of(metric: str) -> str:
    return "the inputs" if metric.endswith("accuracy") else "the larger"


def _distance(each: Disagreement) -> float:
    return abs(each.logged - each.computed)


def loss_check(view: RunView) -> Finding:
    """From the rows of `loss_check`."""
    return finding(view.tables, view.run)


def finding(tables: Tables, run: str) -> Finding:
    """Of a run, whether or not it has snapshots at hand."""
    answer = tables.ask(f"""SELECT step, metric, logged, computed, tolerance, agrees, likely, note
FROM loss_check WHERE run = {literal(run)} ORDER BY metric DESC, step""")
    rows: list[dict[str, Any]] = answer.table.to_pylist()
    told = [row for row in rows if row["agrees"] is not None]
    names = ("step", "metric", "logged", "computed", "tolerance", "likely")
    wrong = [Disagreement(**{name: row[name] for name in names}) for row in told if not row["agrees"]]
    open_rows = [row for row in rows if row["agrees"] is None]
    unknown = Counter(row["note"] for row in open_rows)
    untold = Counter(row["note"] for row in open_rows if row["logged"] is not None)
    snapshots = {row["step"] for row in rows if row["logged"] is not None}
    return Finding(len(told), len(snapshots), wrong, unknown, untold, answer.sql)
