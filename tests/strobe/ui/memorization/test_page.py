"""The Memorization page: on a study, and where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from strobe.ui.shell.page import _default_run
from strobe.views.memorization import NONE
from tests.support.app_store import grokking
from tests.support.places import ROOT
from tests.support.studied import studied_store


@pytest.fixture(autouse=True)
def _no_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return studied_store(tmp_path_factory.mktemp("studied"))


def opened(store: Path, monkeypatch: pytest.MonkeyPatch, **query: str) -> AppTest:
    monkeypatch.setenv("STROBE_STORE", str(store))
    at = AppTest.from_file(str(ROOT / "pages" / "memorization.py"), default_timeout=60)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def text_of(at: AppTest) -> str:
    return " ".join(str(each.proto.body) for each in at.get("html"))


def test_a_study_is_told_shown_and_read(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(opened(store, monkeypatch, passage="3", step="6"))
    assert "At epoch 4, 6 of 6 trained passages are memorized" in text
    assert "the beginning of 3" in text
    assert "the &lt;b&gt;end&lt;/b&gt; of 3" in text
    assert "the end at 2 of 3" in text
    assert ">epoch 2<" in text


def test_before_the_first_point_the_first_is_shown_and_said(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "epoch 1, the first that was measured" in text_of(opened(store, monkeypatch, step="0"))


def test_without_a_study_it_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(grokking(tmp_path), monkeypatch)
    assert [each.value for each in at.info] == [NONE]


def test_it_opens_on_the_newest_study_and_other_pages_on_the_newest_other_run() -> None:
    rows = {
        "old": {"task": "memorization", "created_at": 1.0}, "study": {"task": "memorization", "created_at": 9.0},
        "grok": {"task": "modular_addition", "created_at": 5.0}, "log": {"task": None, "created_at": 3.0},
    }  # fmt: skip
    assert _default_run(rows, "memorization") == "study"
    assert _default_run(rows, "curves") == "grok"
    assert _default_run({"study": rows["study"]}, "curves") == "study"
    assert _default_run({"grok": rows["grok"]}, "memorization") == "grok"
