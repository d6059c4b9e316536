"""The embedded examples: a real run that groks, and a memorization study, thinned to travel with the code."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.thin import choose_steps, thin
from etl.store.catalogue import Store
from etl.store.files import Files
from etl.store.pointer import (
    PartFile,
    commit,
    forget_versions_before,
    read_pointer,
    read_rows,
    table_folder,
    write_part,
)
from strobe.derive.filling.deriver import Deriver
from strobe.derive.milestones import milestones
from strobe.derive.study_files import FOLDER, study_of

SNAPSHOTS = 28
"""How many snapshots of the grokking run fit the size budget."""
MAX_BYTES = 15_000_000
KEPT_OF_A_STUDY = frozenset({"scalars", "probe"})
"""Sections of a study's snapshots that travel: its tables and its epoch points hold the rest."""


def dense_range(store: Store, run: str) -> tuple[int, int] | None:
    """From where the training set is known to the grokking onset: where structure forms. None without an onset."""
    onset = milestones(store.sql, run).onset
    if onset is None or onset.step is None or onset.fitted is None:
        return None
    return onset.fitted, onset.step


def embed(run_folder: Path, target: Path, *, on_step: Callable[[int], None] = lambda _step: None) -> int:
    """Make `target` a store that holds this run, thinned, and what other runs it held; returns its size in bytes.

    `target` is replaced as a whole at the end. Raises StrobeError when the result is over the budget.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".example-") as scratch:
        made = Path(scratch) / "store"
        (report,) = ingest([run_folder], made)
        run = Run(run_folder)
        steps = choose_steps(run.steps(), SNAPSHOTS, dense_range(Store(made), report.run))
        folder = f"runs/{report.run}/snapshots"
        reduced = thin(run, made / folder, steps, drop=_dropped(run), on_step=on_step)
        _take_points(run_folder, made / folder)
        _point_to(Files(made), report.run, folder, reduced)
        analysed = Store(made)
        Deriver(analysed, analysed.run(report.run)).fill()
        forget_versions_before(Files(made), report.run)
        _keep_others(target, made, report.run)
        for lock in made.rglob(".lock"):
            lock.unlink()
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
        if size > MAX_BYTES:
            raise StrobeError(f"the example is {size / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB may travel")
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    return size


def _dropped(run: Run) -> set[str]:
    """The sections that do not travel."""
    if study_of(run.folder) is None:
        return {"grads"}
    return {tensor.section for tensor in run.manifest.snapshot.tensors} - KEPT_OF_A_STUDY


def _take_points(run: Path, snapshots: Path) -> None:
    """The epoch points of a study, from which its tables can be filled again."""
    if (run / FOLDER).is_dir():
        shutil.copytree(run / FOLDER, snapshots / FOLDER, ignore=shutil.ignore_patterns(".*"))


def _keep_others(before: Path, made: Path, run: str) -> None:
    """The other runs of a store that is replaced go on in the one that is made."""
    files = Files(before)
    for other in files.names("runs"):
        if other != run:
            shutil.copytree(before / "runs" / other, made / "runs" / other)
            for table in files.names("tables"):
                if (part := before / table_folder(table, other)).is_dir():
                    shutil.copytree(part, made / table_folder(table, other))


def _point_to(files: Files, run: str, folder: str, reduced: dict[str, object]) -> None:
    """Let the tables speak of the thinned snapshots that lie in the store itself."""
    assert files.local is not None
    kept = {(step, attempt): path for step, attempt, path in Run(files.local / folder).files()}
    pointer = read_pointer(files, run)
    rows = read_rows(files, pointer, "snapshots").to_pylist()
    opened = Run(files.local / folder)
    for row in rows:
        path = kept.get((row["step"], row["attempt"]))
        row["file"] = path.name if path is not None else None
        if path is not None:
            row |= {"bytes": path.stat().st_size, "crc32": opened.open(path).payload_crc, "modified": None}
    snapshots = pa.Table.from_pylist(rows, read_rows(files, pointer, "snapshots").schema)
    about = read_rows(files, pointer, "runs")
    for column, value in (("snapshots_path", folder), ("reduced", json.dumps(reduced))):
        about = about.set_column(about.schema.get_field_index(column), column, pa.array([value]))
    # Where it was read from means nothing elsewhere.
    tables: dict[str, list[PartFile]] = {"imports": []}
    tables["snapshots"] = [write_part(files, run, "snapshots", snapshots)]
    tables["runs"] = [write_part(files, run, "runs", about)]
    state = pointer.state | {"reduced": json.dumps(reduced), "recording": folder}
    commit(files, pointer, tables, state)
