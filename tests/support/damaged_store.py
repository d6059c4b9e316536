"""A store with one run to be harmed and one beside it, and what must hold of both whatever happens to a file."""

from __future__ import annotations

import atexit
import functools
import json
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner, Result

from etl.ingest.load import ingest
from etl.run.journal import METRICS, Journal
from etl.sql import engine
from etl.sql.sandbox import Sandbox
from etl.store.catalogue import Store
from strobe.cli import app
from tests.support.make_run import START, make_run
from tests.support.places import ROOT
from tests.support.tables import tables

ALPHA, BETA = "alpha", "beta"
TABLES = (
    "runs", "attempts", "metrics", "scalars", "tensors", "snapshots", "spectra", "fourier", "heads", "transitions",
)  # fmt: skip
"""Those of which alpha has a part. Of scalars it has two."""
MOST_SECONDS = 60


@functools.cache
def template() -> Path:
    """`store` with both runs, analysed, beside `runs`; made once a process."""
    root = Path(tempfile.mkdtemp(prefix="strobe-harmed-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    for name in (ALPHA, BETA):
        make_run(root / "runs" / name, steps=(0, 10, 20, 30), layers=1, heads=1, width=4)
    ingest([root / "runs"], root / "store")
    log = Journal(root / "runs" / ALPHA / METRICS)
    for step in range(31, 41):
        log.append({"step": step, "time": START + step, "train_loss": 1 / step})
    log.close()
    ingest([root / "runs"], root / "store")
    for name in (ALPHA, BETA):
        assert call("analyze", name, "--store", str(root / "store")).exit_code == 0
    return root / "store"


def part_of(store: Path, table: str, number: int = 0) -> Path:
    """A part of one of alpha's tables; scalars have numbers 0 and 1."""
    pointer = json.loads((store / "runs" / ALPHA / "_parts.json").read_bytes())
    return Path(store / pointer["tables"][table][number]["file"])


def call(*arguments: str) -> Result:
    """A command, in this process, given no more than MOST_SECONDS; a traceback fails."""
    with _in_time(" ".join(arguments)):
        result = CliRunner().invoke(app, arguments, input="y\n")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        # `strobe.cli.main` makes one line of these.
        assert type(result.exception).__module__.startswith("etl."), repr(result.exception)
    return result


@contextmanager
def _in_time(what: str) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"{what}: hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(MOST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def told(result: Result) -> str:
    return result.output + (f"{result.exception}" if result.exception else "")


@functools.cache
def _undisturbed() -> dict[str, list[dict[str, Any]]]:
    return tables(template())


def assert_beta_is_read(store: Path, names: Sequence[str], table: str = "runs") -> None:
    """`runs` lists beta, all its rows are there, and doctor and whoever reads alpha's `table` say all of `names`."""
    listed, checked = call("runs", "--store", str(store)), call("doctor", "--store", str(store))
    assert (listed.exit_code, checked.exit_code) == (0, 1), told(listed)
    assert BETA in listed.stdout
    reading = call("export", "csv", ALPHA, "--table", table, "--out", "-", "--store", str(store))
    for said in (told(reading), checked.output):
        assert all(name in said for name in names), (names, said)
    now = tables(store)
    for name, rows in _undisturbed().items():
        assert _of_beta(now[name]) == _of_beta(rows), name


def _of_beta(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["run"] == repr(BETA)]


def assert_commands_about_beta(store: Path) -> None:
    for arguments in (["show", BETA], ["analyze", BETA], ["export", "csv", BETA, "--out", "-"]):
        result = call(*arguments, "--store", str(store))
        assert result.exit_code == 0, (arguments, told(result))
    wanted = len([row for row in _of_beta(_undisturbed()["scalars"]) if row["attempt"] != "-1"])
    assert typed(store, "SELECT count(*) FROM scalars WHERE run = 'beta'") == [(wanted,)]


def typed(store: Path, sql: str) -> list[tuple[Any, ...]]:
    """A typed statement, by the engine of the sandbox and its parts, in this process."""
    job = json.loads(Sandbox(Store(store).current(), spare=False).job + b"}")
    con = engine.open_engine(job["tables"], job["cuts"], "256MB")
    table = engine.relation_of(con, engine.one_statement(con, sql)).to_arrow_table()
    return [tuple(row.values()) for row in table.to_pylist()]


def assert_mended(store: Path, remedy: str) -> None:
    """Doctor names this remedy alone; after it, nothing is wrong and every row of both runs is as it was."""
    assert mend(store) == [remedy]
    now = tables(store)
    for table, rows in _undisturbed().items():
        assert now[table] == rows, table


def assert_pages_of_beta(
    store: Path, use: Callable[[Path], None], names: Sequence[str], pages: Sequence[str]
) -> None:
    """Pages of beta are drawn; the page Runs says what is left out of alpha."""
    for page in pages:
        said = warnings(store, use, page, BETA)
        assert page != "runs" or all(name in said for name in names), (names, said)


def warnings(store: Path, use: Callable[[Path], None], page: str, run: str) -> str:
    """What a page of a run warns of; it is drawn without an error."""
    use(store)
    at = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=MOST_SECONDS)
    at.query_params["run"] = run
    with _in_time(page):
        at.run()
    assert not [*at.exception, *at.error], (page, at.exception, at.error)
    return " ".join(str(warning.value).replace("\\", "") for warning in at.warning)


def mend(store: Path) -> list[str]:
    """Runs every remedy that doctor prints, until it prints none; the remedies."""
    remedies: list[str] = []
    for _ in range(5):
        found = json.loads(call("doctor", "--json", "--store", str(store)).stdout)
        bad: list[dict[str, Any]] = [finding for finding in found if finding["level"] == "bad"]
        if not bad:
            return remedies
        for remedy in dict.fromkeys(finding["remedy"] for finding in bad):
            remedies.append(remedy)
            _run(remedy)
    raise AssertionError(f"still damaged after {remedies}: {bad}")


def _run(remedy: str) -> None:
    program, *arguments = shlex.split(remedy)
    if program == "strobe":
        result = call(*arguments)
        assert result.exit_code == 0, (remedy, told(result))
    else:
        subprocess.run([program, *arguments], check=True, timeout=MOST_SECONDS)
