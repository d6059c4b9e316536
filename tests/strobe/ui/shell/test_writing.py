"""Who may write in an app where writing is on: an app of its own process, and visitors without a browser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from strobe.jobs.queue import Queue
from strobe.saved_queries import FILE, save, saved
from strobe.ui.shell.writing import TOKEN
from tests.support.effort import whole_in_ci
from tests.support.places import ROOT
from tests.support.queued import until
from tests.support.served import answering, free_port
from tests.support.visitors import press, session, session_id, until_finished, visit, words


@dataclass
class App:
    """`strobe app` over a store of its own, and the token that it printed."""

    address: str
    token: str
    store: Path


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    port, store = free_port(), tmp_path_factory.mktemp("writing")
    said = store / "said.txt"
    command = [sys.executable, "-m", "strobe", "app", "--no-browser", "--port", str(port), "--store", str(store)]
    told = ["sh", "-c", f'exec "$@" > {said}', "sh", *command]
    with answering(told, port, STROBE_RUNS=str(store / "runs")) as address:
        (token,) = re.findall(rf"{address}/\?token=(\S+)", said.read_text())
        yield App(address, token, store)


def pressed_save(visitor: ClientConnection, allowed: str) -> None:
    """Presses Save with a name typed, by the identities that a visitor who may write was told."""
    press(visitor, "sql", allowed, "sql_save", sql_save_name="mine", sql_text="SELECT 1")
    until_finished(visitor)


def test_only_the_session_with_the_token_writes(app: App) -> None:
    with session(app.address) as writer, session(app.address) as stranger, session(app.address) as guesser:
        allowed = words(visit(writer, f"token={app.token}", "sql"))
        assert "Saving is off" not in allowed
        for visitor, query in ((stranger, ""), (guesser, f"token={'x' * len(app.token)}")):
            told = words(visit(visitor, query, "sql"))
            assert "Saving is off" in told
            assert "Read-only here" in told
            assert str(app.store) not in told
            pressed_save(visitor, allowed)
            assert not (app.store / FILE).exists()
        assert str(app.store) in allowed
        pressed_save(writer, allowed)
    assert [query.name for query in saved(app.store)] == ["mine"]


@whole_in_ci
def test_a_stranger_starts_nothing_with_what_a_writer_was_told(app: App) -> None:
    """The press of a button that is not on their page, and the fields of the form, by the writer's identities."""
    with session(app.address) as writer, session(app.address) as stranger:
        allowed = words(visit(writer, f"token={app.token}", "train", timeout=120))
        assert "Start training" in allowed
        told = words(visit(stranger, "", "train"))
        assert "Start training" not in told
        assert "This browser may not write" in told
        for button in ("train_start", "jobs_go_on", "job_cancel_1", "job_again_1"):
            press(stranger, "train", allowed, button, train_modadd_grok_steps="5", keeper="x")
            until_finished(stranger)
        assert not Queue(app.store / "runs").jobs()
        press(writer, "train", allowed, "train_start", train_modadd_grok_device="no device")
        until_finished(writer)
    (job,) = Queue(app.store / "runs").jobs()
    assert "--device=no device" in job.steps[0]
    until(lambda: Queue(app.store / "runs").job(job.id).state == "failed", 60)
    assert "device 'no device' cannot be used" in "".join(Queue(app.store / "runs").log_tail(job.id))


def test_the_address_does_not_keep_the_token(app: App) -> None:
    with session(app.address) as writer:
        told = visit(writer, f"token={app.token}&run=grok-p97", "runs")
    written = [message.page_info_changed.query_string for message in told if message.HasField("page_info_changed")]
    assert written
    assert "token" not in written[-1]
    assert "run=grok-p97" in written[-1]


def test_another_page_of_this_machine_cannot_speak_to_it(app: App) -> None:
    for origin in ("http://127.0.0.1:1", "http://localhost:1", "http://evil.example"):
        with pytest.raises(InvalidStatus, match="403"):
            session(app.address, origin=origin)
    with session(app.address, origin=app.address) as visitor:
        assert visit(visitor, page="runs")


def test_it_answers_this_machine_alone(app: App) -> None:
    port = app.address.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example"):
        with pytest.raises(InvalidStatus):
            session(app.address, host)
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        with session(app.address, host) as visitor:
            assert session_id(visitor)


def test_no_other_page_shows_it_inside_itself(app: App) -> None:
    shown = subprocess.run(["curl", "-sI", f"{app.address}/"], capture_output=True, text=True, check=True).stdout
    assert "x-frame-options: deny" in shown.lower()


def test_a_wrong_token_takes_nothing_from_who_may_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STROBE_READ_ONLY", "0")
    monkeypatch.setenv("STROBE_STORE", str(tmp_path))
    at = AppTest.from_file(str(ROOT / "pages" / "sql.py"), default_timeout=30)
    at.query_params["token"] = TOKEN
    assert at.run().button(key="sql_save")
    assert "token" not in at.query_params
    at.query_params["token"] = "wrong"
    assert at.run().button(key="sql_save")


def test_writing_is_refused_where_the_process_is_read_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STROBE_READ_ONLY", "1")
    monkeypatch.setenv("STROBE_STORE", str(tmp_path))
    at = AppTest.from_file(str(ROOT / "pages" / "sql.py"), default_timeout=30)
    at.query_params["token"] = TOKEN
    assert not [button for button in at.run().button if button.key == "sql_save"]
    with pytest.raises(Exception, match="read-only"):
        save(tmp_path, "mine", "SELECT 1")
