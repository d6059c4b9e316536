"""What of a curve has no place on a chart, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def remarks_on(label: str, row: dict[str, Any], log: bool, drawn: int, unplaced: str = "") -> list[str]:
    """What of a metric with its `metric_row` has no place on a chart, or why none of it has, in sentences that begin
    with `label`; `drawn` is how many points there are on screen, `unplaced` says which rows have no place on x."""
    if row["nonfinite"] == row["n"]:
        return [f"{label}: none of its {row['n']:,} values is finite."]
    if log and row["max"] <= 0:
        return [f"{label}: none of its {row['n']:,} values is above 0, as a log axis needs."]
    remarks = []
    if row["nonfinite"]:
        remarks.append(
            f"{label}: {row['n'] - row['nonfinite']:,} of {row['n']:,} values are finite, "
            f"the first that is not at step {row['first_nonfinite_step']:,}."
        )
    if log and row["min"] <= 0:
        remarks.append(f"{label}: values of zero or less have no place on a log axis and are left out.")
    if unplaced:
        remarks.append(f"{label}: {unplaced}")
    if not drawn and not remarks:
        remarks.append(f"{label}: nothing in this range.")
    return remarks


def together(remarks: Sequence[str]) -> list[str]:
    """Remarks of `remarks_on`, each once: those that say the same of several series begin with all their labels."""
    labels: dict[str, list[str]] = {}
    for remark in dict.fromkeys(remarks):
        label, colon, said = remark.partition(": ")
        labels.setdefault(colon + said, []).append(label)
    return [" and ".join(names) + said for said, names in labels.items() if said] + labels.get("", [])
