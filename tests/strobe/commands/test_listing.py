"""`strobe runs`: the same conditions, orders and columns as on the Runs page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.errors import StrobeError
from strobe.cli import app
from tests.support.app_store import log_only


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    for name, losses in (("low", [3.0, 0.5]), ("high", [3.0, 2.5]), ("lost", [3.0, "NaN"])):
        log_only(tmp_path, [{"step": 10 * k, "time": 1.0, "val_loss": loss} for k, loss in enumerate(losses)], name)
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["runs", *arguments])
    if isinstance(result.exception, StrobeError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def listed(*arguments: str) -> list[str]:
    return [line.split()[0] for line in call(*arguments).splitlines()[1:]]


def test_a_condition_an_order_and_columns() -> None:
    assert listed("--filter", "val_loss < 1") == ["low"]
    assert listed("--sort", "val_loss") == ["low", "high", "lost"]
    assert listed("--sort=-val_loss") == ["high", "low", "lost"]
    head, first = call("--sort", "val_loss", "--columns", "mean(val_loss), status").splitlines()[:2]
    assert head.split() == ["run", "mean(val", "loss)", "status"]
    assert first.split() == ["low", "1.750", "finished"]


def test_a_diverged_run_says_so_in_both_forms() -> None:
    assert "diverged at 10" in call("--filter", "status = 'diverged'")
    (row,) = json.loads(call("--filter", "status = 'diverged'", "--columns", "max(val_loss)", "--json"))
    assert (row["run"], row["status"], row["diverged_at"], row["max(val_loss)"]) == ("lost", "finished", 10, 3.0)


def test_what_is_wrong_is_one_line_with_what_there_is() -> None:
    with pytest.raises(StrobeError, match=r"no run has the column 'val_los'; did you mean val_loss\?"):
        call("--filter", "val_los < 1")
    with pytest.raises(StrobeError, match="filter, at character 12"):
        call("--filter", "val_loss < ")
