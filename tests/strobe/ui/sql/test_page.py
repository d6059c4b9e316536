"""The SQL page: a visitor's statement runs only when asked, shows what was cut, and breaks nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from etl.errors import StrobeError
from etl.sql import sandbox
from etl.sql.pool import pool
from etl.sql.sandbox import Sandbox
from etl.store.catalogue import Store
from strobe import saved_queries
from strobe.charts import quick
from strobe.ui.shell.writing import PARAMETER, TOKEN
from strobe.ui.sql.examples import EXAMPLES
from strobe.ui.sql.result import shown
from tests.support import real_store
from tests.support.effort import whole_in_ci
from tests.support.kept import Kept
from tests.support.places import ROOT

PAGE, ROUTER = ROOT / "pages" / "sql.py", ROOT / "streamlit_app.py"


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    """One child for the statements of most tests, since it is the page that they test."""
    kept = Kept()
    yield kept
    kept.close()


@pytest.fixture(autouse=True)
def _answering(request: pytest.FixtureRequest, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    if "end_to_end" not in request.fixturenames:
        monkeypatch.setattr(sandbox, "pool", lambda: kept)


@pytest.fixture(scope="module")
def end_to_end() -> Iterator[None]:
    """A child a statement, as where the app is served."""
    pool().warm()
    yield
    pool().close()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    real_store.make(tmp_path / "store")
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    monkeypatch.delenv("STROBE_READ_ONLY", raising=False)
    return tmp_path / "store"


def opened(sql: str | None = None, **session: object) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=30)
    app.session_state["_routed"] = True
    app.query_params[PARAMETER] = TOKEN
    for name, value in session.items():
        app.session_state[name] = value
    if sql is not None:
        app.query_params["q"] = sql
    app.run()
    assert not app.exception
    return app


def pressed(app: AppTest, sql: str | None = None) -> AppTest:
    if sql is not None:
        app.text_area(key="sql_text").set_value(sql)
    app.button(key="sql_go").click().run()
    assert not app.exception
    return app


@pytest.mark.usefixtures("store")
def test_tables_are_gathered_for_a_statement_and_not_for_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    read_parts = Sandbox._read_parts
    monkeypatch.setattr(Sandbox, "_read_parts", lambda self: (made.append(self), read_parts(self))[1])
    app = opened()
    assert not made
    pressed(app, "SELECT 1")
    assert len(made) == 1


def words(app: AppTest) -> str:
    parts = [*app.error, *app.info, *app.warning, *app.caption, *app.markdown, *app.code]
    return "\n".join(str(part.value) for part in parts).replace("\\", "")


def test_opens_with_an_example_and_runs_nothing(store: Path) -> None:
    app = opened()
    assert "SELECT step" in app.text_area(key="sql_text").value
    assert not app.dataframe


def test_run_shows_rows_and_writes_the_link(store: Path, end_to_end: None) -> None:
    app = pressed(opened(), "select run, steps from runs")
    (grid,) = app.dataframe
    assert grid.value["run"].tolist() == [real_store.RUN]
    assert app.query_params["q"] in ("select run, steps from runs", ["select run, steps from runs"])


def test_a_link_is_shown_and_waits_for_run(store: Path) -> None:
    app = opened("select 40 + 2 as answer")
    assert app.text_area(key="sql_text").value == "select 40 + 2 as answer"
    assert not app.dataframe
    assert "press Run" in words(app)
    pressed(app)
    assert app.dataframe[0].value["answer"].tolist() == [42]


@pytest.mark.parametrize(
    "sql", ["select", "\x00", "<script>alert(1)</script>", "x" * 100_000, "../../etc/passwd", "%00"]
)
def test_any_link_opens(store: Path, sql: str) -> None:
    app = opened(sql)
    assert len(app.text_area(key="sql_text").value) <= 20_000
    pressed(app)
    assert app.error


def test_an_error_points_at_its_place(store: Path, end_to_end: None) -> None:
    app = pressed(opened(), "select run,\n  stepz from scalars")
    assert 'Did you mean "step"?' in words(app)
    assert "line 2, column 3" in words(app)
    assert app.code[0].value == "  stepz from scalars\n  ^"


@whole_in_ci
def test_a_bomb_is_stopped_and_the_page_lives(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROBE_QUERY_TIMEOUT_S", "2")
    app = pressed(opened(), "select count(*) from range(1000000000000) t(i) where hash(i) = 1")
    assert "Stopped after 2 s" in words(app)
    pressed(app, "select 1 as one")
    assert app.dataframe[0].value["one"].tolist() == [1]


def test_limits_follow_the_mode(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "at most 3 s" in words(opened())
    monkeypatch.setenv("STROBE_READ_ONLY", "0")
    assert "at most 10 s" in words(opened())


def test_what_was_cut_is_said(store: Path) -> None:
    app = pressed(opened(), "select range as i, repeat('x', 3000) as x from range(5000)")
    assert "First 1,000 rows (there are more)" in words(app)
    assert "cut at 2,000 characters" in words(app)


def test_paths_are_hidden_from_strangers_only(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = pressed(opened(), "select snapshots_path from runs")
    assert "snapshots_path" in words(app)
    assert str(store) not in words(app)
    monkeypatch.setenv("STROBE_READ_ONLY", "0")
    assert pressed(opened(), "select snapshots_path from runs").dataframe[0].value.shape == (1, 1)


def test_every_kind_of_value_can_be_shown(store: Path) -> None:
    app = pressed(opened(), "from test_all_types()")
    assert len(app.dataframe[0].value) == 3
    assert not app.error


def test_names_that_are_markup_stay_text(store: Path) -> None:
    app = pressed(opened(), 'select 1 as "<img src=x onerror=alert(1)>", 2 as ":red[x]", 3 as "[a](javascript:b)"')
    assert app.dataframe[0].value.columns.tolist()[0] == "<img src=x onerror=alert(1)>"


def test_plan_is_drawn_as_text(store: Path) -> None:
    assert "Python Arrow Scan" in words(pressed(opened(), "explain select * from scalars"))


def test_chart_of_a_result(store: Path) -> None:
    app = pressed(opened(), "select step, value, name from scalars order by step")
    app.segmented_control(key="sql_view").set_value("Chart").run()
    assert not app.exception
    assert app.selectbox(key="sql_chart_x").value == "step"
    assert app.selectbox(key="sql_chart_y").value == "value"
    app.selectbox(key="sql_chart_mark").set_value("points").run()
    assert not app.exception


def test_an_example_and_the_history_fill_the_editor(store: Path) -> None:
    app = pressed(opened(), "select 1 as first")
    app.pills(key="sql_example").set_value("Gradient flow").run() if hasattr(app, "pills") else app.button_group(
        key="sql_example"
    ).set_value(["Gradient flow"]).run()
    assert "gradient_rms" in app.text_area(key="sql_text").value
    app.button(key="sql_past_0").click().run()
    assert app.text_area(key="sql_text").value == "select 1 as first"


def test_saving_is_there_only_where_writing_is_on(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "read-only" in words(opened())
    with pytest.raises(StrobeError, match="read-only"):
        saved_queries.save(store, "mine", "select 1")
    assert not (store / saved_queries.FILE).exists()
    monkeypatch.setenv("STROBE_READ_ONLY", "0")
    app = opened()
    app.text_input(key="sql_save_name").set_value("mine [x](y)")
    app.button(key="sql_save").click().run()
    assert not app.exception
    (query,) = saved_queries.saved(store)
    assert query.name == "mine [x](y)"
    app.button(key="sql_drop_0").click().run()
    assert saved_queries.saved(store) == []


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b'{"format": "other"}', b"\xff", b'{"format": "strobe-saved-queries"}']
)
def test_a_damaged_file_of_saved_queries_is_a_sentence(store: Path, data: bytes) -> None:
    (store / saved_queries.FILE).write_bytes(data)
    with pytest.raises(StrobeError, match="saved_queries.json"):
        saved_queries.saved(store)
    assert saved_queries.FILE in words(opened())


@pytest.mark.parametrize(
    ("name", "sql"), [("", "select 1"), ("a" * 81, "select 1"), ("a\nb", "select 1"), ("a", " ")]
)
def test_unfit_names_are_refused(store: Path, monkeypatch: pytest.MonkeyPatch, name: str, sql: str) -> None:
    monkeypatch.setenv("STROBE_READ_ONLY", "0")
    with pytest.raises(StrobeError):
        saved_queries.save(store, name, sql)


def test_opened_through_the_router_and_with_an_empty_store(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = AppTest.from_file(str(ROUTER), default_timeout=30).run()
    app.switch_page("pages/sql.py").run()
    assert not app.exception
    monkeypatch.setenv("STROBE_STORE", str(store / "none"))
    assert "No runs yet" in words(opened())


def test_every_example_answers(store: Path) -> None:
    asked = Sandbox(Store(store).current())
    # Of the last two, tests/strobe/ui/sql/test_examples.py asks a run that has what they need.
    empty = {"Re-run steps", "Snapshots on disk", "Spikes", "Update ratios", "Grokking gap"}
    assert len(EXAMPLES) >= 12
    for example in EXAMPLES:
        reply = asked.run(example.sql(real_store.RUN))
        assert reply.table.num_rows > 0 or example.title in empty, example.title


def test_chart_suggestions() -> None:
    table = pa.table({"run": ["a", "b"], "layer": [0, 1], "step": [1, 2], "l2": [0.5, float("nan")]})
    axes = quick.suggest(table)
    assert axes == quick.Axes("step", "l2", "run", "line")
    assert len(quick.figure(table, axes).to_dict()["data"]["values"]) == 1
    assert quick.suggest(pa.table({"name": ["a"]})) is None
    by_name = quick.suggest(pa.table({"tensor": ["a", "b"], "value": [1, 2]}))
    assert by_name == quick.Axes("tensor", "value", "tensor", "bars") or by_name.colour is None


def test_what_a_grid_cannot_show_becomes_text() -> None:
    table = pa.table({"b": [b"\x01\xff"], "l": [[1.0, None]], "n": [1], "t": ["x"]})
    assert shown(table).to_pylist() == [{"b": "01ff", "l": "[1.0, null]", "n": 1, "t": "x"}]


def test_numbers_keep_their_digits(store: Path) -> None:
    app = pressed(opened(), "select 4.49e-7::DOUBLE as small, 3::BIGINT as whole")
    columns = json.loads(app.dataframe[0].proto.columns)
    assert columns["small"]["type_config"]["format"] == "%.12g"
    assert "whole" not in columns


def test_another_text_dims_what_was_run_before(store: Path) -> None:
    app = pressed(opened(), "select 1 as one")
    assert "The text above is another by now" not in words(app)
    app.session_state["sql_text"] = "select 2 as two"
    app.run()
    assert "The text above is another by now" in words(app)


def test_log_axes_leave_out_and_count_what_has_no_place() -> None:
    table = pa.table({"step": [0, 1, 10], "loss": [1.0, 0.1, -1.0], "below": [-1.0, -2.0, None]})
    axes = quick.Axes("step", "loss", None, "line", ("x", "y"))
    made = quick.figure(table, axes).to_dict()
    assert [row["x"] for row in made["data"]["values"]] == [1.0]
    assert made["encoding"]["x"]["scale"]["type"] == made["encoding"]["y"]["scale"]["type"] == "log"
    assert quick.without_place(table, axes) == 2
    assert quick.may_be_log(table, "step", "loss", "line") == ["x", "y"]
    assert quick.may_be_log(table, "step", "below", "line") == ["x"]
    assert quick.may_be_log(table, "step", "loss", "bars") == []
