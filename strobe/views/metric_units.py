"""What a metric of several runs is measured in, for the axis that they are drawn on together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from etl.store.accuracy import NAMES, accuracy_scale
from strobe.views.run_view import Tables, literal

_WORDS: Final = {"fraction": "share", "percent": "%"}
_LONG: Final = {"fraction": "shares (0 to 1)", "percent": "percentages (0 to 100)"}


@dataclass(frozen=True)
class Units:
    """Unit -> the runs that recorded a metric in it; "" where it has none that is known."""

    runs: dict[str, list[str]]

    def title(self, name: str) -> str:
        """The name of an axis, with the unit where it is one for all."""
        units = list(self.runs)
        if len(units) > 1:
            return f"{name} (units differ)"
        return f"{name} ({_WORDS.get(units[0], units[0])})" if units and units[0] else name

    def note(self, names: dict[str, str] | None = None) -> str:
        """A sentence where the units differ between runs; `names` maps runs to what they are called."""
        if len(self.runs) < 2:
            return ""
        parts = []
        for unit, runs in self.runs.items():
            who = ", ".join((names or {}).get(run, run) for run in runs)
            parts.append(f"{who} in {_LONG.get(unit, unit or 'an unknown unit')}")
        return f"Drawn as recorded, on one axis: {'; '.join(parts)}."


def units_of(tables: Tables, runs: Sequence[str], metrics: Sequence[str]) -> Units:
    """The unit of `metrics`, which are of one kind, in each of the runs that has any; that of accuracies is told by
    their values."""
    asked = [*metrics, *(NAMES if set(metrics) & set(NAMES) else ())]
    rows = tables.ask(f"""SELECT run, name, unit, min, max FROM metrics
WHERE run IN ({", ".join(map(literal, runs))}) AND name IN ({", ".join(map(literal, asked))})""").table.to_pylist()
    found: dict[str, list[str]] = {}
    for run in runs:
        own = {row["name"]: row for row in rows if row["run"] == run}
        if not set(own) & set(metrics):
            continue
        unit = next(own[name]["unit"] for name in metrics if name in own)
        if set(metrics) <= set(NAMES):
            ends = {name: (row["min"], row["max"]) for name, row in own.items() if row["min"] is not None}
            unit = accuracy_scale(ends).unit
        found.setdefault(unit or "", []).append(run)
    return Units(found)
