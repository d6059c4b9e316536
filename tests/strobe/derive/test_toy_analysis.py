"""A whole analysis in three places: a function, an Analysis in a file of its own, a figure. Nothing else knows it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import strobe.analysis
import strobe.derive
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from etl.store.compact import compact
from etl.store.files import Files
from etl.store.manage import remove_run
from etl.store.schema import TABLES
from strobe.charts.curves import Series, curves
from strobe.cli import app
from strobe.derive import registry
from strobe.derive.filling.deriver import Deriver
from strobe.derive.filling.staleness import stale, why_never
from tests.support.make_run import make_run
from tests.support.planted import planted, run_folder

FUNCTION = """
def mean_square(W):
    return float((W.astype("float64") ** 2).mean())
"""

ANALYSIS = """
from strobe.analysis.toy import mean_square
from strobe.derive.analysis import BIGINT, DOUBLE, SnapshotAnalysis
from strobe.derive.recorded_run import NotApplicableError

def needs(subject):
    if subject.recorded.parameter("unembedding") is None:
        raise NotApplicableError("the snapshots hold no unembedding")

def rows(subject, step):
    return [{"step": step, "value": mean_square(subject.recorded.at(step).values("params/qkvw"))}]

ANALYSIS = SnapshotAnalysis(
    table="toy", definition=1, columns=(("step", BIGINT), ("value", DOUBLE)), needs=needs, rows=rows
)
"""


def figure(store: Store) -> object:
    rows = store.sql("SELECT step::DOUBLE AS x, value AS y, 'toy' AS series FROM toy ORDER BY step")
    return curves(rows, [Series("toy", "#000")], x_title="step", y_title="mean square", log=False)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The two files, in folders where the packages find them; afterwards all is as it was."""
    for package, text in ((strobe.analysis, FUNCTION), (strobe.derive, ANALYSIS)):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "toy.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    registry.find()
    yield tmp_path / "strobe.derive" / "toy.py"
    monkeypatch.undo()
    for name in ("strobe.derive.toy", "strobe.analysis.toy"):
        sys.modules.pop(name, None)
    del strobe.derive.toy, strobe.analysis.toy  # type: ignore[attr-defined]
    TABLES.pop("toy", None)
    registry.find()


@pytest.fixture
def store(tmp_path: Path, toy: Path) -> Store:
    ingest([run_folder(tmp_path / "planted")], tmp_path / "store")
    return Store(tmp_path / "store")


def strobe_command(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_strobe_analyze_fills_it_and_sql_shows_it(store: Store) -> None:
    assert store.sql("SELECT count(*) AS n FROM toy")["n"].to_pylist() == [0]
    where = ("--store", str(store.path))
    assert strobe_command("analyze", "planted", "--only", "toy", *where) == "planted toy: 3 snapshots computed\n"
    assert strobe_command("analyze", "planted", "--only", "toy", *where) == "planted toy: up to date\n"
    expected = [float((planted(step)["qkvw"].astype(float) ** 2).mean()) for step in (0, 100, 200)]
    rows = store.sql("SELECT * FROM toy ORDER BY step")
    assert rows.column_names == ["run", "step", "value", "definition", "note"]
    assert rows["value"].to_pylist() == pytest.approx(expected)
    printed = strobe_command("sql", "SELECT step, value FROM toy ORDER BY step LIMIT 1", "--csv", *where)
    assert printed.splitlines() == ["step,value", f"0,{rows['value'][0]}"]
    assert figure(store) is not None


def test_it_grows_stale_and_may_never_be(store: Store, toy: Path, tmp_path: Path) -> None:
    run = store.run("planted")
    assert stale(run, "toy") == [0, 100, 200]
    Deriver(store, run).fill(["toy"])
    assert stale(store.run("planted"), "toy") == []
    sys.modules.pop("strobe.derive.toy")
    toy.write_text(ANALYSIS.replace("definition=1", "definition=22"))
    registry.find()
    assert stale(store.run("planted"), "toy") == [0, 100, 200]
    assert Deriver(store, store.run("planted")).fill(["toy"]).computed == {"toy": 3}
    assert store.sql("SELECT DISTINCT definition FROM toy")["definition"].to_pylist() == [22]
    ingest([make_run(tmp_path / "tied")], tmp_path / "store")
    assert why_never(store.run("tied"), "toy") == "the snapshots hold no unembedding"
    assert Deriver(store, store.run("tied")).fill(["toy"]).skipped == {"toy": "the snapshots hold no unembedding"}


def test_a_store_shows_a_table_that_nothing_declares(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for someone who reads the store with etl alone, or with an older Strobe."""
    Deriver(store, store.run("planted")).fill(["toy"], [0])
    Deriver(store, store.run("planted")).fill(["toy"])
    expected = store.sql("SELECT * FROM toy ORDER BY step")
    monkeypatch.delitem(TABLES, "toy")
    unaware = Store(store.path)
    assert unaware.sql("SELECT * FROM toy ORDER BY step").equals(expected)
    assert unaware.current().tables()["toy"].names == expected.column_names
    assert "planted" in strobe_command("sql", "SELECT run FROM toy", "--csv", "--store", str(store.path))
    assert compact(store.path, "planted") > 0
    assert unaware.sql("SELECT * FROM toy ORDER BY step").equals(expected)
    remove_run(Files(store.path), "planted")
    assert not list(store.path.glob("tables/toy/*/*"))


def test_a_table_whose_names_are_sql_is_not_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that came from elsewhere may name anything."""
    from etl.store.pointer import commit, read_pointer, write_part

    files = Files(store.path)
    pointer = read_pointer(files, "planted")
    bad = {
        "x AS SELECT 1; DROP VIEW runs; --": pa.table({"step": [1]}),
        "runs_all": pa.table({"step": [1]}),
        "odd": pa.table({'a" FROM runs; --': [1]}),
    }
    parts = {table: [write_part(files, "planted", table.replace("/", ""), rows)] for table, rows in bad.items()}
    commit(files, pointer, parts, pointer.state)
    assert set(store.current().tables()) == set(TABLES)
    assert store.sql("SELECT count(*) AS n FROM runs")["n"].to_pylist() == [1]


def test_two_names_of_the_store_itself_cannot_be_registered() -> None:
    from etl.store.schema import register

    schema = pa.schema([("run", pa.string()), ("step", pa.int64())])
    for name in ("runs", "scalars_all", "cuts", "Big", "a-b", "1st"):
        with pytest.raises(ValueError, match="no table can be registered"):
            register(name, schema)
    with pytest.raises(ValueError, match="no table can be registered"):
        register("fine", schema.remove(0))
    assert "fine" not in TABLES


def test_the_toys_function_is_right() -> None:
    scope: dict = {}
    exec(FUNCTION, scope)
    assert scope["mean_square"](np.array([[1, 2], [3, 4]])) == 7.5
