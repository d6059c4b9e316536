"""Ingest: what lands in the tables, once, whatever the order, the damage and the number of times."""

from __future__ import annotations

import json
import math
import shutil
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.journal import Journal
from etl.store.catalogue import Store
from etl.store.compact import compact
from etl.store.files import Files
from etl.store.manage import check_parts, remove_run, rename_run
from etl.store.pointer import commit, read_pointer, read_rows, write_part
from tests.support.effort import tries
from tests.support.make_run import losses, make_run
from tests.support.tables import tables

STEPS = (0, 100, 200, 300)


def written(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "runs" / "alpha", steps=STEPS)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_statistics_are_those_of_the_arrays(run: Path, store: Path) -> None:
    ingest([run], store)
    rows = (
        Store(store)
        .sql("SELECT * FROM tensors WHERE section = 'params' AND tensor = 'qkvw' AND layer = 1 AND step = 200")
        .to_pylist()
    )
    now, before = (Run(run).at(step)["params/qkvw"][1].astype(np.float64) for step in (200, 100))
    (row,) = rows
    assert row["n"] == now.size
    expected = {
        "l2": np.linalg.norm(now),
        "mean": now.mean(),
        "std": now.std(),
        "min": now.min(),
        "max": now.max(),
        "abs_max": np.abs(now).max(),
        "zero_fraction": 0.0,
        "delta_l2": np.linalg.norm(now - before),
        "update_ratio": np.linalg.norm(now - before) / 100 / np.linalg.norm(before),
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_sections_and_layers(run: Path, store: Path) -> None:
    ingest([run], store)
    found = Store(store).sql(
        "SELECT section, tensor, count(DISTINCT layer) AS layers, bool_or(layer IS NULL) AS whole "
        "FROM tensors GROUP BY ALL"
    )
    shapes = {(row["section"], row["tensor"]): (row["layers"], row["whole"]) for row in found.to_pylist()}
    assert shapes["params", "fcw"] == (2, False)
    assert shapes["params", "wte"] == (0, True)
    assert shapes["adam_m", "fcw"] == (2, False)
    assert shapes["adam_v", "wte"] == (0, True)
    assert shapes["attention", "att"] == (2, False)
    assert shapes["residual", "encoded"] == (0, True)
    assert {section for section, _ in shapes} == {"params", "grads", "adam_m", "adam_v", "attention", "residual"}


def test_adam_norms_have_l2_and_n_and_nothing_else(run: Path, store: Path) -> None:
    ingest([run], store)
    row = Store(store).sql("SELECT * FROM tensors WHERE section = 'adam_m' AND tensor = 'fcw'").to_pylist()[0]
    assert row["n"] == 64 * 16
    assert row["l2"] is not None
    assert all(row[name] is None for name in ("mean", "std", "min", "max", "zero_fraction", "nonfinite", "delta_l2"))


def test_scalars_and_catalogue(run: Path, store: Path) -> None:
    ingest([run], store)
    opened = Store(store)
    rows = opened.sql("SELECT step, value FROM scalars WHERE name = 'val_loss' ORDER BY step").to_pylist()
    assert [row["step"] for row in rows] == list(range(301))
    assert all(row["value"] == losses(row["step"])["val_loss"] for row in rows)
    (metric,) = opened.sql("SELECT * FROM metrics WHERE name = 'val_loss'").to_pylist()
    peak = max(range(301), key=lambda step: losses(step)["val_loss"])
    assert (metric["n"], metric["first_step"], metric["last_step"], metric["max_step"]) == (301, 0, 300, peak)
    assert metric["unit"] == "nats"
    only_in_snapshots = opened.sql("SELECT step FROM scalars WHERE name = 'recorder_ms' ORDER BY step")
    assert only_in_snapshots["step"].to_pylist() == list(STEPS)


def test_metrics_win_over_the_scalars_of_a_snapshot(run: Path, store: Path) -> None:
    path = run / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line | {"train_loss": 7.0}) + "\n" for line in lines if line["step"] == 100))
    ingest([run], store)
    rows = Store(store).sql("SELECT step, value FROM scalars WHERE name = 'train_loss' ORDER BY step").to_pylist()
    assert [(row["step"], row["value"] == 7.0) for row in rows] == [
        (0, False),
        (100, True),
        (200, False),
        (300, False),
    ]


def test_a_line_that_comes_after_its_snapshot_was_read_still_wins(run: Path, store: Path) -> None:
    path = run / "metrics.jsonl"
    text = path.read_text()
    path.write_text("".join(line + "\n" for line in text.splitlines() if json.loads(line)["step"] < 300))
    ingest([run], store)
    path.write_text(text)
    ingest([run], store)
    rows = Store(store).sql("SELECT count(*) AS n FROM scalars_all WHERE name = 'train_loss' AND step = 300")
    assert rows["n"].to_pylist() == [1]


def test_a_step_logged_twice_counts_once(run: Path, store: Path) -> None:
    journal = Journal(run / "metrics.jsonl")
    journal.append({"step": 5, "time": 1.0, "attempt": 0, "train_loss": 0.25})
    journal.close()
    ingest([run], store)
    opened = Store(store)
    rows = opened.sql("SELECT value FROM scalars WHERE name = 'train_loss' AND step = 5")
    assert rows["value"].to_pylist() == [0.25]
    every = opened.sql("SELECT attempt FROM scalars_all WHERE name = 'train_loss' AND step = 5 ORDER BY attempt")
    assert every["attempt"].to_pylist() == [-1, 0]


def test_nonfinite_values_stay_what_they_are(run: Path, store: Path) -> None:
    journal = Journal(run / "metrics.jsonl")
    for step, value in ((301, math.nan), (302, math.inf), (303, -math.inf), (304, 1.0)):
        journal.append({"step": step, "time": 1.0, "attempt": 0, "odd": value})
    journal.close()
    ingest([run], store)
    opened = Store(store)
    values = opened.sql("SELECT value FROM scalars WHERE name = 'odd' ORDER BY step")["value"].to_pylist()
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf, 1.0]
    (metric,) = opened.sql("SELECT * FROM metrics WHERE name = 'odd'").to_pylist()
    assert (metric["nonfinite"], metric["first_nonfinite_step"], metric["min"], metric["max"]) == (3, 301, 1.0, 1.0)


def test_a_resumed_run_shows_its_last_attempt_and_keeps_both(tmp_path: Path, store: Path) -> None:
    run = make_run(tmp_path / "again", steps=STEPS, attempts=2)
    ingest([run], store)
    opened = Store(store)
    current = opened.sql("SELECT attempt, step FROM snapshots ORDER BY step").to_pylist()
    assert [(row["attempt"], row["step"]) for row in current] == [(0, 0), (0, 100), (1, 200), (1, 300)]
    assert opened.sql("SELECT count(*) AS n FROM snapshots_all")["n"].to_pylist() == [6]
    steps = opened.sql("SELECT step FROM scalars WHERE name = 'train_loss' ORDER BY step")["step"].to_pylist()
    assert steps == list(range(301))
    firsts = opened.sql(
        "SELECT attempt FROM tensors WHERE delta_l2 IS NULL AND section = 'params' AND tensor = 'wte'"
    )
    assert sorted(firsts["attempt"].to_pylist()) == [0, 1], "no difference is taken across attempts"


def test_twice_is_once(run: Path, store: Path) -> None:
    assert ingest([run], store)[0].changed
    before = written(store)
    report = ingest([run], store)[0]
    assert not report.changed
    assert written(store) == before


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recording `alpha` and the store `store` that it was ingested into."""
    base = tmp_path_factory.mktemp("whole")
    ingest([make_run(base / "alpha", steps=STEPS, layers=1, width=4, metrics_every=50)], base / "store")
    return base


@given(st.permutations(STEPS))
@settings(max_examples=tries(3, 8))
def test_the_order_of_arrival_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, at_once: Path, order: list[int]
) -> None:
    base = tmp_path_factory.mktemp("order")
    growing = base / "growing" / "alpha"
    shutil.copytree(at_once / "alpha", growing)
    files = {step: (growing / f"step_{step:06d}.bin").rename(base / f"{step}.bin") for step in STEPS}
    for step in order:
        files[step].rename(growing / f"step_{step:06d}.bin")
        ingest([growing], base / "bit_by_bit")
    whole, bit_by_bit = tables(at_once / "store"), tables(base / "bit_by_bit")
    for table in ("tensors", "scalars", "snapshots", "metrics", "attempts"):
        assert bit_by_bit[table] == whole[table], table


def test_growing_metrics_are_added_once(run: Path, store: Path) -> None:
    text = (run / "metrics.jsonl").read_text()
    lines = text.splitlines(keepends=True)
    for cut in range(0, len(lines), 37):
        torn = "".join(lines[:cut]) + (lines[cut][:9] if cut % 2 else "")
        (run / "metrics.jsonl").write_text(torn)
        ingest([run], store)
    (run / "metrics.jsonl").write_text(text)
    ingest([run], store)
    shutil.copytree(run, run.parent / "fresh" / "alpha")
    ingest([run.parent / "fresh" / "alpha"], store.parent / "other")
    assert tables(store)["scalars"] == tables(store.parent / "other")["scalars"]


def test_a_damaged_snapshot_is_one_damaged_snapshot(run: Path, store: Path) -> None:
    (run / "step_000100.bin").write_bytes(b"STROBE1\0" + bytes(100))
    (report,) = ingest([run], store)
    assert [loss.file for loss in report.lost] == ["step_000100.bin"]
    assert Store(store).sql("SELECT step FROM snapshots ORDER BY step")["step"].to_pylist() == [0, 200, 300]


def test_a_replaced_snapshot_is_read_again(run: Path, store: Path) -> None:
    ingest([run], store)
    other = make_run(run.parent / "other" / "alpha", steps=STEPS, seed=0)
    manifest = (run / "manifest.json").read_bytes()
    assert (other / "manifest.json").read_bytes() == manifest
    for step in STEPS:
        (run / f"step_{step:06d}.bin").touch()
    assert not ingest([run], store)[0].changed, "a new time stamp is no new content"


def test_a_thinned_snapshot_keeps_its_rows(run: Path, store: Path) -> None:
    ingest([run], store)
    (run / "step_000100.bin").unlink()
    ingest([run], store)
    opened = Store(store)
    files = opened.sql("SELECT step, file FROM snapshots ORDER BY step").to_pylist()
    assert [row["file"] is None for row in files] == [False, True, False, False]
    assert opened.sql("SELECT count(*) AS n FROM tensors WHERE step = 100")["n"].to_pylist() != [0]


def test_another_run_under_a_taken_id_gets_a_number(tmp_path: Path, store: Path) -> None:
    first = make_run(tmp_path / "a" / "alpha")
    second = make_run(tmp_path / "b" / "alpha", seed=9)
    assert [report.run for report in ingest([first, second], store)] == ["alpha", "alpha-2"]
    assert [report.run for report in ingest([second, first], store)] == ["alpha-2", "alpha"]
    moved = first.rename(tmp_path / "moved")
    (report,) = ingest([moved], store)
    assert report.run == "alpha", "a run that was moved is the same run"
    assert Store(store).run("alpha").folder == moved


def test_two_at_once_do_no_harm(run: Path, store: Path) -> None:
    threads = [threading.Thread(target=ingest, args=([run], store)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ingest([run], store.parent / "alone")
    assert tables(store) == tables(store.parent / "alone")


def test_compaction_changes_no_row(tmp_path: Path, store: Path) -> None:
    run = make_run(tmp_path / "alpha", steps=(0,))
    for step in range(10, 100, 10):
        shutil.rmtree(run)
        make_run(run, steps=range(0, step + 1, 10))
        ingest([run], store)
    before = tables(store)
    assert compact(store, "alpha") > 5
    assert tables(store) == before
    assert compact(store, "alpha") == 0
    assert all(problem is None for problem in check_parts(store))


def test_what_no_pointer_names_is_removed_by_the_next_ingest(run: Path, store: Path) -> None:
    ingest([run], store)
    before = tables(store)
    stray = store / "tables" / "scalars" / "run=alpha" / "part-deadbeef.parquet"
    stray.write_bytes(b"half a part")
    assert tables(store) == before
    ingest([run], store)
    assert not stray.exists()


def test_a_new_name_outlives_the_next_ingest(run: Path, store: Path) -> None:
    from etl.store.files import Files

    ingest([run], store)
    rename_run(Files(store), "alpha", "The one that groks")
    journal = Journal(run / "metrics.jsonl")
    journal.append({"step": 301, "time": 1.0, "train_loss": 0.5})
    journal.close()
    ingest([run], store)
    assert Store(store).run("The one that groks").id == "alpha"


def test_removal(run: Path, store: Path) -> None:
    from etl.store.files import Files

    ingest([run], store)
    remove_run(Files(store), "alpha")
    assert Store(store).runs().num_rows == 0
    assert not list((store / "tables").rglob("*.parquet"))
    ingest([run], store)
    assert Store(store).runs()["run"].to_pylist() == ["alpha"]


def test_what_is_no_run(tmp_path: Path, store: Path) -> None:
    with pytest.raises(StrobeError, match="does not exist"):
        ingest([tmp_path / "nowhere"], store)
    (tmp_path / "empty").mkdir()
    with pytest.raises(StrobeError, match="it is empty"):
        ingest([tmp_path / "empty"], store)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StrobeError, match="is not the log of a training that is known.*it begins with 'x'"):
        ingest([tmp_path / "file"], store)
    with pytest.raises(StrobeError, match="is a file; a store is a folder"):
        ingest([make_run(tmp_path / "alpha")], tmp_path / "file")


def test_a_missing_snapshots_folder_leaves_the_tables(run: Path, store: Path) -> None:
    ingest([run], store)
    shutil.rmtree(run)
    stored = Store(store).run("alpha")
    assert stored.folder is None
    assert stored.steps() == []
    with pytest.raises(StrobeError, match="no snapshots on this machine"):
        stored.at(0)
    assert isinstance(Store(store).sql("SELECT * FROM tensors"), pa.Table)


def test_a_pointer_from_before_there_were_sources_is_continued(run: Path, store: Path) -> None:
    ingest([run], store)
    path = store / "runs" / "alpha" / "_parts.json"
    pointer = json.loads(path.read_text())
    assert pointer["state"].pop("source") == "snapshots"
    path.write_text(json.dumps(pointer))
    (report,) = ingest([run], store)
    assert (report.run, report.snapshots, report.metrics) == ("alpha", 0, 0)
    assert Store(store).runs()["run"].to_pylist() == ["alpha"]


def test_a_unit_that_was_told_by_an_older_rule_is_mended(run: Path, store: Path) -> None:
    """Nothing else of the run is new."""
    ingest([run], store)
    files = Files(store)
    pointer = read_pointer(files, "alpha")
    metrics = read_rows(files, pointer, "metrics")
    right = metrics["unit"].to_pylist()
    wrong = metrics.set_column(metrics.schema.get_field_index("unit"), "unit", pa.array(["percent"] * len(right)))
    commit(files, pointer, {"metrics": [write_part(files, "alpha", "metrics", wrong)]}, pointer.state)
    assert ingest([run], store)[0].changed
    assert read_rows(files, read_pointer(files, "alpha"), "metrics")["unit"].to_pylist() == right
    assert not ingest([run], store)[0].changed


def test_a_log_that_shrank_and_grew_again_has_each_step_once(tmp_path: Path, store: Path) -> None:
    run = make_run(tmp_path / "alpha", steps=(0,))
    path = run / "metrics.jsonl"
    lines = [f'{{"step": {step}, "time": 1.0, "train_loss": {step}.5}}\n' for step in range(8)]
    for text in (lines, lines[:3], lines[:5], lines):
        path.write_text("".join(text))
        ingest([run], store)
        steps = Store(store).sql("SELECT step FROM scalars WHERE name = 'train_loss' ORDER BY step")
        assert steps["step"].to_pylist() == list(range(8)), "what was read stays"
