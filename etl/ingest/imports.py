"""What was read of a recording so far, and what was left out: the table `imports`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from etl.ingest.source import Loss
from etl.local_files import name_text
from etl.store.schema import part_schema

MOST_REASONS: Final = 200
"""Losses that are named in the table; the others are counted."""


def tally(state: Mapping[str, Any], rows: int, lost: Sequence[Loss], *, whole: bool) -> dict[str, Any]:
    """The counts of a log with those of one more reading: `rows`, `skipped` and the first `reasons`; of this reading
    alone where it was of the whole log."""
    before = {} if whole else state.get("tally", {})
    named = [*before.get("reasons", []), *(_said(loss) for loss in lost)][:MOST_REASONS]
    return {
        "rows": int(before.get("rows", 0)) + rows,
        "skipped": int(before.get("skipped", 0)) + len(lost),
        "reasons": named,
    }


def _said(loss: Loss) -> list[str]:
    return [name_text(loss.where), name_text(loss.reason)]


def imports_table(
    stored: pa.Table, counts: Mapping[str, Any], source: str, path: str, of_snapshots: Sequence[Loss]
) -> pa.Table:
    """The run's row: the log's counts, and what else is left out, as it now is; `read_at` is of its last change."""
    reasons = [*counts["reasons"], *(_said(loss) for loss in of_snapshots)][:MOST_REASONS]
    row = {
        "path": path,
        "format": source,
        "rows": counts["rows"],
        "skipped": counts["skipped"] + len(of_snapshots),
        "reasons": json.dumps(reasons) if reasons else None,
    }
    before = stored.to_pylist()
    same = bool(before) and {name: before[0][name] for name in row} == row
    read_at = before[0]["read_at"] if same else time.time()
    return pa.Table.from_pylist([{**row, "read_at": read_at}], part_schema("imports"))
