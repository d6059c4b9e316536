"""The commands over the store, as a person or a program calls them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run.journal import Journal
from strobe.cli import app
from strobe.commands import data
from tests.support.effort import whole_in_ci
from tests.support.make_run import make_run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STROBE_STORE", raising=False)
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)


def call(*arguments: str, code: int = 0, answer: str | None = None) -> str:
    result = CliRunner().invoke(app, arguments, input=answer)
    if isinstance(result.exception, StrobeError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def rows(*arguments: str) -> Any:
    return json.loads(call(*arguments), parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    make_run(tmp_path / "runs" / "alpha", attempts=2, steps=(0, 100, 200, 300))
    make_run(tmp_path / "runs" / "beta", seed=1)
    call("ingest", "runs")
    return tmp_path / "store"


def test_ingest_says_what_is_new_and_then_that_nothing_is(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "alpha")
    assert "alpha: 3 snapshots" in call("ingest", "runs")
    assert "alpha: nothing new" in call("ingest", "runs/alpha")
    (report,) = rows("ingest", "runs", "--json")
    assert (report["run"], report["changed"], report["status"]) == ("alpha", False, "finished")


def test_ingest_names_a_damaged_snapshot_and_exits_with_1(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "alpha")
    (run / "step_000100.bin").write_bytes(b"x" * 100)
    result = CliRunner().invoke(app, ["ingest", "runs"])
    assert result.exit_code == 1
    assert "left out step_000100.bin" in result.stderr
    shown = rows("show", "alpha", "--json")
    assert shown["snapshot_steps"] == [0, 200]
    assert [(bad["step"], "magic" in bad["reason"]) for bad in shown["snapshots_damaged"]] == [(100, True)]
    assert "step 100:" in call("show", "alpha")


@pytest.mark.parametrize("harm", ["snapshot", "line", "log"])
def test_ingest_of_what_is_damaged_exits_with_1_each_time(tmp_path: Path, harm: str) -> None:
    run = make_run(tmp_path / "runs" / "alpha", metrics_every=10)
    log = tmp_path / "log.jsonl"
    path = log if harm == "log" else run / ("metrics.jsonl" if harm == "line" else "step_000100.bin")
    log.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    sound = path.read_bytes()
    path.write_bytes(b"x" * 100 if harm == "snapshot" else sound.replace(b"\n", b"\n{bad\n", 1))
    words = ["ingest", "log.jsonl" if harm == "log" else "runs"]
    results = [CliRunner().invoke(app, words) for _ in range(3)]
    assert [result.exit_code for result in results] == [1, 1, 1]
    assert all("left out" in result.stderr for result in results)
    path.write_bytes(sound)
    mended = CliRunner().invoke(app, ["ingest", "--rebuild", "runs/alpha" if harm != "log" else "log.jsonl"])
    assert mended.exit_code == 0, mended.output
    assert CliRunner().invoke(app, words).exit_code == 0


def test_runs(filled: Path) -> None:
    listed = rows("runs", "--json")
    assert [row["run"] for row in listed] == ["beta", "alpha"]
    assert listed[1]["steps"] == 300
    assert "alpha" in call("runs")


def test_runs_and_show_say_whether_a_run_grokked_and_why_not(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "grokked", steps=range(0, 1501, 500))
    make_run(tmp_path / "runs" / "stopped", steps=range(0, 601, 300), end="interrupted")
    call("ingest", "runs")
    answers = {row["run"]: (row["grokking"], row["grokking_onset"]) for row in rows("runs", "--json")}
    assert answers == {"grokked": ("grokked", 880), "stopped": ("unfinished", None)}
    printed = {line.split()[0]: line for line in call("runs").splitlines()}
    assert printed["grokked"].split()[-4:-2] == ["grokked", "880"]
    assert " unfinished " in printed["stopped"]
    assert "Grokking onset at step 880; the training set was known from step 100" in call("show", "grokked")
    assert "; the run was interrupted at step 600." in call("show", "stopped")
    assert "Grokking onset: validation accuracy ≥ 0.99 for 10 evaluations more" in call("show", "stopped")
    found = rows("show", "grokked", "--json")["milestones"]
    assert (found["grokking_onset"], found["training_set_known"], found["test_loss_peak"]) == (880, 100, 336)


def test_an_empty_store_says_how_to_begin() -> None:
    assert "strobe ingest" in call("runs")
    assert rows("runs", "--json") == []


def test_show_by_id_name_and_folder(filled: Path, tmp_path: Path) -> None:
    by_id = rows("show", "alpha", "--json")
    assert by_id["run"]["n_layer"] == 2
    assert len(by_id["attempts"]) == 2
    assert {metric["name"] for metric in by_id["metrics"]} >= {"train_loss", "val_loss"}
    assert rows("show", str(tmp_path / "runs" / "alpha"), "--json") == by_id
    call("rename", "alpha", "The first")
    assert rows("show", "The first", "--json")["run"]["run"] == "alpha"
    assert "parameters" in call("show", "alpha")


def test_unknown_runs_are_answered_with_the_nearest(filled: Path) -> None:
    for command in (["show", "alpah"], ["rm", "alpah", "--yes"], ["rename", "alpah", "x"], ["verify", "alpah"]):
        with pytest.raises(StrobeError, match="did you mean 'alpha'"):
            call(*command)


def test_rm_asks_and_keeps_the_recording(filled: Path, tmp_path: Path) -> None:
    assert "alpha" in str(rows("runs", "--json"))
    call("rm", "alpha", code=1, answer="n\n")
    assert len(rows("runs", "--json")) == 2
    assert "stay in" in call("rm", "alpha", "--yes")
    assert [row["run"] for row in rows("runs", "--json")] == ["beta"]
    assert (tmp_path / "runs" / "alpha" / "manifest.json").exists()


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\nb", "\x1b[31mred"])
def test_names_that_are_refused(filled: Path, name: str) -> None:
    with pytest.raises(StrobeError, match="printable"):
        call("rename", "alpha", name)


def test_nonfinite_values_are_strings_in_json(filled: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs" / "beta" / "metrics.jsonl")
    journal.append({"step": 999, "time": 1.0, "odd": float("nan")})
    journal.close()
    call("ingest", "runs")
    (odd,) = [metric for metric in rows("show", "beta", "--json")["metrics"] if metric["name"] == "odd"]
    assert (odd["last_value"], odd["min"], odd["nonfinite"]) == ("NaN", None, 1)


def test_doctor_finds_a_damaged_part(filled: Path) -> None:
    levels = {finding["level"] for finding in rows("doctor", "--json")}
    assert "bad" not in levels
    part = next(filled.rglob("tables/scalars/run=alpha/*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    found = CliRunner().invoke(app, ["doctor", "--json"])
    assert found.exit_code == 1
    bad = [finding for finding in json.loads(found.stdout) if finding["level"] == "bad"]
    assert [part.name in finding["what"] for finding in bad] == [True]


def test_compact(filled: Path) -> None:
    assert "alpha: compact already" in call("compact")


@pytest.mark.parametrize("content", ["", "{", '{"format": "other"}', '{"format": "strobe-store", "version": 2}'])
def test_what_is_no_store(tmp_path: Path, content: str) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text(content)
    with pytest.raises(StrobeError, match=r"store\.json: "):
        call("runs")


def _strobe(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "strobe", *arguments]


@whole_in_ci
def test_a_disk_that_takes_no_more_is_one_line(filled: Path) -> None:
    """Files of at most a kilobyte: the old tables stay current, and nothing of the attempt is left."""
    there = sorted(str(path) for path in filled.rglob("*"))
    journal = Journal(Path("runs/beta/metrics.jsonl"))
    for step in range(1000, 1400):
        journal.append({"step": step, "time": 1.7e9 + step, "noise": step * 1.37 % 1})
    journal.close()
    # -B: compiled modules would be cut as well, and everything that starts after this would stumble over them.
    limited = ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", *_strobe("ingest", "runs/beta")]
    limited.insert(limited.index("-m"), "-B")
    result = subprocess.run(limited, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "strobe: File too large; what was there before is still current\n"
    assert sorted(str(path) for path in filled.rglob("*")) == there
    assert "alpha: compact already" in call("compact", "alpha")


@pytest.mark.parametrize("place", ["/proc/store", "a-file/store", "a" * 300])
def test_a_store_that_cannot_be_made_is_one_line(tmp_path: Path, place: str) -> None:
    make_run(tmp_path / "runs" / "alpha", steps=(0,))
    (tmp_path / "a-file").touch()
    command = [sys.executable, "-m", "strobe", "ingest", "runs", "--store", place]
    result = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("strobe: ")
    assert "no store can be made here: " in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["runs"], ["doctor"], ["sql", "SELECT 1"]])
def test_a_path_that_no_system_takes_is_one_line(tmp_path: Path, command: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "strobe", *command, "--store", "a" * 300],
        check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("strobe: ")
    assert "File name too long" in result.stderr
    assert "Traceback" not in result.stderr


@whole_in_ci
def test_watching_a_live_run_until_it_ends(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "alpha", end=None)
    watcher = subprocess.Popen(_strobe("ingest", "runs", "--watch", "--every", "0.1"), stdout=subprocess.PIPE)
    try:
        journal = Journal(run / "metrics.jsonl")
        for step in range(1000, 1020):
            journal.append({"step": step, "time": time.time(), "attempt": 0, "live": step / 2})
            time.sleep(0.01)
        ends = Journal(run / "attempts.jsonl")
        ends.append({"attempt": 0, "end": "finished", "step": 1019, "time": time.time()})
        watcher.communicate(timeout=60)
    finally:
        watcher.kill()
    assert watcher.returncode == 0
    (live,) = [metric for metric in rows("show", "alpha", "--json")["metrics"] if metric["name"] == "live"]
    assert (live["n"], live["last_value"]) == (20, 509.5)


def test_only_what_can_be_news_of_a_runs_health_is_looked_at(tmp_path: Path) -> None:
    run, store = make_run(tmp_path / "runs" / "alpha", steps=(0,), end=None), tmp_path / "store"
    journal = Journal(run / "metrics.jsonl")

    def news(value: float) -> bool:
        journal.append({"step": 1000, "time": 1.0, "attempt": 0, f"live {value}": value})
        (report,) = ingest([run], store)
        assert report.changed
        return data._may_be_news(report)

    assert news(1.0), "the snapshot"
    assert not news(2.0)
    assert news(float("nan"))
    journal.close()


def test_errors_are_one_line_without_a_traceback(tmp_path: Path) -> None:
    for arguments in (["show", "nothing"], ["ingest", "nowhere"], ["verify", "nowhere"]):
        done = subprocess.run(_strobe(*arguments), capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("strobe: ")
        assert done.stderr.count("\n") == 1
