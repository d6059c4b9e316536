"""The table `samples`: what a model wrote at each snapshot, as its training recorded it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from strobe.analysis.token_text import text_of
from strobe.derive.analysis import BIGINT, SMALLINT, TEXT, Row, SnapshotAnalysis
from strobe.derive.recorded_run import NotApplicableError
from strobe.derive.subject import Subject

TOKENS: Final = "samples/tokens"


def given_of(task: Mapping[str, Any]) -> int:
    """How many tokens of a sample the model was given; 0 where the manifest does not say."""
    value = task.get("sample_given")
    return value if isinstance(value, int) and value > 0 else 0


def needs(subject: Subject) -> None:
    entry = subject.recorded.entry(TOKENS)
    if entry is None:
        raise NotApplicableError(
            "the snapshots hold no samples (samples/tokens), as `strobe train text` records them"
        )
    if len(entry["shape"]) != 2 or not entry["dtype"].startswith(("int", "uint")):
        raise NotApplicableError(f"{TOKENS} is no matrix of whole numbers, a row a sample")


def texts(task: Mapping[str, Any], tokens: Any) -> list[tuple[str, str]]:
    """(what was given, how it went on) of each row of `tokens` (sample, position)."""
    given = given_of(task)
    rows = np.asarray(tokens).tolist()
    return [(text_of(task, row[:given]), text_of(task, row[given:])) for row in rows]


def rows(subject: Subject, step: int) -> list[Row]:
    """A row for each sample."""
    recorded = subject.recorded
    written = texts(recorded.run.manifest.task, recorded.at(step)[TOKENS])
    return [
        {"step": step, "sample": k, "given": given, "continuation": continuation}
        for k, (given, continuation) in enumerate(written)
    ]


ANALYSIS = SnapshotAnalysis(
    table="samples",
    definition=1,
    order=65,
    value="continuation",
    columns=(("step", BIGINT), ("sample", SMALLINT), ("given", TEXT), ("continuation", TEXT)),
    needs=needs,
    rows=rows,
)
