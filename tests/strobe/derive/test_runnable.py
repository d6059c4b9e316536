"""The forward pass of a recorded model in every shape that a manifest can say: the logits of an independent
reference, or a refusal that names what stands against it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strobe.derive.recorded_run import NotApplicableError
from strobe.derive.runnable import Runnable
from tests.support.adding import HEADS, LAYERS, WIDTH, P, logits, model_of, record, subject, weights

Params = dict[str, np.ndarray]


def turned(params: Params, *names: str) -> Params:
    """With columns first in some matrices."""
    return params | {name: np.ascontiguousarray(params[name].swapaxes(-1, -2)) for name in names}


def interleaved(params: Params) -> Params:
    """With the rows of each head's q, k and v together, picked one by one."""
    size = WIDTH // HEADS
    order = [part * WIDTH + head * size + row for head in range(HEADS) for part in range(3) for row in range(size)]
    return params | {name: params[name][:, order] for name in ("qkvw", "qkvb")}


def one_layer(params: Params) -> Params:
    """The first layer alone, without an axis of layers."""
    return {name: value[0] if len(value) == LAYERS else value for name, value in params.items()}


PROJECTIONS = ("qkvw", "attprojw", "fcw", "fcprojw")
IN_OUT = {key: ["layer", "in", "out"] for key in PROJECTIONS}
UNSTACKED = {
    **{key: ["out", "in"] for key in PROJECTIONS}, **{key: ["out"] for key in ("qkvb", "attprojb", "fcb", "fcprojb")},
    **{key: ["channel"] for key in ("ln1w", "ln1b", "ln2w", "ln2b")},
}  # fmt: skip


def agrees(folder: Path, params: Params, **reference: Any) -> None:
    model = model_of(folder)
    model.check()
    found = model.forward(40).logits
    expected = np.stack([logits(params, [a, b, P], **reference) for a in range(P) for b in range(P)])
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("recorded", "dims"),
    [
        (lambda w: w, {}),
        (lambda w: turned(w, "attprojw"), {"attprojw": ["layer", "in", "out"]}),
        (lambda w: turned(w, *PROJECTIONS), IN_OUT),
        (lambda w: turned(w, "fcw", "qkvw"), {"fcw": ["layer", "x", "y"], "qkvw": ["layer", "rows", "columns"]}),
        (lambda w: turned(w, "wte", "wpe", "unembed"),
         {"wte": ["channel", "token"], "wpe": ["channel", "position"], "unembed": ["in", "out"]}),
        (lambda w: turned(w, "wte"), {"wte": ["out", "in"], "unembed": ["out", "in"]}),
    ],
    ids=["plain", "square", "all", "by shape", "embeddings", "as maps"],
)  # fmt: skip
def test_either_orientation_gives_the_same_logits(
    tmp_path: Path, recorded: Callable[[Params], Params], dims: dict[str, list[str]]
) -> None:
    params = weights()
    agrees(record(tmp_path / "run", recorded(params), dims=dims), params)


def test_heads_that_do_not_make_up_the_width(tmp_path: Path) -> None:
    params = weights(head_size=5)
    agrees(record(tmp_path / "run", params, model={"head_size": 5}), params)


def test_heads_that_share_keys_and_values(tmp_path: Path) -> None:
    params = weights(kv_heads=1)
    agrees(record(tmp_path / "run", params, model={"n_kv_head": 1}), params, kv_heads=1)


def test_interleaved_queries_keys_and_values(tmp_path: Path) -> None:
    params = weights()
    agrees(record(tmp_path / "run", interleaved(params), model={"qkv_layout": "interleaved"}), params)
    columns = turned(interleaved(params), "qkvw")
    dims = {"qkvw": ["layer", "in", "out"]}
    agrees(record(tmp_path / "other", columns, dims=dims, model={"qkv_layout": "interleaved"}), params)


def test_without_an_axis_of_layers(tmp_path: Path) -> None:
    params = weights()
    first = {name: value[:1] if len(value) == LAYERS else value for name, value in params.items()}
    agrees(record(tmp_path / "run", one_layer(params), dims=UNSTACKED, model={"n_layer": 1}), first)


def test_tied_embeddings_and_no_bias_of_the_unembedding(tmp_path: Path) -> None:
    params = {name: value for name, value in weights().items() if name not in ("unembed", "unembedb")}
    agrees(record(tmp_path / "run", params, model={"tied_embeddings": True}), params)


def test_half_precision_is_computed_as_float32(tmp_path: Path) -> None:
    params = {name: value.astype(np.float16) for name, value in weights().items()}
    agrees(record(tmp_path / "run", params), params)


def without(name: str) -> Callable[[], Params]:
    return lambda: {other: value for other, value in weights().items() if other != name}


@pytest.mark.parametrize(
    ("made", "said", "reason"),
    [
        (lambda: weights(head_size=5), {}, "params/qkvw: its axes .* have the shape .30, 6., where .18, 6. is due"),
        (weights, {"model": {"n_embd": 7}}, "n_embd 7 is no multiple of n_head 2, and there is no head_size"),
        (weights, {"model": {"head_size": 0}}, "head_size is 0, not an integer"),
        (weights, {"model": {"head_size": "3"}}, "head_size is '3', not an integer"),
        (weights, {"model": {"n_kv_head": 3}}, "n_head 2 is no multiple of n_kv_head 3"),
        (weights, {"model": {"n_kv_head": 1}}, "params/qkvw: .*where .12, 6. is due"),
        (weights, {"model": {"qkv_layout": "columns"}}, "qkv_layout is 'columns'; known are"),
        (
            lambda: weights(kv_heads=1),
            {"model": {"qkv_layout": "interleaved", "n_kv_head": 1}},
            "interleaved q, k and",
        ),
        (weights, {"dims": {"attprojw": ["layer", "x", "y"]}}, "params/attprojw: .*do not tell which is which"),
        (weights, {"dims": {"fcw": ["layer", "in", "out"]}}, "params/fcw: its axes .in, out. have the shape .9, 6."),
        (weights, {"dims": {"fcw": ["depth", "out", "in"]}}, "params/fcw: it has no axis of layers, and the model 2"),
        (weights, {"model": {"n_layer": 3}}, "it has 2 layers, and the model 3"),
        (weights, {"model": {"mlp_width": 8}}, "params/fcw: .*where .8, 6. is due"),
        (lambda: weights() | {"unembedb": np.zeros(3, np.float32)}, {}, "3 biases .* 7 logits"),
        (lambda: weights() | {"fcb": np.zeros((2, 4), np.float32)}, {}, "params/fcb: its length 4 is not 9"),
        (
            lambda: weights() | {"wte": np.zeros(7, np.float32)},
            {"dims": {"wte": ["token"]}},
            "params/wte: its axes .token. are",
        ),
        (
            lambda: weights() | {"fcb": np.zeros((2, 9, 1), np.float32)},
            {"dims": {"fcb": ["layer", "out", "one"]}},
            "params/fcb: its axes .out, one. are not those of a vector",
        ),
        (without("fcprojw"), {}, "lack the weight 'fcprojw'"),
        (without("unembed"), {}, "lack the weight 'unembed'"),
        (without("qkvb"), {}, "the model has biases, and the snapshots lack 'qkvb'"),
        (without("ln2w"), {}, "some of its norms have parameters, and the snapshots lack 'ln2w'"),
        (without("lnfb"), {}, "some of its norms have parameters, and the snapshots lack 'lnfb'"),
        (weights, {"model": {"tied_embeddings": True}}, "embeddings are tied, and yet"),
        (weights, {"model": {"family": "llama"}}, "'llama' has no forward pass here"),
        (weights, {"task": {"modulus": 8}}, "7 embeddings and 7 logits do not hold 8 residues"),
        (weights, {"task": {"sequence": ["a", 5, "b", 5, 6]}}, "5 tokens a sum are more than 4 positions"),
        (weights, {"task": {"equals_token": 7}}, "the sums hold the token 7, and there are 7 embeddings"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(
    tmp_path: Path, made: Callable[[], Params], said: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NotApplicableError, match=reason):
        model_of(record(tmp_path / "run", made(), **said)).check()


def test_a_model_without_affine_norms_and_biases_is_run(tmp_path: Path) -> None:
    full = weights()
    left_out = [name for name in full if name.startswith("ln") or (name.endswith("b") and name != "unembedb")]
    neutral = {name: np.full_like(full[name], float(name.endswith("w"))) for name in left_out}
    bare = {name: value for name, value in full.items() if name not in left_out}
    agrees(record(tmp_path / "run", bare, model={"bias": False}), full | neutral)


def test_its_sizes_are_those_of_its_tensors(tmp_path: Path) -> None:
    made = Runnable(
        subject(record(tmp_path / "run", turned(weights(), "wte"), dims={"wte": ["channel", "token"]})).recorded
    )
    assert (made.vocabulary, made.positions, made.classes) == (7, 4, 7)
