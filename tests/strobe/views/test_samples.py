"""What a model wrote, at the cursor and in a table; tokens of a text as characters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from strobe.record import Recorder, TensorSpec
from strobe.views import samples
from strobe.views.run_view import CatalogueTables, RunView, snapshot_steps
from strobe.views.tokens import token_name

TEXT = {"kind": "text", "sample_given": 3}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("samples")
    tokens = np.zeros((2, 4), np.int32)
    tensors = [TensorSpec("tokens", "samples", ("sample", "position"), tokens)]
    with Recorder(root / "runs" / "text", tensors, task=TEXT, fsync=False, when_full="wait") as recorder:
        for step, words in ((0, (b"abc\xff", b"ab\nd")), (10, (b"abcd", b"ab\ne"))):
            tokens[:] = [list(word) for word in words]
            recorder.snapshot(step)
            recorder.flush()
    ingest([root / "runs" / "text"], root / "store")
    return root / "store"


def test_a_snapshot_s_samples_are_read_as_text(store: Path) -> None:
    tables = CatalogueTables(Store(store).current())
    view = RunView(tables, "text", snapshot_steps(tables, "text"))
    assert samples.has(view)
    assert samples.at(view, 7).samples == (("abc", "\ufffd"), ("ab\n", "d"))
    assert samples.at(view, 10).table().to_pylist()[1] == {
        "step": 10, "sample": 1, "given": "ab\n", "continuation": "e"
    }  # fmt: skip


def test_an_analysis_puts_them_into_a_table(store: Path) -> None:
    opened = Store(store)
    report = Deriver(opened, opened.run("text")).fill(["samples"])
    assert report.computed == {"samples": 2}
    found = opened.sql("SELECT step, sample, given, continuation FROM samples WHERE sample = 0 ORDER BY step")
    assert [tuple(row.values()) for row in found.to_pylist()] == [(0, 0, "abc", "\ufffd"), (10, 0, "abc", "d")]


def test_a_byte_is_its_character_and_what_has_none_its_number() -> None:
    names = [token_name(TEXT, token) for token in (ord("a"), ord(" "), ord("\n"), 0xC3, 0, 300)]
    assert names == ["a", "␣", "↵", "\\xc3", "\\x00", "300"]
    assert token_name({"kind": "text", "token_names": ["the"]}, 0) == "the"
