"""Runs whose manifest does not fit their tensors: every table is computed, or refused by the name of what is odd."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from etl.errors import StrobeError
from etl.ingest.flatten import FlattenTask, flatten
from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.store.catalogue import Store
from strobe.derive.analysis import SnapshotAnalysis
from strobe.derive.filling.deriver import Deriver
from strobe.derive.recorded_run import NotApplicableError, RecordedRun
from strobe.derive.registry import ANALYSES
from strobe.derive.subject import Subject
from tests.support.effort import UNLESS_IN_CI, tries
from tests.support.odd_manifests import STEPS, odd_run

NAMED = re.compile(
    r"model|task|training|run\.|shape|dims|dtype|role|section|layer|scale|offset|name|group|taken|snapshot\.bytes"
    r"|n_head|n_embd|block_size|vocab_size|mlp_width|activation|bias|embeddings|NaN|Infinity|key|probe|tokens|params/|study"
)
"""What a refusal has one of: the field or the tensor that stands against it."""
_VALUES = {
    "heads": ("entropy", "previous_token", "first_token", "diagonal", "induction", "max_weight"),
    "spectra": ("stable_rank",), "fourier": ("value",), "neurons": ("share",), "progress": ("value",),
}  # fmt: skip
"""The measured columns of a table: each a finite number, or NULL with a note."""


def check_refusal(why: str, said: list[str]) -> None:
    assert NAMED.search(why), (why, said)


def check_rows(table: str, rows: list[dict[str, Any]], seed: int) -> None:
    for row in rows:
        values = [row.get(name) for name in _VALUES.get(table, ())]
        assert all(value is None or math.isfinite(value) for value in values), (seed, table, row)
        assert row.get("note") or None not in values, (seed, table, row)


@pytest.mark.parametrize("part", range(3))
def test_every_table_is_computed_or_refused_by_name(tmp_path: Path, part: int) -> None:
    computed = dict.fromkeys(ANALYSES, 0)
    for seed in range(part, tries(30, 500), 3):
        folder = tmp_path / str(seed)
        said = odd_run(folder, seed)
        try:
            run = Run(folder)
        except StrobeError as error:
            check_refusal(str(error).partition("manifest.json")[2], said)
            continue
        for flat in flatten(folder, run.manifest.hash, [FlattenTask(path, None) for _, _, path in run.files()]):
            check_refusal(flat.error or "name", said)
        subject = Subject(RecordedRun(run))
        for table, analysis in ANALYSES.items():
            try:
                analysis.check(subject)
                rows = analysis.rows(subject, STEPS[0]) if isinstance(analysis, SnapshotAnalysis) else []
            except NotApplicableError as error:
                check_refusal(str(error), said)
            else:
                check_rows(table, rows, seed)
                computed[table] += 1
    # What is odd about a run costs what rests on it and nothing else.
    assert computed["spectra"] >= computed["fourier"] >= computed["neurons"] > 0


@pytest.mark.parametrize("part", [pytest.param(k, marks=UNLESS_IN_CI) for k in range(4)])
def test_ingest_and_analyze_raise_nothing_but_refusals(tmp_path: Path, part: int) -> None:
    analysed = 0
    for seed in range(part, 500, 4):
        root = tmp_path / str(seed)
        said = odd_run(root / "odd", seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                ingest([root / "odd"], root / "store")
            except StrobeError as error:
                check_refusal(str(error), said)
                continue
            store = Store(root / "store")
            report = Deriver(store, store.run("odd")).fill()
        analysed += 1
        for why in report.skipped.values():
            check_refusal(why, said)
        for table in _VALUES:
            check_rows(table, store.sql(f"SELECT * FROM {table}").to_pylist(), seed)
    assert analysed > 50
