"""Scores of heads whose attention was not recorded, and the parts of weights that are laid out in another way."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strobe.analysis.architecture import Architecture
from strobe.analysis.attention import head_scores
from strobe.analysis.forward import forward
from strobe.derive import fourier, heads, spectra
from strobe.derive.recorded_run import NotApplicableError
from tests.support.adding import HEADS, LAYERS, MODEL, WIDTH, P, record, subject, weights

TOKENS = np.array([[1, 2, 1, 2], [0, 3, 3, 4], [2, 2, 0, 1]], np.int32)


def scored(folder: Path, monkeypatch: pytest.MonkeyPatch, **said: Any) -> list[dict]:
    made = subject(record(folder, weights(), **said))
    # Three batches of one or two sequences.
    monkeypatch.setattr(heads, "_BATCH_TOKENS", 8)
    heads.ANALYSIS.check(made)
    return heads.rows(made, 40)


def test_attention_that_was_not_recorded_is_computed_over_the_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = scored(tmp_path / "run", monkeypatch, more={"probe/tokens": TOKENS})
    att = forward(weights(), Architecture.of(MODEL), TOKENS, dtype=np.float64).attention
    expected = head_scores(att, TOKENS)
    assert len(rows) == LAYERS * HEADS
    for row in rows:
        place = row["layer"], row["head"]
        for name, scores in expected._asdict().items():
            assert row[name] == pytest.approx(scores[place], abs=1e-5), (place, name)
        assert row["note"] is None


def test_without_a_probe_all_sums_are_its_sequences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = scored(tmp_path / "run", monkeypatch)
    sums = np.array([[a, b, P] for a in range(P) for b in range(P)])
    att = forward(weights(), Architecture.of(MODEL), sums, dtype=np.float64).attention
    for row in rows:
        assert row["first_token"] == pytest.approx(att[row["layer"], :, row["head"], 1:, 0].mean(), abs=1e-5)
        assert (row["induction"], row["note"]) == (None, "induction: no token recurs")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"task": {"kind": "text"}}, "neither attention .* nor the probe's tokens"),
        ({"model": {"family": "other"}}, "no attention .*, and no forward pass for this model"),
        ({"more": {"probe/tokens": np.zeros((10, 5), np.int32)}}, "more than 1e\\+02$"),
    ],
)
def test_what_cannot_be_computed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict, reason: str
) -> None:
    made = subject(record(tmp_path / "run", weights(), **said))
    monkeypatch.setattr(heads, "MOST_OPERATIONS", 100.0)
    with pytest.raises(NotApplicableError, match=reason):
        heads.ANALYSIS.check(made)


def test_a_probe_that_does_not_fit_is_named(tmp_path: Path) -> None:
    made = subject(record(tmp_path / "run", weights(), more={"probe/tokens": np.full((1, 3), 99, np.int32)}))
    with pytest.raises(
        NotApplicableError, match="the probe does not fit the model .tokens 99..99 are not all in 0..6"
    ):
        heads.rows(made, 40)


def rows_of(folder: Path, params: dict[str, np.ndarray], **said: Any) -> tuple[dict, dict]:
    """The rows of `fourier` and those of `spectra` of q, k and v, by what names them."""
    made = subject(record(folder, params, **said))
    first = {(r["site"], r.get("layer"), r.get("head"), r["frequency"], r["kind"]): r["value"]
             for r in fourier.rows(made, 40)}  # fmt: skip
    second = {(r["tensor"], r["layer"], r["part"], r["head"]): r["stable_rank"]
              for r in spectra.rows(made, 40) if r["part"] != "whole"}  # fmt: skip
    return first, second


def test_rows_do_not_depend_on_how_a_matrix_lies(tmp_path: Path) -> None:
    params, size = weights(), WIDTH // HEADS
    plain = rows_of(tmp_path / "plain", params)
    assert len(plain[1]) == LAYERS * 3 * (HEADS + 1)
    order = [part * WIDTH + head * size + row for head in range(HEADS) for part in range(3) for row in range(size)]
    others = {
        "turned": ({"qkvw": params["qkvw"].swapaxes(1, 2), "wte": params["wte"].T},
                   {"dims": {"qkvw": ["layer", "in", "out"], "wte": ["channel", "token"]}}),
        "interleaved": ({"qkvw": params["qkvw"][:, order]}, {"model": {"qkv_layout": "interleaved"}}),
    }  # fmt: skip
    for name, (changed, said) in others.items():
        arrays = {key: np.ascontiguousarray(value) for key, value in changed.items()}
        for found, expected in zip(rows_of(tmp_path / name, params | arrays, **said), plain, strict=True):
            assert found == pytest.approx(expected, rel=1e-5), name


def test_heads_that_share_a_key_have_its_energy(tmp_path: Path) -> None:
    shared = weights(kv_heads=1)
    q, k = shared["qkvw"][:, :WIDTH], shared["qkvw"][:, WIDTH : WIDTH + WIDTH // HEADS]
    repeated = shared | {"qkvw": np.concatenate([q, k, k, q], axis=1)}
    found, parts = rows_of(tmp_path / "shared", shared, model={"n_kv_head": 1})
    expected, _ = rows_of(tmp_path / "repeated", repeated | {"qkvb": weights()["qkvb"]})
    assert found == pytest.approx(expected)
    assert {key[3] for key in parts if key[2] == "k"} == {None, 0}


@pytest.mark.parametrize(
    ("said", "parts"),
    [({"model": {"qkv_layout": "other"}}, 0), ({"model": {"n_kv_head": True}}, 0), ({"model": {"n_head": 5}}, 0)],
)
def test_what_is_not_known_to_be_a_head_is_none(tmp_path: Path, said: dict, parts: int) -> None:
    assert len(rows_of(tmp_path / "run", weights(), **said)[1]) == parts


def test_an_embedding_that_does_not_tell_its_rows_is_refused(tmp_path: Path) -> None:
    square = {"wte": np.ones((WIDTH, WIDTH), np.float32)}
    only = {name: value for name, value in (weights() | square).items() if not name.startswith("unembed")}
    with pytest.raises(NotApplicableError, match="params/wte: .*do not tell which is which.*model.n_embd is 6"):
        fourier.ANALYSIS.check(subject(record(tmp_path / "run", only, dims={"wte": ["x", "y"]})))
    with pytest.raises(NotApplicableError, match="params/wte has 6 rows, fewer than the 11 residues of task.modulus"):
        fourier.ANALYSIS.check(subject(record(tmp_path / "other", only, task={"modulus": 11})))


def test_an_embedding_that_does_not_fit_costs_no_other(tmp_path: Path) -> None:
    long = weights() | {"unembed": np.ones((4, WIDTH), np.float32)}
    made = subject(record(tmp_path / "run", long))
    fourier.ANALYSIS.check(made)
    rows = fourier.rows(made, 40)
    plain = fourier.rows(subject(record(tmp_path / "plain", weights())), 40)
    assert [row for row in rows if row["site"] == "embedding"] == [r for r in plain if r["site"] == "embedding"]
    unfit = [row for row in rows if row["site"] == "unembedding"]
    assert [(row["value"], row["note"]) for row in unfit] == [
        (None, "params/unembed has 4 rows, fewer than the 5 residues of task.modulus")
    ]


@pytest.mark.parametrize(
    ("tokens", "why"),
    [
        (np.zeros((2, 4), np.int32), "is int32 .* of shape .2, 4., and attention/att has 2 probes of 3 positions"),
        (np.zeros(6, np.int32), "of shape .6., and it must be integers"),
        (np.zeros((2, 3), np.float32), "is float32 .*, and it must be integers"),
        (None, "probe/tokens was not recorded"),
    ],
)
def test_tokens_that_do_not_belong_to_the_attention_cost_one_score(
    tmp_path: Path, tokens: np.ndarray | None, why: str
) -> None:
    att = np.full((1, 2, 2, 3, 3), 1 / 3, np.float32)
    more = {"attention/att": att} | ({} if tokens is None else {"probe/tokens": tokens})
    dims = {"attention/att": ["layer", "probe", "head", "query", "key"]}
    made = subject(record(tmp_path / "run", weights(), more=more, axes=dims))
    heads.ANALYSIS.check(made)
    for row in heads.rows(made, 40):
        assert row["first_token"] == pytest.approx(1 / 3)
        assert row["induction"] is None
        assert re.search(f"^induction: .*{why}", row["note"])


@pytest.mark.parametrize(
    ("shape", "dims", "why"),
    [
        ((2, 2, 3, 3), ["layer", "head", "query", "key"], "its axes must be .layer, probe, head, query, key"),
        ((1, 2, 2, 3, 3), ["probe", "layer", "head", "query", "key"], "its axes must be"),
        ((1, 2, 2, 3, 4), ["layer", "probe", "head", "query", "key"], "3 queries on 4 keys"),
    ],
)
def test_attention_of_other_axes_is_refused(
    tmp_path: Path, shape: tuple[int, ...], dims: list[str], why: str
) -> None:
    more = {"attention/att": np.zeros(shape, np.float32)}
    made = subject(record(tmp_path / "run", weights(), more=more, axes={"attention/att": dims}))
    with pytest.raises(NotApplicableError, match=f"attention/att is float32 .*{why}"):
        heads.ANALYSIS.check(made)
