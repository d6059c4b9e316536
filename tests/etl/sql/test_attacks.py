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
from etl.sql.reply import Limits, QueryError
from etl.sql.sandbox import Sandbox
from tests.support import sandbox_store
from tests.support.effort import IN_CI, UNLESS_IN_CI, whole_in_ci
from tests.support.kept import KeptSandbox, kept_sandbox
from tests.support.places import DATA, ROOT

CANARY = "hunter2-"
DF_GLOBAL = pa.table({"secret": [CANARY + "python-global"]})
LIMITS = Limits(timeout_s=3.0)
DOZEN = {
    "read_csv passwd", "read_text /proc/self/environ", "getenv", "copy to abs", "attach file", "http read",
    "set external", "delete", "multi stmt", "query()", "py df local", "copy in a cte", "dynamic file name",
}  # fmt: skip
"""One or two of each kind, always tried end to end; all of them are where CI is set, and with -m slow."""


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
def environment() -> Iterator[None]:
    os.environ["WB_SECRET_TOKEN"] = CANARY + "environment"
    yield
    del os.environ["WB_SECRET_TOKEN"]


@pytest.fixture(scope="module")
def sandbox(root: Path, environment: None) -> Iterator[Sandbox]:
    yield Sandbox(sandbox_store.Catalogue(root))
    pool().close()


@pytest.fixture(scope="module")
def kept(root: Path, environment: None) -> Iterator[KeptSandbox]:
    """The same over one child, and so one locked engine, that is kept."""
    with kept_sandbox(sandbox_store.Catalogue(root)) as kept:
        yield kept


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


def attack_all(root: Path, sandbox: Sandbox, tried: list[tuple[str, str]]) -> None:
    """Two visitors at a time (one where the child is kept) try every statement; nothing of it may show or stay."""
    df_secret = arrow_secret = pa.table({"secret": [CANARY + "python-local"]})
    assert df_secret is arrow_secret
    before = fingerprint(root)
    if isinstance(sandbox, KeptSandbox):
        answers = [told(sandbox, sql) for _, sql in tried]
    else:
        with ThreadPoolExecutor(2) as visitors:
            answers = list(visitors.map(lambda attack: told(sandbox, attack[1]), tried))
    for (name, sql), (seen, is_error) in zip(tried, answers, strict=True):
        assert CANARY not in seen, name
        assert "Traceback" not in seen, name
        for place in (sys.prefix, str(ROOT), str(root)):
            # A heading repeats the expression that was typed; nothing else may name a place.
            assert place not in seen or (not is_error and place in sql), name
    assert fingerprint(root) == before


@pytest.fixture
def nothing_said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No canary comes out through the log or the standard streams."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert CANARY not in caplog.text
    assert CANARY not in "".join(capfd.readouterr())


@pytest.mark.usefixtures("nothing_said")
@pytest.mark.parametrize(("name", "least"), [("sql_attacks.jsonl", 125), ("sql_attacks_more.jsonl", 156)])
def test_no_attack_leaks_or_changes_anything(root: Path, kept: KeptSandbox, name: str, least: int) -> None:
    """Every statement, in one locked engine."""
    tried = attacks(root, name)
    assert len(tried) >= least
    attack_all(root, kept, tried)
    assert kept.kept.starts < 10, "only what is late or dies costs a child"


@pytest.mark.usefixtures("nothing_said")
@pytest.mark.parametrize("chosen", ["a dozen", pytest.param("all", marks=UNLESS_IN_CI)])
def test_no_attack_leaks_or_changes_anything_end_to_end(root: Path, sandbox: Sandbox, chosen: str) -> None:
    tried = [attack for attack in attacks(root) if chosen == "all" or attack[0] in DOZEN]
    assert len(tried) == (281 if chosen == "all" else len(DOZEN))
    attack_all(root, sandbox, tried)


def confinement(pid: int) -> dict[str, object]:
    """What the system holds a process to: its limits, its priority, where it is, what it knows and has open."""
    folder = Path(f"/proc/{pid}")
    return {
        "limits": (folder / "limits").read_text(),
        "nice": (folder / "stat").read_text().rpartition(")")[2].split()[16],
        "no new privileges": "NoNewPrivs:\t1" in (folder / "status").read_text(),
        "environment": (folder / "environ").read_bytes(),
        "folder": (folder / "cwd").readlink(),
        "open": sorted(str(link.readlink()).partition(":")[0] for link in (folder / "fd").iterdir()),
    }


def test_the_kept_child_is_confined_as_the_real_one_is(kept: KeptSandbox) -> None:
    """Or what is tried in it would prove nothing of the real one."""
    assert kept.run("select 1", LIMITS).table.num_rows == 1
    found = confinement(kept.kept.pid)
    with pool().child(60.0, None, spare=False) as real:
        for _ in range(100):  # the lowest priority comes last, after the imports
            expected = confinement(real.pid)
            if expected["nice"] == "19":
                break
            time.sleep(0.1)
        assert found == expected


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
from pathlib import Path
from tests.support import sandbox_store
from tests.support.kept import kept_sandbox
from etl.sql.reply import Limits, QueryError
from etl.sql.sandbox import Sandbox
catalogue = sandbox_store.Catalogue(Path({root!r}))
def ask(sandbox, statements):
    for sql in statements:
        try:
            sandbox.run(sql, Limits(timeout_s=20.0))
        except QueryError:
            pass
with kept_sandbox(catalogue) as kept:
    ask(kept, {statements!r})
ask(Sandbox(catalogue, spare=False), {end_to_end!r})
"""
"""Statements tried in one engine, and some of them through the real path."""


@whole_in_ci
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: connections are not watched")
def test_no_connection_is_attempted(root: Path, tmp_path: Path) -> None:
    words = ("http", "s3:", "hf:", "install", "attach", "load", "postgres", "secret", "extension")
    # The thief's files are called secret: their names alone make no statement one about the network.
    tried = [(sql, sql.lower().replace(f"{root}/outside/secret".lower(), "")) for _, sql in attacks(root)]
    chosen = [sql for sql, text in tried if any(word in text for word in words) and "\ud800" not in sql]
    script = tmp_path / "network.py"
    script.write_text(
        _NETWORK.format(root=str(root), statements=chosen, end_to_end=chosen[:: 1 if IN_CI else len(chosen) // 4])
    )
    log = tmp_path / "strace.log"
    watch = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,socket,sendto", "-o", str(log)]
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
