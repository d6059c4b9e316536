"""What some runs have in common and where they differ, of their settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strobe.views.run_values import configured

MOST_ROWS: Final = 24
"""Settings in which the runs differ that are shown; those with the fewest values first."""
_MOST_OF_A_VALUE: Final = 40


@dataclass(frozen=True)
class Differences:
    """`common` has the settings that every run has alike; `rows` (setting, its value in each run, None where a run
    has none) those in which they differ; `more` counts the rows left out."""

    common: Mapping[str, Any]
    rows: Sequence[tuple[str, Sequence[Any]]]
    more: int = 0

    def sentence(self, runs: int) -> str:
        """How many settings are alike, and how many are not."""
        differ = len(self.rows) + self.more
        if not self.common and not differ:
            return f"Nothing is known of the settings of these {runs:,} runs."
        alike = f"{len(self.common):,} setting{'s' if len(self.common) != 1 else ''} in common"
        return f"{runs:,} runs with {alike}; " + (
            f"they differ in {differ:,}." if differ else "they differ in none that was recorded."
        )


def differences(configs: Sequence[str | None]) -> Differences:
    """Of the configurations (JSON) of some runs, in their order."""
    settings = [configured(config) for config in configs]
    keys = dict.fromkeys(key for setting in settings for key in setting)
    rows = [(key, [setting.get(key) for setting in settings]) for key in keys]
    common = {key: values[0] for key, values in rows if all(_same(value, values[0]) for value in values)}
    others = [row for row in rows if row[0] not in common]
    others.sort(key=lambda row: len({json.dumps(value) for value in row[1]}))
    return Differences(common, others[:MOST_ROWS], max(0, len(others) - MOST_ROWS))


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def short(value: Any) -> str:
    """One setting in a cell; a dash where a run has none."""
    if value is None:
        return "–"
    text = (
        str(value).lower() if isinstance(value, bool) else f"{value:.6g}" if isinstance(value, float) else str(value)
    )
    return text if len(text) <= _MOST_OF_A_VALUE else f"{text[: _MOST_OF_A_VALUE - 1]}…"
