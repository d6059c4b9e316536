"""The page Compare: runs that lack things or cannot be read, names that are markup, links that mean nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.plot.request import Request
from strobe.views.run_use import RunUse, run_use
from strobe.views.run_view import RunView
from tests.support.inside import opened as opened_page
from tests.support.inside import text_of
from tests.support.llm_logs import llmc, loss_alone, training_logger

HOSTILE = "<b>x</b> $y^2$ [a](b) \N{ROCKET}"
HOSTILE_ID = "odd"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compare")
    odd = training_logger(root, HOSTILE, steps=100, config={"learning_rate": 1e-4}).rename(root / "odd.json")
    files = [training_logger(root, "llama", steps=200), llmc(root, "gpt", steps=60, lost_from=40), odd]
    ingest([*files, loss_alone(root, "bare", steps=40)], root / "store")
    return root / "store"


@pytest.fixture
def store(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    return Path(shutil.copytree(logs, tmp_path / "store"))


def opened(store: Path, monkeypatch: pytest.MonkeyPatch, *runs: str, **query: str | list[str]) -> AppTest:
    return opened_page("compare", monkeypatch, store, run=list(runs), **query)


def charts(at: AppTest) -> dict[str, dict[str, object]]:
    found = [json.loads(element.proto.spec) for element in at.get("vega_lite_chart")]
    return {spec["layer"][0]["encoding"]["y"]["title"].partition(" (")[0]: spec for spec in found}


def test_six_panels_and_both_tables(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(store, monkeypatch, "llama", "gpt", "bare")
    text = text_of(at)
    assert set(charts(at)) == {"loss", "learning rate", "tokens", "MFU", "thousand tokens/s", "memory"}
    for words in (
        "bare: no MFU was logged", "gpt: train loss not finite from step 40 on.", "diverged at 40", "not recorded",
        "Settings that differ", "No configuration was recorded of bare.",
    ):  # fmt: skip
        assert words in text, words


def test_one_axis_at_the_left_and_perplexity_at_the_right(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = charts(opened(store, monkeypatch, "llama", "gpt"))
    for name, spec in found.items():
        layers = json.loads(json.dumps(spec["layer"]))
        drawn = [layer["encoding"]["y"].get("axis", {}) for layer in layers]
        if name == "loss":
            assert [
                axis["orient"] if axis and "orient" in axis else bool(axis) for axis in drawn if axis is not None
            ] == [True, "right"]
            assert spec["resolve"] == {"axis": {"y": "independent"}}
        else:
            assert None not in drawn
            assert "resolve" not in spec


def test_a_run_with_a_loss_alone(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(store, monkeypatch, "bare")
    assert set(charts(at)) == {"loss"}
    assert "Tick a second run" in text_of(at)


def test_a_name_is_data(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(opened(store, monkeypatch, HOSTILE_ID, "llama"))
    assert "&lt;b&gt;x&lt;/b&gt; $y^2$ [a](b) \N{ROCKET}" in text
    assert "<b>x</b>" not in text


def test_a_run_that_cannot_be_read_costs_no_other(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(view: RunView) -> RunUse:
        if view.run == "gpt":
            raise StrobeError("a part is gone")
        return run_use(view)

    monkeypatch.setattr("strobe.ui.compare.reading._use", read)
    at = opened(store, monkeypatch, "llama", "gpt")
    assert "gpt cannot be read and is left out: a part is gone." in text_of(at)
    assert "loss" in charts(at)


def test_names_and_colours_come_with_the_link_and_go_back(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = {"name": ["llama:My llama"], "colour": ["llama:#123456"]}
    at = opened(store, monkeypatch, "llama", "gpt", **link)
    assert "My llama" in text_of(at)
    assert "#123456" in json.dumps(charts(at)["loss"])
    (own,) = (button for button in at.button if button.label == "Back to their own")
    own.click().run()
    assert not at.exception
    assert "My llama" not in text_of(at)
    assert "name" not in at.query_params


def test_a_name_that_is_typed_goes_into_the_link(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(store, monkeypatch, "llama", "gpt")
    at.text_input(key="compare_name_gpt").set_value("Small").run()
    assert not at.exception
    assert at.query_params["name"] in ("gpt:Small", ["gpt:Small"])
    assert "Small" in text_of(at)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"name": "llama"}, "means nothing"), ({"colour": "llama:red"}, "means nothing"),
        ({"price": "-1"}, "a number above 0"), ({"target": "much"}, "a number above 0"),
        ({"along": "sideways"}, "it can be step"),
    ],
)  # fmt: skip
def test_links_that_mean_nothing_are_said(
    store: Path, monkeypatch: pytest.MonkeyPatch, query: dict[str, str], words: str
) -> None:
    at = opened(store, monkeypatch, "llama", **query)
    assert words in text_of(at)
    assert "loss" in charts(at)


def test_runs_on_another_axis_and_a_price(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(store, monkeypatch, "llama", "bare", along="time", price="2")
    text = text_of(at)
    assert "bare: left out, since neither times nor times of steps were logged." in text
    assert "96.00" in text
    assert '"time since the first row (min)"' in json.dumps(charts(at)["loss"])


def test_at_most_eight_runs_are_drawn_and_that_is_said(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.views.compared.MOST_RUNS", 2)
    at = opened(store, monkeypatch, "llama", "gpt", "bare")
    assert "2 of 3 selected runs are drawn, without bare." in text_of(at)


def test_names_and_colours_are_kept_in_the_store_where_one_may_write(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = opened(store, monkeypatch, "llama", "gpt")
    assert "compare_keep" not in [button.key for button in stranger.button]
    at = opened_page("compare", monkeypatch, store, writing=True, run=["llama", "gpt"])
    at.text_input(key="compare_name_gpt").set_value("the small one").run()
    at.color_picker(key="compare_colour_gpt").set_value("#00AA11").run()
    at.button(key="compare_keep").click().run()
    assert not at.exception
    kept = Store(store).current()
    assert (kept.annotations()["gpt"].colour, Store(store).run("gpt").row["name"]) == ("#00aa11", "the small one")
    assert kept.annotations()["llama"].colour
    again = opened(store, monkeypatch, "llama", "gpt")
    assert again.color_picker(key="compare_colour_gpt").value == "#00aa11"
    assert Request(Store(store), ["llama", "gpt"]).looks["gpt"].colour == "#00aa11"
