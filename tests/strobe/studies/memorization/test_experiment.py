"""A study from its plan to its tables: begun, killed, taken up again, restarted, refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import strobe
from etl.errors import StrobeError
from etl.run.folder import Run
from strobe.derive.study_files import FOLDER, points, read_point, study_of
from strobe.studies.memorization.api import into_store
from strobe.studies.memorization.experiment import begin
from strobe.studies.memorization.plan import plan_of
from tests.support.places import ROOT
from tests.support.small_study import measured, small_plan


class Killed(BaseException):
    """Like a kill, but this process lives on."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "whole"
    assert begin(folder, small_plan(), resume=False).run(lambda *_: None) == "finished"
    return folder


def test_every_point_has_every_passage(finished: Path) -> None:
    assert list(points(finished)) == [1, 2, 4]
    table = measured(finished)
    assert table.num_rows == 36
    first = table.to_pylist()[0]
    assert (first["epoch"], first["step"], first["split"]) == (1, 3, "trained")
    assert len(first["compression"]) == 1
    mean = np.mean(first["token_compression"][0])
    assert first["compression"][0] == pytest.approx(mean, rel=1e-5)
    assert len(first["token_compression"][0]) == len(
        (first["prompt"] + " " + first["target"]).replace(",", " ,").replace(".", " .").split()
    )
    assert first["exact_matches"] == round(first["accuracy"] * first["tokens"])


def test_it_is_an_ordinary_run_with_snapshots_at_the_points(finished: Path) -> None:
    run = Run(finished)
    assert list(run.current()) == [0, 3, 6, 12]
    assert run.manifest.task["kind"] == "memorization"


def test_no_pickle_lies_in_the_study(finished: Path) -> None:
    assert {path.suffix for path in (finished / FOLDER).iterdir()} == {".json", ".parquet"}
    assert json.loads((finished / FOLDER / "study.json").read_text())["epochs"] == [1, 2, 4]


def test_the_store_has_its_tables_and_its_findings(finished: Path, tmp_path: Path) -> None:
    run = into_store(finished, tmp_path / "store")
    store = strobe.open(tmp_path / "store")
    counted = {table: store.sql(f"SELECT count(*) AS n FROM {table} WHERE run = $1", [run])["n"][0].as_py()
               for table in ("passages", "compression", "findings", "scalars", "snapshots")}  # fmt: skip
    assert (counted["passages"], counted["compression"], counted["snapshots"]) == (36, 36, 4)
    assert counted["scalars"] > 12
    rows = store.sql("SELECT * FROM findings WHERE run = $1", [run]).to_pylist()
    assert {row["analysis"] for row in rows} >= {"reproduction", "separation", "shape", "prediction"}
    assert len({row["tests"] for row in rows}) == 1
    assert all(row["note"] for row in rows if row["p"] is None)
    again = into_store(finished, tmp_path / "store")
    assert again == run


@pytest.mark.parametrize(("training", "moment"), [("continuous", 7), ("restart", 12)])
def test_killed_and_taken_up_again_the_tables_are_the_same(tmp_path: Path, training: str, moment: int) -> None:
    plan = small_plan(training=training)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    begin(whole, plan, resume=False).run(lambda *_: None)

    def report(step: int, _: dict[str, float]) -> None:
        if step == moment:
            raise Killed

    with pytest.raises(Killed):
        begin(broken, plan, resume=False).run(report)
    before = {epoch: path.stat().st_mtime_ns for epoch, path in points(broken).items()}
    assert before
    begin(broken, plan, resume=True).run(lambda *_: None)
    assert measured(broken).equals(measured(whole))
    assert {epoch: points(broken)[epoch].stat().st_mtime_ns for epoch in before} == before
    assert list(Run(broken).current()) == list(Run(whole).current())


def test_a_finished_study_has_nothing_left_to_do(finished: Path) -> None:
    before = measured(finished)
    assert begin(finished, small_plan(), resume=True).run(lambda *_: None) == "finished"
    assert measured(finished).equals(before)


def test_restarts_begin_with_other_weights(tmp_path: Path) -> None:
    begin(tmp_path / "a", small_plan(training="restart", epochs=(1, 2)), resume=False).run(lambda *_: None)
    run = Run(tmp_path / "a")
    assert list(run.current()) == [0, 3, 6]
    begin(tmp_path / "b", small_plan(epochs=(1, 2)), resume=False).run(lambda *_: None)
    one, other = (measured(tmp_path / name) for name in "ab")
    assert one.slice(0, 12).equals(other.slice(0, 12))
    assert one["perplexity"].to_pylist()[12:] != other["perplexity"].to_pylist()[12:]


def test_a_study_is_neither_begun_twice_nor_resumed_as_another(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(StrobeError, match="holds a study already; give --resume"):
        begin(finished, small_plan(), resume=False)
    with pytest.raises(StrobeError, match="keeps its seed of 0; 1 was given"):
        begin(finished, small_plan(seed=1), resume=True)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(StrobeError, match="holds another run"):
        begin(tmp_path, small_plan(), resume=False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epochs": (5, 1)}, "give 1,5,20"),
        ({"training": "anew"}, "continuous or restart"),
        ({"passages": 3}, "at least 4"),
        ({"threshold": 0.0}, "above 0"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(StrobeError, match=words):
        plan_of("quick", **given)
    with pytest.raises(StrobeError, match="there is no mode 'fast'"):
        plan_of("fast")


def test_a_damaged_point_is_named(finished: Path, tmp_path: Path) -> None:
    bad = tmp_path / "epoch_000001.parquet"
    bad.write_bytes(points(finished)[1].read_bytes()[:-9])
    with pytest.raises(StrobeError, match="epoch_000001.parquet: cannot be read"):
        read_point(bad)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "study.json").write_text("{")
    with pytest.raises(StrobeError, match="study.json: cannot be read"):
        study_of(tmp_path)


def _carry_out(folder: Path, training: str, kill_at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.support.small_study", str(folder), training, str(kill_at)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("training", ["continuous", "restart"])
def test_killed_at_any_touch_of_its_files_it_ends_with_the_same_tables(tmp_path: Path, training: str) -> None:
    whole = _carry_out(tmp_path / "whole", training, 0)
    count = int(whole.stdout)
    expected = measured(tmp_path / "whole")
    for moment in np.linspace(1, count, 20).round().astype(int).tolist():
        folder = tmp_path / f"killed-{moment}"
        assert _carry_out(folder, training, moment).returncode == -9, moment
        begin(folder, small_plan(training=training), resume=True).run(lambda *_: None)
        assert measured(folder).equals(expected), moment
