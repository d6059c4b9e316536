"""A movie made in the app says what it lacks: on its panel and in its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from etl.ingest.load import ingest
from strobe.ui.panel import movie_child, movie_jobs
from tests.support.damages import flip
from tests.support.make_run import make_run


def test_the_maker_tells_what_is_left_out_and_writes_it_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "alpha", steps=(0, 10, 20))
    ingest([run], tmp_path / "store")
    flip(run / "step_000010.bin")
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    movie_child.main("gif", "alpha", "attention", "", "0", str(tmp_path / "made"))
    assert capsys.readouterr().out.splitlines() == ["without 1 damaged snapshot (step 10)", "1 2", "2 2"]
    with Image.open(tmp_path / "made") as made:
        assert made.info["comment"] == b"alpha: att, without 1 damaged snapshot (step 10)"


def test_the_panel_says_what_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movie_jobs, "folder", lambda: tmp_path)

    def page() -> None:
        from strobe.ui.panel import movie
        from strobe.ui.panel.movie_jobs import Job

        job = Job("a", (), "movie.gif", lambda: True, state="made", without="without 1 damaged snapshot (step 10)")
        movie._show(job, "attention")

    at = AppTest.from_function(page).run()
    assert not at.exception
    assert "Without 1 damaged snapshot (step 10)." in " ".join(each.proto.body for each in at.get("html"))
