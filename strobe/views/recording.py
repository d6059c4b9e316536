"""What a recorder could not record of a run, and what an ingest could not read of it, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from etl.checkpoints.run import CheckpointRun
from strobe.views.run_view import RunView, literal

MOST_REASONS: Final = 3


def losses(view: RunView) -> str:
    """What the last attempt of a run lacks and why: "0 of 40 snapshots: grads/expert.3 had no gradient", and what was
    left out as it was read: "1 left out: run.log line 168: not a whole line"; empty where nothing is missing, or
    nobody told."""
    return "; ".join(part for part in (_not_recorded(view), _left_out(view)) if part)


def _left_out(view: RunView) -> str:
    rows = view.rows(f"SELECT skipped, reasons FROM imports WHERE run = {literal(view.run)}")
    if not rows or not rows[0]["skipped"]:
        return ""
    try:
        where, why = json.loads(rows[0]["reasons"])[0]
    except (ValueError, TypeError, IndexError):
        return f"{rows[0]['skipped']:,} left out"
    first = ", first" if rows[0]["skipped"] > 1 else ""
    return f"{rows[0]['skipped']:,} left out{first}: {where}: {why}"


def _not_recorded(view: RunView) -> str:
    rows = view.rows(f"SELECT lost FROM attempts WHERE run = {literal(view.run)} ORDER BY attempt DESC LIMIT 1")
    try:
        lost = json.loads(rows[0]["lost"]) if rows and rows[0]["lost"] else None
    except ValueError:
        return ""
    return sentence(lost) if isinstance(lost, dict) else ""


def origin(view: RunView) -> str:
    """Where the snapshots of a run come from that were not recorded by a training, and what they therefore lack, as a
    sentence; empty for all others."""
    snapshots = view.snapshots()
    if not isinstance(snapshots, CheckpointRun):
        return ""
    training = snapshots.manifest.training
    steps = "Their steps are epochs." if training.get("step_unit") == "epoch" else ""
    if training.get("step_known") is False:
        steps = "It does not say its step, which stands as 0."
    said = "Its snapshots are checkpoints, taken after an update: no gradients, attention or activations are in them."
    return f"{said} {steps}".strip()


def sentence(lost: Mapping[str, Any]) -> str:
    """What is missing and why, from the counts that a recorder wrote (`lost` of attempts.jsonl)."""
    recorded, skipped, missed = (_number(lost, name) for name in ("recorded", "skipped", "missed"))
    parts = []
    if skipped or missed:
        parts.append(f"{recorded:,} of {recorded + skipped + missed:,} snapshots")
        if skipped:
            parts.append(f"{skipped:,} skipped because the disk was slower")
    for name, one, many in (
        ("absent", "tensor absent from a snapshot", "tensors absent from snapshots"),
        ("values", "metric left out", "metrics left out"),
        ("lines", "line of metrics lost", "lines of metrics lost"),
    ):
        if count := _number(lost, name):
            parts.append(f"{count:,} {one if count == 1 else many}")
    told = ", ".join(parts), _reasons(lost.get("why"))
    return ": ".join(part for part in told if part)


def _reasons(why: object) -> str:
    """The most frequent reasons."""
    kinds = {str(kind): count for kind, count in why.items() if type(count) is int} if isinstance(why, dict) else {}
    if not kinds:
        return ""
    ordered = sorted(kinds, key=lambda kind: -kinds[kind])
    shown = "; ".join(f"{kind} ({kinds[kind]:,})" if len(kinds) > 1 else kind for kind in ordered[:MOST_REASONS])
    more = len(ordered) - MOST_REASONS
    return shown + (f"; and {more} reasons more" if more > 0 else "")


def _number(lost: Mapping[str, Any], name: str) -> int:
    value = lost.get(name, 0)
    return value if type(value) is int and value >= 0 else 0
