"""The version of each derived table's definition; `docs/analyses.md` says what each version means."""

from __future__ import annotations

DEFINITIONS: dict[str, int] = {
    "spectra": 1,
    "fourier": 1,
    "heads": 1,
    "neurons": 1,
    "progress": 1,
    "transitions": 1,
}
"""Raised by one when a formula, a default threshold or a unit of the table changes: stored rows are then stale."""
