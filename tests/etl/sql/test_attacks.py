"""Statements of strangers, through the path that the page and `strobe sql` use: nothing leaks and nothing changes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from etl.sql.pool import pool
from etl.sql.sandbox import Limits, QueryError, Sandbox
from tests.support import sandbox_store
from tests.support.places import DATA, ROOT

IN_CI = bool(os.environ.get("CI"))

CANARY = "hunter2-"
DF_GLOBAL = pa.table({"secret": [CANARY + "python-global"]})
LIMITS = Limits(timeout_s=3.0)


def statements(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def attacks(root: Path, *names: str) -> list[tuple[str, str]]:
    rows = [row for name in names or ("sql_attacks.jsonl", "sql_attacks_more.jsonl") for row in statements(name)]
    return [(row["name"], row["sql"].replace("{ROOT}", str(root))) for row in rows]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store beside files that a thief would like, each with a canary in it."""
    root = tmp_path_factory.mktemp("attacked")
    sandbox_store.make(root)
    outside, store = root / "outside", root / "store" / "parquet"
    (outside / "dump").mkdir(parents=True)
    store.mkdir(parents=True)
    (outside / "secret.csv").write_text(f"k,v\n{CANARY}csv,1\n")
    (outside / "secrets.toml").write_text(f'token = "{CANARY}toml"\n')
    (outside / "dump" / "schema.sql").write_text(f"CREATE TABLE leaked AS SELECT '{CANARY}dump' AS s;\n")
    (store / "link.toml").symlink_to(outside / "secrets.toml")
    for path in (outside / "other.duckdb", root / "store" / "wb.duckdb"):
        with duckdb.connect(str(path)) as con:
            con.execute(f"CREATE TABLE t AS SELECT '{CANARY}database' AS secret")
    shutil.copy(outside / "other.duckdb", outside / "x.sqlite")
    part = next((root / "tables" / "metrics").rglob("*.parquet"))
    shutil.copy(part, store / "metrics.parquet")
    return root


@pytest.fixture(scope="module")
def sandbox(root: Path) -> Iterator[Sandbox]:
    os.environ["WB_SECRET_TOKEN"] = CANARY + "environment"
    yield Sandbox(sandbox_store.Catalogue(root))
    del os.environ["WB_SECRET_TOKEN"]
    pool().close()


def fingerprint(root: Path) -> str:
    """One hash over every name, kind, time of change and content below `root`."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        digest.update(f"{path.relative_to(root)} {status.st_mode} {status.st_size} {status.st_mtime_ns}\n".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def told(sandbox: Sandbox, sql: str) -> tuple[str, bool]:
    """Everything that whoever typed `sql` gets to see, and whether it is an error."""
    try:
        reply = sandbox.run(sql, LIMITS)
    except QueryError as error:
        return f"{error} {error.message} {error.hint}", True
    cells = [[str(cell) for cell in column] for column in reply.table.columns]
    return f"{reply.columns} {reply.types} {cells} {reply.notices(LIMITS)}", False


def attack_all(root: Path, sandbox: Sandbox, tried: list[tuple[str, str]], caplog: pytest.LogCaptureFixture) -> None:
    """Two visitors at a time try every statement; nothing of it may show or stay."""
    df_secret = arrow_secret = pa.table({"secret": [CANARY + "python-local"]})
    assert df_secret is arrow_secret
    before = fingerprint(root)
    with caplog.at_level(logging.DEBUG), ThreadPoolExecutor(2) as visitors:
        answers = list(visitors.map(lambda attack: told(sandbox, attack[1]), tried))
    for (name, sql), (seen, is_error) in zip(tried, answers, strict=True):
        assert CANARY not in seen, name
        assert "Traceback" not in seen, name
        for place in (sys.prefix, str(ROOT), str(root)):
            # A heading repeats the expression that was typed; nothing else may name a place.
            assert place not in seen or (not is_error and place in sql), name
    assert fingerprint(root) == before
    assert CANARY not in caplog.text


def test_no_given_attack_leaks_or_changes_anything(
    root: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    tried = attacks(root, "sql_attacks.jsonl")
    assert len(tried) == 125
    attack_all(root, sandbox, tried, caplog)
    assert CANARY not in "".join(capfd.readouterr())


def test_no_further_attack_leaks_or_changes_anything(
    root: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    tried = attacks(root, "sql_attacks_more.jsonl")
    assert len(tried) > 80
    attack_all(root, sandbox, tried if IN_CI else tried[::4], caplog)


def test_the_attacks_would_work_on_an_unlocked_connection(root: Path) -> None:
    """Or the test above would prove nothing."""
    con = duckdb.connect()
    seen = ""
    for _, sql in attacks(root):
        if sql.startswith(("select", "from")) and "outside/secret" in sql:
            try:
                seen += str(con.execute(sql).fetchmany(3))
            except (duckdb.Error, UnicodeEncodeError):
                continue
    assert seen.count(CANARY) >= 5


def test_a_file_changed_by_a_statement_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = fingerprint(tmp_path)
    duckdb.connect().execute(f"COPY (SELECT 1) TO '{tmp_path}/b.csv'")
    assert fingerprint(tmp_path) != before


_NETWORK = """
from tests.support import sandbox_store
from etl.sql.sandbox import Limits, QueryError, Sandbox
from pathlib import Path
sandbox = Sandbox(sandbox_store.Catalogue(Path({root!r})), spare=False)
for sql in {statements!r}:
    try:
        sandbox.run(sql, Limits(timeout_s=20.0))
    except QueryError:
        pass
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: connections are not watched")
def test_no_connection_is_attempted(root: Path, tmp_path: Path) -> None:
    words = ("http", "s3:", "hf:", "install", "attach", "load", "postgres", "secret", "extension")
    # The thief's files are called secret: their names alone make no statement one about the network.
    tried = [(sql, sql.lower().replace(f"{root}/outside/secret".lower(), "")) for _, sql in attacks(root)]
    chosen = [sql for sql, text in tried if any(word in text for word in words)]
    chosen = [sql for sql in chosen if "\ud800" not in sql][:: 1 if IN_CI else 8]
    script = tmp_path / "network.py"
    script.write_text(_NETWORK.format(root=str(root), statements=chosen))
    log = tmp_path / "strace.log"
    watch = ["strace", "-f", "-qq", "-e", "trace=connect,socket,sendto", "-o", str(log)]
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*watch, sys.executable, str(script)], env=here, capture_output=True, timeout=250, check=False
    )
    if b"ptrace" in done.stderr:
        pytest.skip("strace may not attach here: connections are not watched")
    assert done.returncode == 0, done.stderr.decode()
    calls = [line for line in log.read_text().splitlines() if "AF_INET" in line or "connect(" in line]
    assert calls == []


def test_visitors_carry_nothing_over(sandbox: Sandbox) -> None:
    limits = LIMITS
    for sql in ("create temp table runs as select 1 as a", "set schema = 'temp'", "begin", "drop view runs"):
        with pytest.raises(QueryError):
            sandbox.run(sql, limits)
    assert sandbox.run("select count(*) from runs", limits).table[0][0].as_py() == 3


def test_a_hidden_column_cannot_be_reached(root: Path) -> None:
    sandbox = Sandbox(sandbox_store.Catalogue(root), hidden={"runs": ["config"]})
    for sql in ("select config from runs", "select config from runs_all"):
        with pytest.raises(QueryError, match="config"):
            sandbox.run(sql, LIMITS)
    assert "config" not in sandbox.run("from runs", LIMITS).columns


def test_a_part_that_vanishes_is_an_error_without_its_path(tmp_path: Path) -> None:
    catalogue = sandbox_store.make(tmp_path)
    sandbox = Sandbox(catalogue)
    for path in (tmp_path / "tables" / "runs").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(QueryError) as caught:
        sandbox.run("select * from runs", LIMITS)
    assert str(tmp_path) not in str(caught.value)
    assert "runs" in str(caught.value) or "read" in str(caught.value)


def test_an_open_file_of_the_parent_is_not_inherited(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "held").write_text(CANARY)
    with (tmp_path / "held").open() as held:
        os.set_inheritable(held.fileno(), True)
        pool().warm()
        time.sleep(0.2)
        for pid in pool().pids():
            targets = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
            assert str(tmp_path / "held") not in targets
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert CANARY.encode() not in environment
            assert b"PATH=" not in environment
