"""Every page through the router and opened cold, in every state a store can be in, with every kind of link."""

from __future__ import annotations

import html
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from streamlit.testing.v1 import AppTest

from etl.ingest.load import ingest
from etl.store.catalogue import Catalogue
from strobe.ui.shell.writing import PARAMETER, TOKEN
from strobe.views.milestones import ONSET_RULE, PEAK_RULE
from tests.support.app_store import EVERY_PAGE, PAGES, grokking, log_only
from tests.support.effort import UNLESS_IN_CI, tries
from tests.support.make_run import make_run
from tests.support.places import ROOT

NAMES = (
    "<img src=x onerror=alert(1)>", "[link](javascript:alert(1))", ":red[x] :smile:", "$\\LaTeX$",
    "'; DROP TABLE runs; --",
    "=cmd()", "# heading\u202e", "`code`", "𝒳 naïve", "{brace} %s",
)  # fmt: skip
SOME_NAMES = (NAMES[0], NAMES[1], NAMES[3], NAMES[6])
"""Markup of each kind; the others are tried where CI is set."""
SOME_PAGES = tuple(
    pytest.param(page, marks=() if page in (*PAGES, "attention") else UNLESS_IN_CI) for page in EVERY_PAGE
)
"""For what the frame does that all pages stand in: one of each kind, and all of them where CI is set."""


@pytest.fixture(autouse=True)
def _no_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    monkeypatch.delenv("STROBE_READ_ONLY", raising=False)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("app")
    grokking(root)
    ingest([make_run(root / "runs" / "second", steps=range(0, 601, 100), end="interrupted")], root / "store")
    return root / "store"


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    return lambda path: monkeypatch.setenv("STROBE_STORE", str(path))


def opened(page: str, *, cold: bool = True, **query: str | list[str]) -> AppTest:
    file = ROOT / "pages" / f"{page}.py" if cold else ROOT / "streamlit_app.py"
    at = AppTest.from_file(str(file), default_timeout=30)
    at.query_params[PARAMETER] = TOKEN
    for name, value in query.items():
        at.query_params[name] = value
    return at.run()


def text_of(at: AppTest) -> str:
    kinds = ("markdown", "caption", "warning", "info", "error", "code")
    shown = [element.value for kind in kinds for element in getattr(at, kind)]
    shown += [element.proto.body for element in at.get("html")]
    return "\n".join(map(str, shown))


def values(at: AppTest, name: str) -> list[str]:
    value = at.query_params[name]
    return value if isinstance(value, list) else [value]


def well(at: AppTest) -> AppTest:
    assert not at.exception, at.exception[0].stack_trace
    return at


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_every_page_opens_cold_and_says_what_it_is(use, store: Path, page: str) -> None:
    use(store)
    at = well(opened(page))
    assert f"<h1>{page.title()}</h1>" in text_of(at)
    assert "Grokking onset at step 880" in text_of(at) or "second" in text_of(at)
    assert values(at, "run") == ["second"]


def test_the_router_leads_to_the_first_page(use, store: Path) -> None:
    use(store)
    at = well(opened("runs", cold=False, run="grok-a", step="400"))
    assert "<h1>Runs</h1>" in text_of(at)
    assert values(at, "run") == ["grok-a"]
    assert values(at, "step") == ["400"]


@pytest.mark.parametrize("page", PAGES)
def test_milestones_are_words(use, store: Path, page: str) -> None:
    use(store)
    at = well(opened(page, run="grok-a"))
    assert "Grokking onset at step 880; the training set was known from step 100, when" in text_of(at)
    assert "Test loss peaks at 10.2 at step 336" in text_of(at)


HOSTILE = [
    {"run": "../../etc"}, {"run": "no-such-run"}, {"run": "x" * 100_000}, {"run": "%00"},
    {"run": "<script>alert(1)</script>"},
    {"run": ["grok-a", "grok-a", "nope"]}, {"run": ""}, {"step": "abc"}, {"step": "-1"}, {"step": "1e309"},
    {"step": "NaN"},
    {"step": str(2**63)}, {"step": "450"}, {"step": ["1", "2"]}, {"step": "٣"}, {"x": "sideways"},
    {"tensors": "nothing"},
    {"row": "'; DROP"}, {"linear": "<b>"}, {"zoom": "3,1"}, {"zoom": "nan,1e999"}, {"y": "loss~a"}, {"at": "x"},
    {"size": "huge"},
    {"probe": "99"}, {"unknown": "1"}, {"smooth": "ema-2"},
    {"align": "step", "align_step": "-3"}, {"baseline": "nobody"}, {"pin": ["'; DROP", "<b>"]}, {"raw": "yes"},
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("query", HOSTILE, ids=lambda q: "-".join(f"{k}={str(v)[:12]}" for k, v in q.items()))
def test_a_link_that_means_nothing_falls_back_and_is_mended(use, store: Path, page: str, query: dict) -> None:
    use(store)
    at = well(opened(page, **query))
    run = values(at, "run")
    assert set(run) <= {"grok-a", "second"}
    assert int(values(at, "step")[0]) % 100 == 0
    if page == "curves":
        assert not {"sideways", "nothing", "'; DROP"} & {
            value for name in at.query_params for value in values(at, name)
        }
    for value in ("../../etc", "nope"):
        assert value not in str(dict(at.query_params))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"run": "nope"}, "not in this store"),
        ({"step": "abc"}, "which is not a step"),
        ({"run": "grok-a", "step": "450"}, "no snapshot at step 450"),
        ({"x": "sideways"}, "it can be step, tokens, time"),
    ],
)
def test_the_fallback_is_said(use, store: Path, query: dict, words: str) -> None:
    use(store)
    at = well(opened("curves", **query))
    assert any(words in note.value.replace("\\", "") for note in at.warning)


def test_a_link_restores_what_its_sender_saw(use, store: Path) -> None:
    use(store)
    query = {
        "run": ["grok-a", "second"],
        "step": "300",
        "x": "tokens",
        "tensors": "weight",
        "row": ["wpe"],
        "linear": ["loss"],
        "zoom": "100,300.5",
        "at": "200",
        "y": ["accuracy~0.2,0.9"],
        "hide": ["second|train"],
        "columns": "3",
        "size": "large",
        "filter": "loss|acc",
        "clip": "1",
        "smooth": "ema-0.9",
        "baseline": "second",
        "align": "step",
        "align_step": "200",
        "raw": "1",
        "pin": ["recorder_ms"],
    }
    at = well(opened("curves", **query))
    assert {name: values(at, name) for name in query} == {
        k: v if isinstance(v, list) else [v] for k, v in query.items()
    }
    assert not at.warning


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_an_empty_store_shows_three_ways_to_begin(use, tmp_path: Path, page: str) -> None:
    use(tmp_path / "nothing")
    text = text_of(well(opened(page)))
    for command in ("strobe example", "strobe train modadd --preset grok", "strobe ingest PATH"):
        assert command in text


def _file(root: Path) -> Path:
    path = root / "store"
    path.write_text("not a folder")
    return path


def _newer(root: Path) -> Path:
    path = grokking(root, steps=(0, 100))
    (path / "store.json").write_text('{"format": "strobe-store", "version": 99}')
    return path


def _broken(root: Path) -> Path:
    path = root / "store"
    path.mkdir()
    (path / "store.json").write_text("{half")
    return path


@pytest.mark.parametrize("page", SOME_PAGES)
@pytest.mark.parametrize("make", [_file, _newer, _broken])
def test_a_store_that_cannot_be_read_is_one_screen(use, tmp_path: Path, page: str, make) -> None:
    use(make(tmp_path))
    at = well(opened(page))
    assert len(at.error) == 1
    assert "STROBE_STORE" in text_of(at)


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_a_run_without_snapshots(use, tmp_path: Path, page: str) -> None:
    rows = [{"step": k, "time": 1.0 + k, "train_loss": 1.0 / (k + 1)} for k in range(30)]
    use(log_only(tmp_path, rows))
    at = well(opened(page))
    if page in ("compare", "memorization"):  # they show nothing that snapshots hold
        return
    assert values(at, "step") == ["15"], "in the middle of the steps that were logged"
    assert "snapshots" in text_of(at)


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_a_single_step(use, tmp_path: Path, page: str) -> None:
    use(grokking(tmp_path, steps=(0,)))
    at = well(opened(page))
    assert "Grokking onset: none" in text_of(at) or page not in PAGES


def test_an_all_nan_metric_is_counted_in_words(use, tmp_path: Path) -> None:
    rows = [{"step": k + 1, "time": 1.0 + k, "val_loss": "NaN", "train_loss": 0.0} for k in range(902)]
    use(log_only(tmp_path, rows))
    text = text_of(well(opened("curves", log="loss")))
    assert "test: none of its 902 values is finite." in text
    assert "train: none of its 902 values is above 0, as a log axis needs." in text


def test_runs_whose_accuracies_are_on_two_scales_say_so_on_curves(use, tmp_path: Path) -> None:
    for name, whole in (("shares", 1.0), ("hundred", 100.0)):
        log_only(tmp_path, [{"step": s, "time": 1e9, "val_accuracy": whole * s / 9} for s in range(10)], name)
    use(tmp_path / "store")
    said = "hundred in percentages (0 to 100)"
    assert said in text_of(well(opened("curves", run=["shares", "hundred"])))
    assert said not in text_of(well(opened("curves", run="hundred")))


def test_the_card_has_the_rules_of_what_it_says(use, store: Path) -> None:
    use(store)
    text = text_of(well(opened("runs", run="grok-a")))
    assert f"Rules. {ONSET_RULE} {PEAK_RULE}" in html.unescape(text)


def test_extreme_values_do_no_harm(use, tmp_path: Path) -> None:
    values = [1e30, 1.0, "Infinity", "-Infinity", 1e-300, -5.0, 0.0]
    rows = [{"step": k, "time": 1.0, "val_loss": v, "train_loss": 2.0} for k, v in enumerate(values)]
    use(log_only(tmp_path, rows))
    for page in PAGES:
        well(opened(page))


@pytest.mark.parametrize("page", SOME_PAGES)
def test_a_run_deleted_while_it_is_shown(use, tmp_path: Path, page: str) -> None:
    path = grokking(tmp_path, steps=(0, 100))
    ingest([make_run(tmp_path / "runs" / "other", steps=(0, 100))], path)
    use(path)
    at = well(opened(page, run="grok-a"))
    shutil.rmtree(path / "runs" / "grok-a")
    at = well(at.run())
    assert any("gone from the store" in note.value for note in at.warning)
    assert values(at, "run") == ["other"]


def test_new_rows_are_shown_after_an_ingest(use, tmp_path: Path) -> None:
    path = grokking(tmp_path, steps=(0, 100))
    use(path)
    at = well(opened("curves", run="grok-a"))
    ingest([make_run(tmp_path / "more" / "later", steps=(0, 100, 200))], path)
    at.query_params["run"] = "later"
    assert values(well(at.run()), "run") == ["later"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SOME_NAMES else UNLESS_IN_CI) for name in NAMES]
)
def test_names_are_data(use, tmp_path: Path, name: str) -> None:
    path = tmp_path / "store"
    run = make_run(tmp_path / "runs" / "plain", steps=(0, 100))
    rows = [{"step": k, "time": 1.0, "val_loss": 1.0, name: 1.0} for k in range(3)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest([run], path)
    use(path)
    named = Catalogue.runs

    def renamed(self):
        table = named(self)
        return table.set_column(table.column_names.index("name"), "name", [[name]])

    with patch.object(Catalogue, "runs", renamed):
        for page in PAGES:
            at = well(opened(page))
            rendered = "\n".join(
                str(e.value) for kind in ("markdown", "warning", "info", "caption") for e in getattr(at, kind)
            )
            assert name not in rendered
            html = "\n".join(e.proto.body for e in at.get("html"))
            assert "<img src=x" not in html
            assert "\u202e" not in html


TWICE = """
import streamlit as st
from strobe.ui.shell.page import frame
page = frame("runs")
assert frame("runs") is page
st.text(f"drawn {len(page.runs)}")
if "again" not in st.session_state:
    st.session_state["again"] = page
    st.rerun()
assert st.session_state["again"] is not page
"""


def test_the_frame_may_be_called_twice_and_is_drawn_anew_in_a_rerun(use, store: Path) -> None:
    use(store)
    at = well(AppTest.from_string(TWICE, default_timeout=30).run())
    assert text_of(at).count("<h1>Runs</h1>") == 1


def test_a_page_of_a_running_run_looks_for_new_rows(use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "runs" / "live", steps=(0, 100), end=None)
    rows = [{"step": k, "time": time.time(), "val_loss": 1.0} for k in range(3)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest([run], tmp_path / "store")
    use(tmp_path / "store")
    watched = []
    monkeypatch.setattr("strobe.ui.shell.live.watch", watched.append)
    well(opened("curves"))
    assert [page.runs for page in watched] == [["live"]]


def test_visitors_each_see_their_own_run(use, store: Path) -> None:
    use(store)
    runs = [("grok-a", "second")[number % 2] for number in range(tries(6, 20))]
    visitors = [well(opened("curves", run=run)) for run in runs]
    assert [values(well(at.run()), "run") for at in visitors] == [[run] for run in runs]


def test_the_sidebar_says_that_it_is_read_only(use, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(store)
    assert any("strobe app" in c.value for c in opened("runs").caption)
    monkeypatch.setenv("STROBE_READ_ONLY", "0")
    assert not any("Read-only" in c.value for c in opened("runs").caption)
