"""Attention that is not a language model's: what looks ahead, and queries and keys of different lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from strobe.record import Recorder
from strobe.views import attention
from strobe.views.run_view import CatalogueTables, RunView
from tests.support.inside import opened, text_of


def recorded(folder: Path, queries: int, keys: int, *, looks_back: bool = False) -> np.ndarray:
    """A run of 3 snapshots of random attention (layer, probe, head, query, key), ingested and analysed."""
    weights = np.random.default_rng(0).random((2, 2, 2, queries, keys), np.float32)
    weights = np.tril(weights) if looks_back else weights
    weights /= weights.sum(-1, keepdims=True)
    tensors = [("att", "attention", ("layer", "probe", "head", "query", "key"), weights)]
    with Recorder(folder / "run", tensors, when_full="wait", fsync=False) as recorder:
        for step in range(3):
            recorder.snapshot(step)
    ingest([folder / "run"], folder / "store")
    store = Store(folder / "store")
    Deriver(store, store.run("run")).fill()
    return weights


def mean_as_shown(folder: Path) -> np.ndarray:
    tables = CatalogueTables(Store(folder / "store").current())
    return attention.weights_at(RunView(tables, "run", (0, 1, 2)), 0).seen


def test_what_looks_ahead_is_drawn_whole_and_the_caption_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = recorded(tmp_path, 12, 12)
    assert np.triu(weights, 1).sum() / weights.sum() > 0.3
    np.testing.assert_allclose(mean_as_shown(tmp_path), weights.mean(axis=1), rtol=1e-6)
    text = text_of(opened("attention", monkeypatch, tmp_path / "store", run="run"))
    assert "Tokens look ahead too." in text
    assert "cannot look ahead" not in text


def test_what_looks_only_back_is_blank_ahead_and_the_caption_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path, 12, 12, looks_back=True)
    assert (np.isnan(mean_as_shown(tmp_path)) == np.triu(np.ones((12, 12), bool), 1)).all()
    assert "Tokens cannot look ahead." in text_of(opened("attention", monkeypatch, tmp_path / "store", run="run"))


def test_queries_and_keys_may_have_different_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = recorded(tmp_path, 5, 9)
    np.testing.assert_allclose(mean_as_shown(tmp_path), weights.mean(axis=1), rtol=1e-6)
    assert Store(tmp_path / "store").sql("SELECT * FROM heads").num_rows == 0
    assert "5 queries" in text_of(opened("attention", monkeypatch, tmp_path / "store", run="run"))


def test_a_run_without_attention_says_so_where_heads_would_be_and_offers_no_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder(tmp_path / "run", [("w", "params", ("a",), np.ones(2))], when_full="wait", fsync=False) as recorder:
        for step in range(3):
            recorder.snapshot(step)
    ingest([tmp_path / "run"], tmp_path / "store")
    at = opened("attention", monkeypatch, tmp_path / "store", run="run")
    assert text_of(at).count("This run recorded no attention") == 2, "of heads, and of their scores"
    assert not at.multiselect
