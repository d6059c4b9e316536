"""Name, tags, note and archive on the Runs page, where this session may write and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from etl.store.annotations import Annotations
from etl.store.catalogue import Store
from strobe.ui.shell.writing import PARAMETER, TOKEN
from tests.support.app_store import log_only
from tests.support.places import ROOT


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    monkeypatch.setenv("STROBE_READ_ONLY", "0")
    for name in ("one", "two"):
        log_only(tmp_path, [{"step": k, "time": 1.0, "val_loss": 1.0} for k in range(3)], name)
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def opened(token: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / "runs.py"), default_timeout=30)
    at.query_params[PARAMETER], at.query_params["run"] = token, "one"
    at.run()
    assert not at.exception
    return at


def labelled(at: AppTest, kind: str, label: str) -> list[object]:
    return [one for one in getattr(at, kind) if one.label == label]


def test_tags_note_and_archive_are_written(store: Path) -> None:
    at = opened(TOKEN)
    (tags,) = labelled(at, "text_input", "Tags, with commas between")
    (note,) = labelled(at, "text_area", "Note")
    tags.set_value("paper, seed 2")  # type: ignore[attr-defined]
    note.set_value(" the good one ")  # type: ignore[attr-defined]
    (save,) = labelled(at, "button", "Save")
    save.click().run()  # type: ignore[attr-defined]
    assert not at.exception
    assert Store(store).current().annotations()["one"] == Annotations(("paper", "seed 2"), "the good one")
    at.button(key="runs_archive").click().run()
    assert Store(store).current().annotations()["one"].archived


def test_a_removal_says_first_what_will_go(store: Path) -> None:
    at = opened(TOKEN)
    at.button(key="runs_remove").click().run()
    assert any("are removed from the store" in one.value for one in at.markdown)
    assert "one" in Store(store).current().names()


def test_who_may_not_write_is_offered_nothing(store: Path) -> None:
    at = opened("no token")
    assert not labelled(at, "button", "Save")
    assert not labelled(at, "button", "Archive this run")
    assert Store(store).current().annotations()["one"] == Annotations()
