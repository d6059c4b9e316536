"""Statements of honest users: every kind of SELECT works, errors help, and what was cut is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.sql.pool import pool
from etl.sql.reply import Limits, QueryError, Reply
from etl.sql.sandbox import Sandbox
from tests.support import sandbox_store
from tests.support.effort import UNLESS_IN_CI, whole_in_ci
from tests.support.kept import KeptSandbox, kept_sandbox

LIMITS = Limits(timeout_s=10.0)
EVERYWHERE = ["in one engine", pytest.param("end to end", marks=UNLESS_IN_CI)]
"""Statements are tried in an engine that is kept; through the real path where CI is set, and with -m slow."""

GOOD = {
    "select": "select count(*) from scalars",
    "from first": "from runs",
    "from first select": "from scalars select max(step)",
    "table": "table runs",
    "values": "values (1, 'a'), (2, 'b')",
    "with": "with last as (select run, max(step) s from scalars group by run) select * from last order by run",
    "recursive": "with recursive r(n) as (select 1 union all select n + 1 from r where n < 10) select sum(n) from r",
    "window": "select step, value - lag(value) over (order by step) from scalars where name = 'val_loss' limit 5",
    "named window": "select avg(value) over w from scalars window w as (order by step rows 3 preceding) limit 3",
    "qualify": "select run, step from scalars qualify row_number() over (partition by run order by step desc) = 1",
    "pivot": "pivot (select run, name, value from scalars where step = 5) on name using first(value)",
    "pivot with in": "pivot scalars on name in ('train_loss', 'val_loss') using max(value) group by run",
    "pivot in from": "select * from (pivot scalars on name using count(*) group by run)",
    "sql pivot": "from scalars pivot (max(value) for name in ('train_loss'))",
    "unpivot": "unpivot (select 1 as a, 2 as b) on a, b into name k value v",
    "summarize": "summarize scalars",
    "describe": "describe tensors",
    "describe select": "describe select run, value from scalars",
    "show tables": "show tables",
    "show table": "show runs",
    "explain": "explain select * from scalars where run = 'baseline'",
    "explain json": "explain (format json) select 1",
    "lateral": "select r.run, s.m from runs r, lateral (select max(step) m from scalars where run = r.run) s",
    "list comprehension": "select [x * 2 for x in range(5) if x % 2 = 0]",
    "lambda": "select list_transform([1, 2, 3], lambda x: x + 1)",
    "unnest": "select unnest(singular_values) from spectra limit 10",
    "asof join": "select a.step, b.value from tensors a asof join scalars b on a.run = b.run and a.step >= b.step",
    "positional join": "select * from (select 1 a) positional join (select 2 b)",
    "grouping sets": "select run, name, count(*) from scalars group by grouping sets ((run), (name), ())",
    "rollup": "select run, name, count(*) from scalars group by rollup (run, name)",
    "group by all": "select run, name, max(value) from scalars group by all order by all",
    "union by name": "select 1 as a union by name select 2 as b",
    "except": "select run from runs except select 'baseline'",
    "tablesample": "select * from scalars tablesample 50% (bernoulli)",
    "using sample": "select * from scalars using sample 5 rows",
    "exclude and replace": "select * exclude (time) replace (value * 2 as value) from scalars limit 1",
    "columns": "select min(columns('value|step')) from scalars",
    "struct and map": "select {'a': 1, 'b': [1, 2]} s, map {'k': 1} m, row(1, 'x') r",
    "json": "select config->>'lr' from runs",
    "semi join": "select * from runs semi join scalars using (run)",
    "correlated": "select run from runs r where exists (from scalars s where s.run = r.run and s.step = 3)",
    "arg max": "select tensor, arg_max(step, l2), max(l2) from tensors group by tensor",
    "regular expressions": "select regexp_extract('step_000100', '([0-9]+)', 1)",
    "dates": "select to_timestamp(time), date_trunc('day', to_timestamp(time)) from scalars limit 1",
    "trailing semicolon": "select 1;",
    "comments": "-- a remark\nselect /* inline */ 1 -- the end",
    "brackets": "((select 1))",
    "all types": "from test_all_types()",
    "no rows": "select * from imports",
}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> sandbox_store.Catalogue:
    return sandbox_store.make(tmp_path_factory.mktemp("honest"))


@pytest.fixture(scope="module")
def sandbox(catalogue: sandbox_store.Catalogue) -> Sandbox:
    return Sandbox(catalogue)


@pytest.fixture(scope="module")
def kept(catalogue: sandbox_store.Catalogue) -> Iterator[KeptSandbox]:
    with kept_sandbox(catalogue) as kept:
        yield kept


@pytest.fixture
def either(path: str, kept: KeptSandbox, sandbox: Sandbox) -> Sandbox:
    return kept if path == "in one engine" else sandbox


def run(sandbox: Sandbox, sql: str, limits: Limits = LIMITS) -> Reply:
    return sandbox.run(sql, limits)


def value(sandbox: Sandbox, sql: str) -> object:
    return run(sandbox, sql).table[0][0].as_py()


def failure(sandbox: Sandbox, sql: str, limits: Limits = LIMITS) -> QueryError:
    with pytest.raises(QueryError) as caught:
        sandbox.run(sql, limits)
    return caught.value


def what_is_wrong(sandbox: Sandbox, kind: str) -> str | None:
    try:
        reply = sandbox.run(GOOD[kind], LIMITS)
    except QueryError as error:
        return str(error)
    if reply.table.num_columns != len(reply.types):
        return "not every column has a type"
    if (reply.table.num_rows == 0) != (kind == "no rows"):
        return f"{reply.table.num_rows} rows"
    return None if len(reply.table.to_pylist()) == reply.table.num_rows else "rows that Python cannot hold"


@pytest.mark.parametrize("path", EVERYWHERE)
def test_every_kind_of_honest_statement_works(either: Sandbox) -> None:
    assert len(GOOD) >= 40
    wrong = {kind: what_is_wrong(either, kind) for kind in GOOD}
    assert {kind: why for kind, why in wrong.items() if why} == {}


@pytest.mark.parametrize("path", EVERYWHERE)
def test_views_show_current_rows_and_all_views_everything(either: Sandbox) -> None:
    steps, cut = sandbox_store.STEPS, sandbox_store.CUT_STEP
    where = "where run = 'grok-p97' and name = 'train_loss'"
    assert value(either, f"select count(*) from scalars {where}") == steps
    assert value(either, f"select count(*) from scalars_all {where}") == steps + (steps - cut)
    assert value(either, f"select max(step) from scalars {where} and attempt = 0") == cut - 1


@pytest.mark.parametrize("path", EVERYWHERE)
def test_run_stays_text_even_where_it_looks_like_a_number(either: Sandbox) -> None:
    reply = run(either, "select distinct run from scalars order by run")
    assert reply.types == ["VARCHAR"]
    assert reply.table[0].to_pylist() == sorted(sandbox_store.RUNS)


@pytest.mark.parametrize("path", EVERYWHERE)
def test_filters_reach_the_scan_through_the_current_rows_view(either: Sandbox) -> None:
    shown = str(run(either, "explain select value from scalars where run = 'baseline' and step = 3").table[1][0])
    for pushed in ("\"run\" = 'baseline'", '"step" = 3', '"attempt" >= 0'):
        assert pushed in shown
    assert "RIGHT" not in shown


@pytest.mark.parametrize(
    ("sql", "kind", "where", "says"),
    [
        ("select * fro x", "syntax", (1, 14), "syntax error"),
        ("select\n  valeu\nfrom scalars", "name", (2, 3), 'Did you mean "value"?'),
        ("select 'é',\n 1 from\n scalar", "name", (3, 2), 'Did you mean "scalars"?'),
        ("select * from zzzzzz", "name", (1, 15), "Tables: attempts"),
        ("select nofunction(1)", "name", (1, 8), "nofunction"),
        ("select cast('abc' as integer)", "query", (1, 8), "abc"),
        ("select * from 'scalars.csv'", "refused", (None, None), "No file or address can be read here"),
        ("select 1; select 2", "refused", (None, None), "2 statements"),
        ("", "refused", (None, None), "no statement"),
        ("select * from read_xlsx('a.xlsx')", "name", (None, None), "excel extension"),
        ("select " + "(" * 2_000 + "1" + ")" * 2_000, "syntax", (None, None), "nested too deeply"),
        ("select strftime(1, 2, 3)", "query", (1, 8), "No function matches"),
        ("create table a (b int)", "refused", (None, None), "Only SELECT"),
    ],
)
@pytest.mark.parametrize("path", EVERYWHERE)
def test_errors_help(either: Sandbox, sql: str, kind: str, where: tuple[int | None, int | None], says: str) -> None:
    error = failure(either, sql)
    assert error.kind == kind
    assert (error.line, error.column) == where
    assert says in str(error)
    assert "\n" not in str(error)


def test_rows_are_cut_and_it_is_said(sandbox: Sandbox) -> None:
    reply = run(sandbox, "select range as i, repeat('x', 200) from range(5000000)")
    assert reply.table.num_rows == 1_000
    assert reply.notices(LIMITS) == ["First 1,000 rows (there are more)."]
    exact = run(sandbox, "select range from range(1000)")
    assert exact.table.num_rows == 1_000
    assert exact.notices(LIMITS) == []


def test_bytes_are_cut_and_it_is_said(sandbox: Sandbox) -> None:
    wide = ", ".join(f"repeat('{chr(97 + i % 26)}', 2000) c{i}" for i in range(40))
    reply = run(sandbox, f"select {wide} from range(1000)")
    assert 0 < reply.table.num_rows < 1_000
    assert reply.table.nbytes <= LIMITS.max_bytes
    assert "5 MB" in reply.notices(LIMITS)[0]


def test_cells_are_cut_and_it_is_said(sandbox: Sandbox) -> None:
    reply = run(sandbox, "select repeat('é', 40000000) s, repeat('x', 3000)::blob b, range(100000) r")
    row = reply.table.to_pylist()[0]
    assert [len(row["s"]), len(row["b"]), len(row["r"])] == [2_000] * 3
    assert reply.notices(LIMITS) == ["3 cells were cut at 2,000 characters."]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_columns_are_cut_and_it_is_said(either: Sandbox) -> None:
    reply = run(either, "pivot (select i, i v from range(1500) t(i)) on i using sum(v)")
    assert reply.table.num_columns == 1_000
    assert "of 1,501 columns" in reply.notices(LIMITS)[0] or "of 1,500 columns" in reply.notices(LIMITS)[0]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_names_of_columns_are_made_fit_to_show(either: Sandbox) -> None:
    long = "n" * 10_000
    reply = run(either, f'select 1 a, 2 a, 3 a, 4 as "<img src=x onerror=alert(1)>", 5 as "{long}", 6 as " "')
    assert reply.columns == ["a", "a_1", "a_2", "<img src=x onerror=alert(1)>", "n" * 200, " "]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_a_plan_may_be_longer_than_a_cell(either: Sandbox) -> None:
    joins = " ".join(f"join scalars s{i} on s{i}.run = s.run" for i in range(6))
    plan = run(either, f"explain select count(*) from scalars s {joins}").table[1][0].as_py()
    assert len(plan) > 2_000


def test_more_rows_for_a_file(sandbox: Sandbox) -> None:
    limits = LIMITS.for_rows(20_000)
    reply = run(sandbox, "select range as i, [1.5, 2.5] as l, repeat('x', 3000) as s from range(15000)", limits)
    assert reply.table.num_rows == 15_000
    assert reply.rows_cut is None
    assert reply.table["l"][14_999].as_py() == [1.5, 2.5]
    assert len(reply.table["s"][0].as_py()) == 3_000


def test_an_error_in_a_late_row_is_told_like_an_early_one(sandbox: Sandbox) -> None:
    error = failure(
        sandbox, "select case when i = 900000 then error('late') end from range(1000000) t(i)", LIMITS.for_rows(10**6)
    )
    assert (error.kind, error.message) == ("query", "late")


def test_too_long_and_nul_are_refused_before_any_child(sandbox: Sandbox) -> None:
    assert "at most 20,000" in str(failure(sandbox, "select " + "1" * 20_000))
    assert "NUL" in str(failure(sandbox, "select 1\0; select 2"))


@whole_in_ci
def test_a_thousand_runs_answer_promptly(tmp_path: Path) -> None:
    """Parts are opened only where the filter on `run` leads, and never all at once: 64 files may be open."""
    catalogue = _many_runs(tmp_path, 1_000)
    sandbox = Sandbox(catalogue)
    pool().warm()
    one = run(sandbox, "select count(*), max(value) from scalars where run = 'r0500'")
    assert one.table[0][0].as_py() == 4
    assert one.seconds < 0.5
    assert value(sandbox, "select count(*) from scalars") == 4_000


def _many_runs(root: Path, count: int) -> sandbox_store.Catalogue:
    for number in range(count):
        folder = root / "tables" / "scalars" / f"run=r{number:04d}"
        folder.mkdir(parents=True)
        if number == 0:
            columns = {"attempt": [0] * 4, "name": ["train_loss"] * 4, "step": [0, 1, 2, 3], "value": [1.0] * 4}
            sandbox_store._write(root, "scalars", f"r{number:04d}", {**columns, "time": [0.0] * 4})
            part = next(folder.iterdir())
        else:
            (folder / part.name).hardlink_to(part)
    return sandbox_store.Catalogue(root)
