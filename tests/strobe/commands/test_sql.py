"""`strobe sql`: forms of output, limits, notices, and rows that stay inert."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from etl.sql.reply import QueryError
from strobe import rows, settings
from strobe.commands import sql as sql_command
from strobe.commands.sql import sql
from tests.support import sandbox_store


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> sandbox_store.Catalogue:
    return sandbox_store.make(tmp_path_factory.mktemp("store"))


@pytest.fixture
def ask(catalogue: sandbox_store.Catalogue, monkeypatch: pytest.MonkeyPatch):
    class Store:
        def current(self) -> sandbox_store.Catalogue:
            return catalogue

    monkeypatch.setattr(settings, "open_store", lambda path=None: Store())
    # Children give way to all other work: how long one takes says how busy the machine is.
    monkeypatch.setenv("STROBE_QUERY_TIMEOUT_S", "60")
    app = typer.Typer()
    app.command()(sql)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_csv_is_the_form_of_a_pipe(ask) -> None:
    done = ask("select run, steps from runs order by run")
    assert done.exit_code == 0
    assert list(csv.reader(io.StringIO(done.stdout)))[:2] == [["run", "steps"], ["baseline", "200"]]
    assert done.stderr == ""


def test_json_has_no_bare_nan_and_no_inexact_integer(ask) -> None:
    done = ask("--json", "select 'nan'::double a, '-inf'::double b, 9007199254740993 c, 1.5 d, [1, 2] e, null f")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    (row,) = json.loads(done.stdout, parse_constant=refuse)
    expected = {"a": "NaN", "b": "-Infinity", "c": "9007199254740993", "d": "1.5", "e": [1, 2], "f": None}
    assert row == expected


def test_limit_is_kept_and_said_on_stderr(ask) -> None:
    done = ask("--limit", "5", "select range from range(100)")
    assert len(done.stdout.splitlines()) == 6
    assert done.stderr == "First 5 rows (there are more).\n"
    assert len(ask("select range from range(20000)").stdout.splitlines()) == 20_001


def test_parquet_holds_the_rows(ask, tmp_path: Path) -> None:
    done = ask("--parquet", str(tmp_path / "out.parquet"), "select run, singular_values from spectra")
    assert done.exit_code == 0
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.num_rows == 6
    assert len(table["singular_values"][0].as_py()) == 64
    assert "6 rows" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["drop table runs"], "Only SELECT"),
        (["select stepz from scalars"], 'Did you mean "step"'),
        (["--csv", "--json", "select 1"], "one choice"),
        (
            ["--timeout", "0.4", "select count(*) from range(1000000000000) where hash(range) = 1"],
            "Stopped after 0.4 s",
        ),
        (["--parquet", "/nowhere/at/all.parquet", "select 1"], "cannot be written"),
    ],
)
def test_errors_are_one_line_and_no_traceback(ask, arguments: list[str], says: str) -> None:
    done = ask(*arguments)
    assert done.exit_code != 0
    # strobe.cli.main prints what a person can mend as one line.
    assert says in str(done.exception)
    assert isinstance(done.exception, ValueError)
    assert "\n" not in str(done.exception)


def test_formulas_are_made_inert() -> None:
    table = pa.table({"=cmd()": ["=1+1", "+x", "-x", "@x", "plain", None], "n": [-1.5, 2, 3, 4, 5, None]})
    lines = list(csv.reader(io.StringIO(rows.csv_bytes(table).decode())))
    assert lines[0] == ["'=cmd()", "n"]
    assert [line[0] for line in lines[1:]] == ["'=1+1", "'+x", "'-x", "'@x", "plain", ""]
    assert [line[1] for line in lines[1:3]] == ["-1.5", "2.0"]


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert rows.printable("a\x1b[31mb\n\u202e") == "a\\x1b[31mb\\n\\u202e"


def test_an_error_keeps_its_parts() -> None:
    error = QueryError("name", "No such column", 2, 5, 'Did you mean "step"?')
    assert str(error) == 'No such column (line 2, column 5) Did you mean "step"?'


def test_a_table_that_does_not_fit_is_one_record_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"name": ["a", "b"], "words": ["x" * 60, "short"], "n": [4.49e-7, None]})
    printed: list[str] = []
    monkeypatch.setattr(sql_command.typer, "echo", printed.append)
    monkeypatch.setenv("COLUMNS", "60")
    sql_command._print_table(table)
    assert printed[:4] == ["-- row 1 of 2", "name   a", f"words  {'x' * 60}", "n      4.49e-07"]
    assert printed[4] == "-- row 2 of 2"


def test_a_table_that_fits_keeps_its_lines_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    sql_command._print_table(pa.table({"name": ["a"], "words": ["x" * 60]}))
    printed = capsys.readouterr().out
    assert f"a    │ {'x' * 60}" in printed
    assert "-- row" not in printed
