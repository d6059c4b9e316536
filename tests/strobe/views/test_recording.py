"""What a recorder could not record, as `strobe show` and the card say it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from etl.ingest.load import ingest
from strobe.cli import app
from strobe.record import Recorder, RecorderError, TensorSpec
from strobe.views.recording import sentence
from tests.support.make_run import make_run


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ({}, ""),
        ({"recorded": 0, "missed": 40, "why": {"grads/expert.3: no gradient": 40}},
         "0 of 40 snapshots: grads/expert.3: no gradient"),
        ({"recorded": 3, "skipped": 2, "why": {}}, "3 of 5 snapshots, 2 skipped because the disk was slower"),
        ({"recorded": 3, "values": 1, "lines": 2, "why": {"a": 1, "b": 2}},
         "1 metric left out, 2 lines of metrics lost: b (2); a (1)"),
        ({"recorded": 3, "absent": 4, "why": {str(k): k + 1 for k in range(5)}},
         "4 tensors absent from snapshots: 4 (5); 3 (4); 2 (3); and 2 reasons more"),
        ({"recorded": "x", "missed": -1, "why": [1]}, ""),
    ],
)  # fmt: skip
def test_what_is_missing_is_one_sentence(lost: dict, words: str) -> None:
    assert sentence(lost) == words


def test_show_says_what_is_missing_beside_the_status(tmp_path: Path) -> None:
    def gradient() -> np.ndarray:
        raise RecorderError("expert.3 had no gradient")

    spec = TensorSpec("expert.3", "grads", ("a",), gradient, (3,), "float32")
    with Recorder(tmp_path / "run", [spec], fsync=False) as recorder:
        for step in range(40):
            recorder.snapshot(step)
    ingest([tmp_path / "run"], tmp_path / "store")
    said = CliRunner().invoke(app, ["show", "run", "--store", str(tmp_path / "store")])
    assert "finished; 0 of 40 snapshots: expert.3 had no gradient" in " ".join(said.output.split())


def test_show_and_ingest_name_a_bad_line_of_the_log_of_attempts(tmp_path: Path) -> None:
    run, store = make_run(tmp_path / "alpha", steps=(0,), layers=1), ["--store", str(tmp_path / "store")]
    log = run / "attempts.jsonl"
    sound = log.read_bytes()
    log.write_bytes(sound + b"[1]\n")
    why = "attempts.jsonl line 3: a JSON list, not an object"
    for _ in range(2):
        told = CliRunner().invoke(app, ["ingest", str(run), *store])
        assert told.exit_code == 1
        assert f"left out {why}" in told.stderr
    said = CliRunner().invoke(app, ["show", "alpha", *store])
    assert f"1 left out: {why}" in " ".join(said.output.split())
    log.write_bytes(sound)
    assert CliRunner().invoke(app, ["ingest", str(run), *store]).exit_code == 0
    assert "left out" not in CliRunner().invoke(app, ["show", "alpha", *store]).output
