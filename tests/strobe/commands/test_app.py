"""`strobe app` starts a server that only this machine can reach, with writing on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.store.catalogue import Store
from strobe.cli import app
from strobe.commands.app import follower
from tests.support.make_run import make_run


def test_it_binds_this_machine_and_turns_writing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, Any] = {}

    def execute(path: str, command: list[str], env: dict[str, str]) -> None:
        started.update(path=path, command=command, env=env)

    monkeypatch.setattr("strobe.commands.app.os.execve", execute)
    result = CliRunner().invoke(app, ["app", "--store", "elsewhere", "--port", "8600", "--no-browser"])
    assert result.exit_code == 0, result.output
    assert started["path"] == sys.executable
    command = " ".join(started["command"])
    assert "--server.address 127.0.0.1 --server.port 8600 --server.allowedHosts 127.0.0.1" in command
    assert command.endswith("--server.headless true")
    assert started["env"]["STROBE_READ_ONLY"] == "0"
    assert started["env"]["STROBE_STORE"] == "elsewhere"


def test_a_port_that_is_none_is_refused() -> None:
    assert CliRunner().invoke(app, ["app", "--port", "0"]).exit_code == 2


def test_a_signal_reaches_the_server(tmp_path: Path) -> None:
    server = tmp_path / "server.py"
    server.write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    code = (
        "import sys, strobe.commands.app as it\n"
        f"it.arguments = lambda *_: [sys.executable, {str(server)!r}]\n"
        "it.app(None, 8501, False)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        server_pid = int(started.stdout.readline())
        started.terminate()
        assert started.wait(20) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(server_pid, 0)


def test_recordings_are_read_first_and_then_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "mine", steps=(0, 100))
    started: list[list[str]] = []
    monkeypatch.setattr("strobe.commands.app.subprocess.Popen", lambda command, **_: started.append(command))
    monkeypatch.setattr("strobe.commands.app.os.execve", lambda *_: None)
    result = CliRunner().invoke(app, ["app", str(run), "--store", str(tmp_path / "store"), "--no-browser"])
    assert result.exit_code == 0, result.output
    assert Store(tmp_path / "store").current().names() == ["mine"]
    (command,) = started
    assert command[3:] == [str(os.getpid()), "ingest", str(run), "--store", str(tmp_path / "store"), "--watch"]


def test_what_follows_ends_with_the_server(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "mine", steps=(0, 100), end=None)
    command = follower([run], tmp_path / "store")
    command[3] = "1"  # no process of ours: as where the server is gone
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
