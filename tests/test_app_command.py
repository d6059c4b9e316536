"""`strobe app` starts a server that only this machine can reach, with writing on."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from typer.testing import CliRunner

from strobe.cli import app


def test_it_binds_this_machine_and_turns_writing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, Any] = {}

    def run(command: list[str], *, env: dict[str, str], check: bool) -> subprocess.CompletedProcess[bytes]:
        started.update(command=command, env=env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("strobe.commands.app.subprocess.run", run)
    result = CliRunner().invoke(app, ["app", "--store", "elsewhere", "--port", "8600", "--no-browser"])
    assert result.exit_code == 0, result.output
    command = " ".join(started["command"])
    assert "--server.address 127.0.0.1 --server.port 8600 --server.headless true" in command
    assert started["env"]["STROBE_READ_ONLY"] == "0"
    assert started["env"]["STROBE_STORE"] == "elsewhere"


def test_a_port_that_is_none_is_refused() -> None:
    assert CliRunner().invoke(app, ["app", "--port", "0"]).exit_code == 2
