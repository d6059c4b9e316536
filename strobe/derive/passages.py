"""The table `passages`: how much of each passage a memorization study's model reproduces, epoch by epoch."""

from __future__ import annotations

from pathlib import Path

from etl.errors import StrobeError
from etl.store.catalogue import Catalogue
from strobe.derive.analysis import BIGINT, BOOLEAN, DOUBLE, INTEGER, TEXT, Row, TableAnalysis
from strobe.derive.recorded_run import NotApplicableError
from strobe.derive.study_files import points, read_point
from strobe.derive.subject import Subject

_COLUMNS = (
    "epoch", "step", "passage", "split", "accuracy", "exact_matches", "tokens", "edit_distance", "prefix_5",
    "prefix_10", "prefix_20", "prefix_50", "perplexity", "memorized", "chance", "prompt", "target", "continuation",
)  # fmt: skip


def needs(subject: Subject) -> None:
    """Raises NotApplicableError for a run that is no study."""
    if not points(Path(subject.recorded.run.folder)):
        raise NotApplicableError("the run is no memorization study; `strobe study memorization` makes one")


def folder_of(catalogue: Catalogue, run: str) -> Path:
    """Where the study's files lie. Raises StrobeError where that is not on this machine."""
    if (folder := catalogue.run(run).folder) is None:
        raise StrobeError(f"run {run!r}: its folder is not on this machine")
    return folder


def rows(catalogue: Catalogue, run: str) -> list[Row]:
    """A row a passage at each epoch that was measured."""
    made: list[Row] = []
    for path in points(folder_of(catalogue, run)).values():
        made += [row | {"note": _note(row)} for row in read_point(path, list(_COLUMNS)).to_pylist()]
    return made


def _note(row: Row) -> str | None:
    short = [name for name in ("prefix_5", "prefix_10", "prefix_20", "prefix_50") if row[name] is None]
    notes = [f"{', '.join(short)}: the continuation has {row['tokens']} tokens"] if short else []
    notes += [f"{name}: not finite" for name in ("perplexity",) if row[name] is None]
    notes += ["chance: no other passage in its split"] if row["chance"] is None else []
    return "; ".join(notes) or None


ANALYSIS = TableAnalysis(
    table="passages",
    definition=1,
    order=20,
    value="accuracy",
    columns=(
        ("epoch", BIGINT), ("step", BIGINT), ("passage", INTEGER), ("split", TEXT), ("accuracy", DOUBLE),
        ("exact_matches", BIGINT), ("tokens", BIGINT), ("edit_distance", BIGINT), ("prefix_5", DOUBLE),
        ("prefix_10", DOUBLE), ("prefix_20", DOUBLE), ("prefix_50", DOUBLE), ("perplexity", DOUBLE),
        ("memorized", BOOLEAN), ("chance", DOUBLE), ("prompt", TEXT), ("target", TEXT), ("continuation", TEXT),
    ),
    needs=needs,
    # A point that was measured since has brought its step's scalars.
    sources=("runs", "snapshots", "scalars"),
    rows=rows,
    unit="passages read",
)  # fmt: skip
