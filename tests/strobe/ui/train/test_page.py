"""The Train page over real queues: what it refuses, what it starts, and what it shows of jobs in every state."""

from __future__ import annotations

import html
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from etl.errors import StrobeError
from strobe.jobs.job import Job, Process
from strobe.jobs.queue import Queue
from strobe.launch.asking import AskedError
from strobe.launch.machine import Machine
from strobe.ui.shell import acting, writing
from strobe.ui.shell.writing import PARAMETER, TOKEN
from tests.support.effort import whole_in_ci
from tests.support.places import ROOT

HERE = Machine("2.0", {"cpu": "CPU"})
GROK = "train_modadd_grok"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STROBE_READ_ONLY", "0")
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("STROBE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(Queue, "start_runner", lambda _: None)
    for place in ("strobe.ui.train.form", "strobe.ui.shell.acting"):
        monkeypatch.setattr(f"{place}.machine", lambda: HERE)
    return tmp_path / "runs"


def opened(token: str = TOKEN) -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / "train.py"), default_timeout=60)
    at.query_params[PARAMETER] = token
    return run(at)


def run(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def told(at: AppTest) -> str:
    kinds = (at.caption, at.error, at.warning, at.info, at.code, at.markdown)
    plain = [html.unescape(one.proto.body) for one in at.get("html")]
    return "\n".join([*(str(one.value) for kind in kinds for one in kind), *plain]).replace("\\", "")


def name_box(at: AppTest) -> object:
    (box,) = [box for box in at.text_input if box.label == "Name of the run"]
    return box


def job(queue: Queue, **what: object) -> Job:
    made = queue.add([["train", "modadd"], ["ingest", "x"]], start=False)
    with queue.changing():
        queue.write(replace(made, **what))  # type: ignore[arg-type]
    return queue.job(made.id)


def test_a_training_is_queued_as_it_was_asked_for_and_a_second_waits(runs: Path) -> None:
    at = opened()
    at.text_input(key=f"{GROK}_steps").set_value("300")
    at.text_input(key=f"{GROK}_schedule").set_value("0-300/100")
    run(at)
    assert "strobe train modadd --preset=grok --steps=300 --schedule=0-300/100" in told(at)
    for number, name in ((1, "grok"), (2, "grok-2")):
        assert name_box(at).value == name  # type: ignore[attr-defined]
        at.button(key="train_start").click()
        run(at)
        folder = str(runs / name)
        made = Queue(runs).job(number)
        assert made.folder == folder
        assert [step[0] for step in made.steps] == ["train", "ingest", "analyze"]
        assert made.steps[0][-2:] == ["--out", folder]
    assert [found.state for found in Queue(runs).jobs()] == ["queued", "queued"]
    assert "no runner is at work" in told(at)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("steps", "many", "give a whole number"),
        ("steps", "9" * 400, "steps is 9"),
        ("lr", "nan", "learning rate is nan"),
        ("modulus", "9" * 40, "too large"),
        ("schedule", "0-999999999999999", "has more than 10,000,000 steps"),
        ("schedule", ",".join(["0-9000000"] * 400), "snapshot"),
        ("device", "a\0b", "no NUL"),
        ("steps", "x" * 100_000, "give a whole number"),
        ("keep_last", "-1", "keep_last is -1"),
    ],
)
def test_what_cannot_be_trained_is_said_and_not_started(
    runs: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: str, said: str
) -> None:
    at = opened()
    at.text_input(key=f"{GROK}_{field}").set_value(value)
    began = time.process_time()
    run(at)
    assert time.process_time() - began < 20
    assert said in told(at)
    assert at.button(key="train_start").disabled
    # As who forges the press of a button that is off.
    monkeypatch.setattr(writing, "on", lambda: True)
    with pytest.raises(AskedError):
        acting.start("modadd", "grok", {field: value}, "mine")
    assert Queue(runs).jobs() == []


@pytest.mark.parametrize("name", ["../up", "a/b", "/etc/x", "Grok", ".jobs", "", "x\0y", "-o", "é", "a b"])
def test_a_run_lies_in_the_folder_of_runs_under_a_plain_name(runs: Path, name: str) -> None:
    at = opened()
    name_box(at).set_value(name)  # type: ignore[attr-defined]
    at.button(key="train_start").click()
    run(at)
    assert "a run cannot be called" in told(at)
    assert Queue(runs).jobs() == []


def test_a_run_that_is_there_is_not_trained_over(runs: Path) -> None:
    (runs / "taken").mkdir(parents=True)
    (runs / "linked").symlink_to("/nowhere")
    at = opened()
    for name in ("taken", "linked"):
        name_box(at).set_value(name)  # type: ignore[attr-defined]
        at.button(key="train_start").click()
        run(at)
        assert f"there is a run called {name}" in told(at)
    assert Queue(runs).jobs() == []


def test_without_torch_the_page_says_what_to_install(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("strobe.ui.train.form", "strobe.ui.shell.acting"):
        monkeypatch.setattr(f"{place}.machine", lambda: Machine(None))
    at = opened()
    assert "PyTorch is not installed. Training needs it: pip install -e '.[train]'" in told(at)
    assert at.button(key="train_start").disabled
    monkeypatch.setattr(writing, "on", lambda: True)
    with pytest.raises(StrobeError, match="PyTorch is not installed"):
        acting.start("modadd", "grok", {}, "mine")
    assert Queue(runs).jobs() == []


def test_who_may_not_write_sees_no_job_and_starts_nothing(runs: Path) -> None:
    job(Queue(runs), state="failed", reason="strobe train failed")
    at = opened("no token")
    assert not at.text_input
    assert not [button for button in at.button if button.key != "keeper"]
    assert "strobe jobs add train modadd" in told(at)
    assert "strobe train failed" not in told(at)
    # What a browser may claim of widgets, and what is left of a page that could write.
    at.session_state[f"{GROK}_steps"] = "1"
    at.session_state["train_start"] = True
    run(at)
    for act in (
        lambda: acting.start("modadd", "grok", {}, "mine"), lambda: acting.cancel(1), lambda: acting.rerun(1),
        lambda: acting.analyse("grok", ["spectra"]), acting.start_runner,
    ):  # fmt: skip
        with pytest.raises(acting.OffError, match="Writing is off"):
            act()
    assert len(Queue(runs).jobs()) == 1


def test_jobs_in_every_state_are_shown_and_can_be_acted_on(runs: Path) -> None:
    queue = Queue(runs)
    alive = Process.of(os.getpid())
    job(queue, state="running", runner=alive, started=time.time(), folder=str(runs / "now"))
    job(queue, state="failed", reason="strobe train ended with exit code 1", ended=time.time())
    queue.log_path(2).write_text("first\n<script>the last line</script>\n")
    job(queue, state="finished", ended=time.time(), folder=str(runs / "done"))
    job(queue, state="running", runner=Process(2**22 + 5, "gone"), child=Process(2**22 + 6, "gone"))
    job(queue)
    at = opened()
    said = told(at)
    assert "Strobe train ended with exit code 1" in said
    assert "the last line" in said
    assert "was killed" in said, "one whose process is gone"
    at.button(key="job_cancel_1").click()
    run(at)
    assert queue.job(1).cancel
    at.button(key="job_cancel_5").click()
    run(at)
    assert queue.job(5).state == "cancelled"
    at.button(key="job_again_2").click()
    run(at)
    assert queue.job(6).steps == queue.job(2).steps


def test_files_that_were_changed_by_hand_are_named_and_the_others_shown(runs: Path) -> None:
    queue = Queue(runs)
    for _ in range(5):
        job(queue, state="finished", ended=1.0)
    (queue.folder / "000001.json").write_text("{")
    for number, (was, now) in {2: ('"queued"', '"que"'), 3: ('"ended": 1.0', '"ended": "never"')}.items():
        path = queue.folder / f"{number:06d}.json"
        path.write_text(path.read_text().replace(was, now))
    (queue.folder / "000004.json").write_bytes((queue.folder / "000005.json").read_bytes())
    (queue.folder / "000006.json").mkdir()
    at = opened()
    assert "A job file cannot be read: 000001.json" in told(at)
    assert [found.id for found in queue.jobs()] == [5]
    assert len(queue.damaged()) == 5


def test_a_full_disk_and_an_unwritable_folder_are_said(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    at = opened()
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "write", full)
        at.button(key="train_start").click()
        run(at)
    assert "The queue cannot be written ([Errno 28] No space left on device)" in told(at)
    runs.rmdir() if not any(runs.iterdir()) else None
    monkeypatch.setenv("STROBE_RUNS", "/proc/nowhere")
    at.button(key="train_start").click()
    run(at)
    assert "The queue cannot be written" in told(at)


def test_a_thousand_jobs_are_a_short_page(runs: Path) -> None:
    queue = Queue(runs)
    made = job(queue, state="finished", ended=1.0)
    for number in range(2, 1001):
        (queue.folder / f"{number:06d}.json").write_bytes(replace(made, id=number).encode())
    began = time.process_time()
    at = opened()
    assert time.process_time() - began < 15
    assert len([button for button in at.button if button.label == "Run again"]) == 8
    at.button(key="jobs_show_more").click()
    run(at)
    assert len([button for button in at.button if button.label == "Run again"]) == 100


def test_two_apps_look_at_one_queue(runs: Path) -> None:
    one, other = opened(), opened()
    one.button(key="train_start").click()
    run(one)
    run(other)
    other.button(key="job_cancel_1").click()
    run(other)
    one.button(key="job_cancel_1").click()
    run(one)
    assert Queue(runs).job(1).state == "cancelled"
    assert "only one that is queued or running can be cancelled" in told(one) or "Waits" not in told(one)


def test_the_schedule_is_edited_by_ranges(runs: Path) -> None:
    at = opened()
    key = f"{GROK}_schedule"
    at.button(key=f"{key}_dense_add").click()
    run(at)
    assert at.text_input(key=key).value == "0-3000/50,3000-14000/100,800-1200/10"
    at.button(key=f"{key}_part_0").click()
    run(at)
    at.button(key=f"{key}_auto").click()
    run(at)
    assert at.text_input(key=key).value == "3000-14000/100,800-1200/10,auto"
    at.text_input(key=f"{key}_range_0").set_value("9" * 30)
    at.button(key=f"{key}_range_add").click()
    run(at)
    assert at.text_input(key=key).value == "3000-14000/100,800-1200/10,auto"
    assert "schedule part" in told(at)


@whole_in_ci
def test_the_machine_is_asked_in_a_process_of_its_own() -> None:
    pytest.importorskip("torch")
    code = "import sys; from strobe.launch.machine import machine; print(machine().sentence, 'torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.startswith("PyTorch ")
    assert said.endswith("False\n")
