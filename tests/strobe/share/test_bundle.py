"""Shares as folders: what is in them, that it is the same again, fits, tells nothing, and replaces nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from strobe.derive.filling.staleness import stale
from strobe.derive.registry import ANALYSES
from strobe.share import bundle
from strobe.share.bundle import SHARE_FILE, allowances, share
from strobe.share.run import Subject
from strobe.share.scrub import Scrubber
from tests.support.app_store import log_only
from tests.support.make_run import make_run


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that is quick to copy."""
    root = tmp_path_factory.mktemp("app")
    for name in ("streamlit_app.py", "requirements.txt", ".streamlit/config.toml", "LICENSE"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x\n")
    for folder in ("pages", "strobe", "etl"):
        (root / folder / "__pycache__").mkdir(parents=True)
        (root / folder / "a.py").write_text("x = 1\n")
        (root / folder / "__pycache__" / "a.pyc").write_text("/home/someone")
    return root


@pytest.fixture(scope="module")
def grok(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A run of 16 snapshots whose onset is at step 880, analyzed in part."""
    root = tmp_path_factory.mktemp("grok")
    ingest([make_run(root / "grok-a", steps=range(0, 1501, 100), layers=1, vocab=97)], root / "store")
    store = Store(root / "store")
    Deriver(store, store.run("grok-a")).fill(["heads", "transitions"])
    return Store(root / "store")


def made(store: Store, target: Path, app: Path, mb: float = 25, runs: Sequence[str] = ("grok-a",)) -> dict:
    return share(store, [store.run(name) for name in runs], target, int(mb * 1e6), root=app)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_share_has_the_app_and_a_store_that_says_the_same(grok: Store, app: Path, tmp_path: Path) -> None:
    said = made(grok, tmp_path / "out", app)
    there = contents(tmp_path / "out")
    assert {
        "streamlit_app.py",
        "requirements.txt",
        ".streamlit/config.toml",
        "pages/a.py",
        "etl/a.py",
    } <= there.keys()
    assert not [name for name in there if "__pycache__" in name or name.endswith((".pyc", ".lock"))]
    shared = Store(tmp_path / "out" / "store")
    assert shared.damage == []
    for table in ("scalars", "tensors", "metrics", "heads", "transitions"):
        query = f"SELECT * FROM {table} ORDER BY ALL"
        assert shared.sql(query).equals(grok.sql(query)), table
    run = shared.run("grok-a")
    assert run.steps() == grok.run("grok-a").steps()
    for table in ("heads", "transitions"):
        assert table in ANALYSES
        assert stale(run, table) == stale(grok.run("grok-a"), table) == []
    assert json.loads((tmp_path / "out" / SHARE_FILE).read_text())["content"] == said["content"]
    for snapshot in run.snapshots():
        snapshot.verify()


@pytest.mark.parametrize("mb", [25, 0.46])
def test_every_value_is_as_near_as_the_manifest_says(grok: Store, app: Path, tmp_path: Path, mb: float) -> None:
    made(grok, tmp_path / "out", app, mb)
    given, shared = grok.run("grok-a"), Store(tmp_path / "out" / "store").run("grok-a")
    entries = [each for each in shared.recording().manifest.raw["snapshot"]["tensors"] if "stored" in each]
    assert {each["dtype"] for each in entries} >= ({"float16"} if mb == 25 else {"int8"})
    for entry in entries:
        worst = 0.0
        for step in shared.steps():
            read = shared.at(step).values(entry["name"]).astype(np.float64)
            worst = max(worst, float(np.abs(read - given.at(step).values(entry["name"])).max()))
        assert worst == entry["stored"]["max_error"] > 0


def test_a_share_of_a_share_adds_both_errors(grok: Store, app: Path, tmp_path: Path) -> None:
    made(grok, tmp_path / "one", app)
    made(Store(tmp_path / "one" / "store"), tmp_path / "two", app, 0.41)
    given, shared = grok.run("grok-a"), Store(tmp_path / "two" / "store").run("grok-a")
    entries = {each["name"]: each for each in shared.recording().manifest.raw["snapshot"]["tensors"]}
    entry = entries["params/wte"]
    assert (entry["dtype"], entry["stored"]["from"]) == ("int8", "float32")
    for step in shared.steps():
        far = shared.at(step).values("params/wte").astype(np.float64) - given.at(step).values("params/wte")
        assert np.abs(far).max() <= entry["stored"]["max_error"]
    assert json.loads(shared.row["reduced"])["snapshots_recorded"] == 16


def test_what_does_not_fit_is_thinned_and_said(grok: Store, app: Path, tmp_path: Path) -> None:
    said = made(grok, tmp_path / "out", app, 0.41)
    (run,) = said["runs"]
    steps = run["snapshots"]["kept"]
    assert {0, 800, 1500} <= set(steps)
    assert 4 <= len(steps) < 16
    assert run["dropped"]
    assert sum(len(data) for data in contents(tmp_path / "out").values()) == said["size"] <= 410_000
    shared = Store(tmp_path / "out" / "store")
    rows = shared.sql("SELECT step, file FROM snapshots ORDER BY step").to_pylist()
    assert [row["step"] for row in rows if row["file"]] == steps == shared.run("grok-a").steps()
    reduced = json.loads(shared.run("grok-a").row["reduced"])
    assert (reduced["snapshots_kept"], reduced["snapshots_recorded"]) == (len(steps), 16)
    whole = "SELECT * FROM scalars WHERE name = 'val_accuracy' ORDER BY ALL"
    assert shared.sql(whole).equals(grok.sql(whole))


def test_the_onset_is_among_the_steps_however_little_else_moves_there(grok: Store) -> None:
    subject = Subject.of(grok, grok.run("grok-a"))
    assert subject.always == (880,)
    still = Subject(subject.stored, [], subject.always)
    assert still.steps(range(0, 15_001, 100), 4) == [0, 800, 5_000, 15_000]


def test_too_little_room_names_what_to_leave_out_and_writes_nothing(grok: Store, app: Path, tmp_path: Path) -> None:
    with pytest.raises(StrobeError, match=r"grok-a: its tables take .* leave out a run, or give a larger --max-size"):
        made(grok, tmp_path / "out", app, 0.27)
    with pytest.raises(StrobeError, match="the app alone"):
        made(grok, tmp_path / "out", app, 0.1)
    assert list(tmp_path.iterdir()) == []


def test_the_same_runs_give_the_same_bytes(grok: Store, app: Path, tmp_path: Path) -> None:
    made(grok, tmp_path / "a", app, 0.41)
    copied = shutil.copytree(grok.path, tmp_path / "elsewhere")
    made(Store(copied), tmp_path / "b", app, 0.41)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_share_is_made_again_in_its_place_and_nothing_else_is_replaced(
    grok: Store, app: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / ".git").mkdir(parents=True)
    (out / ".git" / "HEAD").write_text("ref")
    made(grok, out, app)
    (out / "README.md").write_text("mine")
    first = set(contents(out))
    made(grok, out, app, 0.41)
    there = contents(out)
    assert there["README.md"] == b"mine"
    assert there[".git/HEAD"] == b"ref"
    listed = json.loads(there[SHARE_FILE])["files"]
    assert set(there) == {*listed, SHARE_FILE, "README.md", ".git/HEAD"}
    assert first - set(there)
    for wrong in (tmp_path / "full", tmp_path / "file", tmp_path / "odd"):
        wrong.mkdir() if wrong.name != "file" else wrong.write_text("")
    (tmp_path / "full" / "thesis.tex").write_text("")
    (tmp_path / "odd" / SHARE_FILE).write_text('{"format": "other"}')
    (tmp_path / "link").symlink_to(tmp_path / "out")
    for name in ("full", "file", "odd", "link"):
        with pytest.raises(StrobeError, match="give another --out"):
            made(grok, tmp_path / name, app)
    with pytest.raises(StrobeError, match="in a folder that exists"):
        made(grok, tmp_path / "no" / "where", app)


def test_a_list_of_files_that_leads_outside_removes_nothing_there(grok: Store, app: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "way").symlink_to(tmp_path)
    files = {"../precious": "", str(precious): "", "way/precious": ""}
    (tmp_path / "out" / SHARE_FILE).write_text(json.dumps({"format": "strobe-share", "files": files}))
    made(grok, tmp_path / "out", app)
    assert precious.exists()


def test_a_dry_run_says_the_same_and_writes_nothing(grok: Store, app: Path, tmp_path: Path) -> None:
    said = share(grok, [grok.run("grok-a")], tmp_path / "out", 410_000, dry_run=True, root=app)
    assert list(tmp_path.iterdir()) == []
    assert said == made(grok, tmp_path / "out", app, 0.41)


def hidden_everywhere(root: Path, name: str = "grok-b") -> Store:
    """A run whose settings, notes and host are those of somebody."""
    run = make_run(root / "homes" / "zebulon" / name, steps=(0, 100), layers=1)
    manifest = json.loads((run / "manifest.json").read_text())
    for file in run.glob("step_*.bin"):
        file.unlink()
    manifest["training"] |= {
        "host": "wolkenkuckuck", "user": "zebulon", "data": f"{root}/homes/zebulon/data.bin",
        "why": "zebulon asked wolkenkuckuck",
    }  # fmt: skip
    (run / "manifest.json").write_text(json.dumps(manifest))
    ingest([run], root / "store")
    return Store(root / "store")


def texts(folder: Path) -> str:
    """All bytes, and those of tables and their metadata as they are read."""
    found = [data.decode("latin-1") for data in contents(folder).values()]
    found += ["\n".join(contents(folder))]
    for path in folder.rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        found += [str(table.to_pylist()), str(table.schema), str(pq.read_metadata(path).metadata)]
    return "\n".join(found)


def test_no_path_host_or_user_is_in_any_file(
    grok: Store, app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.node", lambda: "wolkenkuckuck.example")
    store = hidden_everywhere(tmp_path)
    told = texts(tmp_path / "store")
    assert all(word in told for word in ("zebulon", "wolkenkuckuck", str(tmp_path)))
    said = made(store, tmp_path / "out", app, runs=["grok-b"])
    told = texts(tmp_path / "out")
    assert [word for word in ("zebulon", "wolkenkuckuck", str(tmp_path), os.uname().nodename) if word in told] == []
    assert said["texts_removed"] > 0
    config = json.loads(Store(tmp_path / "out" / "store").run("grok-b").row["config"])
    assert "[removed] asked [removed]" in json.dumps(config)


def test_a_run_that_is_called_after_its_user_is_refused(app: Path, tmp_path: Path) -> None:
    store = hidden_everywhere(tmp_path, "zebulon-run")
    with pytest.raises(StrobeError, match="would tell 'zebulon'"):
        made(store, tmp_path / "out", app, runs=["zebulon-run"])
    assert not (tmp_path / "out").exists()


def test_a_forgotten_scrubbing_would_be_seen(app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = hidden_everywhere(tmp_path)
    monkeypatch.setattr(Scrubber, "rows", lambda self, rows: rows)
    with pytest.raises(StrobeError, match="would tell"):
        made(store, tmp_path / "out", app, runs=["grok-b"])


def test_a_run_of_metrics_alone_and_a_hostile_name(app: Path, tmp_path: Path) -> None:
    name = "<script>alert(1)</script> ../../etc"
    rows = [{"step": k, "val_loss": 1.0 / (k + 1), "time": 1.0 + k} for k in range(50)]
    store = Store(log_only(tmp_path, rows))
    from etl.store.manage import rename_run

    rename_run(store.run("log-only").files, "log-only", name)
    store = Store(tmp_path / "store")
    said = made(store, tmp_path / "out", app, runs=["log-only"])
    shared = Store(tmp_path / "out" / "store").run("log-only")
    assert (shared.folder, shared.steps()) == (None, [])
    assert said["runs"][0]["snapshots"] == {"kept": [], "of": 0}
    assert shared.row["name"].startswith("<script>")


def test_a_diverged_run_keeps_its_nan_and_what_int8_cannot_hold(app: Path, tmp_path: Path) -> None:
    from etl.run.writer import SnapshotWriter

    source, run = make_run(tmp_path / "src", steps=(0, 100, 200), layers=1), tmp_path / "lost"
    opened = Run(source)
    raw = opened.manifest.raw | {"run": opened.manifest.raw["run"] | {"id": "lost"}}
    run.mkdir()
    writer = SnapshotWriter(run, raw, fsync=False)
    for step in opened.steps():
        arrays = {name: np.array(opened.at(step)[name]) for name in opened.at(step).names}
        arrays["params/wte"][0, 0] = np.nan if step else 1.0
        arrays["params/fcw"][0, 0, 0] = 1e6 if step else 1.0
        arrays["params/qkvw"][0, 0, 0] = np.inf if step else 1.0
        writer.write(step, arrays, time=1.0)
    for name in ("metrics.jsonl", "attempts.jsonl"):
        shutil.copy(source / name, run)
    ingest([run], tmp_path / "store")
    store = Store(tmp_path / "store")
    kinds = {}
    monkey = pytest.MonkeyPatch()
    monkey.setattr("strobe.share.run.MODES", bundle_modes()[2:])
    try:
        made(store, tmp_path / "out", app, runs=["lost"])
    finally:
        monkey.undo()
    shared = Store(tmp_path / "out" / "store").run("lost")
    for entry in shared.recording().manifest.raw["snapshot"]["tensors"]:
        kinds[entry["name"]] = entry["dtype"]
    assert (kinds["params/wte"], kinds["params/qkvw"]) == ("float16", "float16")
    assert (kinds["params/fcw"], kinds["params/attprojw"]) == ("int8", "int8")
    assert np.isnan(shared.at(200).values("params/wte")[0, 0])
    assert np.isposinf(shared.at(200).values("params/qkvw")[0, 0, 0])


def bundle_modes() -> tuple:
    from strobe.share.run import MODES

    return MODES


def test_room_is_shared_and_what_one_leaves_goes_to_the_others() -> None:
    assert allowances([10_000_000, 100, 10_000_000], 10_500_120) == [5_000_000, 500_120, 5_000_000]
    assert sum(allowances([1, 1], 100)) == 100
    assert bundle.STORE == "store"
