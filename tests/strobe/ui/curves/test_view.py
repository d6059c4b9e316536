"""Curves as they are looked at: smoothed, aligned, coloured by a setting, beside a baseline, on every axis."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from etl.ingest.load import ingest
from strobe.ui.curves.options import SMOOTHINGS, as_much
from strobe.views.curves import Smoothing
from tests.support.app_store import grokking
from tests.support.make_run import make_run
from tests.support.places import ROOT

VIEWS = """
import json
import streamlit as st
from strobe.ui.curves import panel as curve_panel
from strobe.ui.curves.options import CurveOptions
from strobe.views.curves import Curve
from strobe.charts.theme import Look
from strobe.ui.shell.page import frame

page = frame("curves")
asked = json.loads(st.query_params["view"])
asked |= {"looks": {run: Look(*look) for run, look in asked.get("looks", {}).items()}}
view = CurveOptions(**asked)
wanted = [Curve(run, st.query_params.get("name", "val_loss"), "test") for run in view.runs(page)]
drawn = curve_panel.fetch(page, wanted, view, log=False, window=None)
table = drawn.table()
st.session_state["drawn"] = {
    "table": table.to_pydict(), "remarks": drawn.remarks, "caption": curve_panel.caption_of(drawn, view, ""),
    "series": [vars(s) for s in drawn.series], "title": view.x_title(),
    "axes": __import__("strobe.views.curves", fromlist=["x"]).available_axes(page.view.tables, page.run),
    "marks": [(mark.x, mark.label) for mark in curve_panel.marks(page, wanted, drawn, view, "val_loss")],
}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """grok-a groks at step 880; second never does; spiky has 5,000 noisy points with epochs, one of them a spike."""
    root = tmp_path_factory.mktemp("curves")
    grokking(root)
    ingest([make_run(root / "runs" / "second", steps=range(0, 601, 100), end="interrupted")], root / "store")
    spiky = make_run(root / "runs" / "spiky", steps=(0,))
    rows = [
        {"step": k, "time": 1.76e9 + 2 * k, "epoch": k / 100, "val_loss": 90.0 if k == 3333 else k % 2}
        for k in range(5000)
    ]
    (spiky / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest([spiky], root / "store")
    return root / "store"


@pytest.fixture
def fetch(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict]:
    monkeypatch.setenv("STROBE_STORE", str(store))

    def fetched(run: str | list[str], name: str = "val_loss", **view: object) -> dict:
        at = AppTest.from_string(VIEWS, default_timeout=30)
        at.session_state["_routed"] = True
        at.query_params["run"], at.query_params["view"] = run, json.dumps(view)
        at.query_params["name"] = name
        at.run()
        assert not at.exception, at.exception[0].stack_trace
        return at.session_state["drawn"]

    return fetched


def test_the_spike_is_drawn_and_the_rest_is_counted(fetch) -> None:
    drawn = fetch("spiky")
    assert max(drawn["table"]["y"]) == 90
    assert len(drawn["table"]["y"]) <= 2000
    assert f"{len(drawn['table']['y']):,} of 5,000 points" in drawn["caption"]


def test_every_point_is_drawn_where_it_is_asked_for(fetch) -> None:
    drawn = fetch("spiky", every_point=True)
    assert drawn["table"]["step"] == list(range(5000))
    assert "points" not in drawn["caption"]


def test_a_smoothed_curve_lies_over_the_faint_raw_one(fetch) -> None:
    drawn = fetch("spiky", smoothing="mean-51")
    faint, smooth = drawn["series"]
    assert faint["of"] == smooth["label"]
    rows = zip(drawn["table"]["series"], drawn["table"]["step"], drawn["table"]["y"], strict=True)
    ys = {step: y for label, step, y in rows if label == smooth["label"]}
    assert {0, 4999} <= set(ys)
    assert max(ys.values()) == pytest.approx((90 + 25) / 51)
    assert "mean of 51 points" in drawn["caption"]


@pytest.mark.parametrize(
    ("axis", "last"), [("step", 4999.0), ("epoch", 49.99), ("time", 9998.0), ("clock", 1.76e9 + 9998)]
)
def test_every_axis(fetch, axis: str, last: float) -> None:
    drawn = fetch("spiky", axis=axis)
    assert max(drawn["table"]["x"]) == pytest.approx(last)
    assert drawn["axes"] == ["step", "epoch", "time", "clock"]


def test_runs_aligned_at_the_onset(fetch) -> None:
    drawn = fetch(["grok-a", "second"], align="onset")
    zero = drawn["table"]["x"].index(0.0)
    assert drawn["table"]["step"][zero] == 880
    assert (0.0, "grok-a: onset 880") in [tuple(mark) for mark in drawn["marks"]]
    assert drawn["remarks"] == ["second has no onset to align at, and is left out."]
    assert drawn["title"] == "step, from the onset on"


def test_runs_aligned_at_a_step_on_a_clock(fetch) -> None:
    drawn = fetch(["grok-a", "second"], axis="time", align="step", align_step=400)
    at = [x for x, step in zip(drawn["table"]["x"], drawn["table"]["step"], strict=True) if step == 400]
    assert at == pytest.approx([0.0, 0.0])


def test_a_baseline_is_drawn_though_it_is_not_selected(fetch) -> None:
    drawn = fetch("grok-a", baseline="second")
    assert [series["label"] for series in drawn["series"]] == ["grok-a · test", "second · test · baseline"]


def test_runs_of_one_group_share_a_colour(fetch) -> None:
    looks = {"grok-a": ("#111111", 0), "second": ("#111111", 0), "spiky": ("#222222", 1)}
    labels = {"grok-a": "lr 1", "second": "lr 1", "spiky": "lr 2"}
    drawn = fetch(list(looks), group="training.lr", looks=looks, labels=labels)
    assert [(series["colour"], series["turn"]) for series in drawn["series"]] == list(looks.values())
    assert drawn["series"][2]["label"] == "spiky · lr 2 · test"


def test_the_settings_that_differ_are_offered(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROBE_STORE", str(store))
    at = AppTest.from_file(str(ROOT / "pages" / "curves.py"), default_timeout=30)
    at.query_params["run"] = ["grok-a", "second"]
    at.run()
    offered = next(box for box in at.selectbox if box.label == "Colour by").options
    assert offered[0] == "run"
    assert len(offered) > 1
    at.selectbox(key="group").select(offered[1]).run()
    assert not at.exception
    assert offered[1] in at.query_params["group"]


@pytest.mark.parametrize(
    ("before", "kind", "after"),
    [
        ("ema-0.9", "mean", "mean-21"), ("mean-21", "ema", "ema-0.9"), ("ema-0.5", "mean", "mean-3"),
        ("ema-0.999", "mean", "mean-1001"), ("mean-5", "mean", "mean-5"), ("none", "ema", "none"),
    ],
)  # fmt: skip
def test_another_kind_of_mean_smooths_about_as_much(before: str, kind: str, after: str) -> None:
    assert as_much(before, kind) == after


def test_the_kind_of_mean_is_changed_without_losing_how_much(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROBE_STORE", str(store))
    at = AppTest.from_file(str(ROOT / "pages" / "curves.py"), default_timeout=30)
    at.query_params["run"], at.query_params["smooth"] = "spiky", "ema-0.9"
    at.run()
    at.session_state["smooth_by"] = "mean"
    at.run()
    assert not at.exception
    assert "mean-21" in at.query_params["smooth"]


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_every_smoothing_has_words(smoothing: str) -> None:
    chosen = Smoothing(smoothing)
    assert bool(chosen.words()) == (smoothing != "none")
    assert (chosen.of([3.0] * 5) == [3.0] * 5).all() if smoothing != "none" else True
