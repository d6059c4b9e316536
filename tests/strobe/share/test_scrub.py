"""What a share never tells, and what it leaves alone."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from strobe.share.scrub import REMOVED, Scrubber

SCRUBBER_OF = {"names": frozenset({"ada", "box-7", "root"}), "home": "/home/ada"}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/data/runs/grok/step_1.bin: truncated", "step_1.bin: truncated"),
        ("see /home/ada/x", "see ~/x"),
        ("file:///srv/logs/run.csv", "run.csv"),
        ("C:\\Users\\ada\\run", "run"),
        ("\\\\nas\\share\\run", "run"),
        ("by Ada on box-7", f"by {REMOVED} on {REMOVED}"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("params/wte and adapter 3/4", "params/wte and adapter 3/4"),
        ("the root mean square", "the root mean square"),
    ],
)
def test_paths_keep_their_last_name_and_names_are_removed_as_words(text: str, clean: str) -> None:
    assert Scrubber(**SCRUBBER_OF).text(text) == clean


def test_private_keys_go_with_what_they_hold_at_any_depth() -> None:
    given = {"lr": 0.1, "host": "box-7", "more": [{"argv": ["--out", "/data/x/y"], "dir": "/data/x/y"}]}
    scrubber = Scrubber(**SCRUBBER_OF)
    assert scrubber.value(given) == {"lr": 0.1, "more": [{"dir": "y"}]}
    assert scrubber.count == 3


def test_cells_of_json_stay_json_and_others_stay_as_they_are() -> None:
    rows = pa.table({"config": ['{"user": "ada", "lr": 1}', None], "note": ["{odd", "/a/b/c"], "step": [1, 2]})
    clean = Scrubber(**SCRUBBER_OF).rows(rows)
    assert json.loads(clean["config"][0].as_py()) == {"lr": 1}
    assert clean["note"].to_pylist() == ["{odd", "c"]
    assert clean["step"].to_pylist() == [1, 2]
    assert clean.schema == rows.schema
