"""Tensors are found by what they are: by their own role, else by llm.c's names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etl.run.layout import place
from etl.run.manifest import ManifestError, parse
from etl.run.roles import LLMC_ROLES, ROLES, first_with, role_of, tensors_with


def manifest(*tensors: tuple[str, str | None]) -> dict[str, Any]:
    """A manifest whose tensors have these names, and these roles where one is given."""
    placed, size = place([
        {"name": name, "section": name.partition("/")[0], "dims": ["token", "channel"], "shape": [2, 3],
         "dtype": "float32"} | ({"role": role} if role else {})
        for name, role in tensors
    ])  # fmt: skip
    return {
        "format": "strobe-snapshot", "version": 1, "model": {"family": "other"},
        "run": {"id": "r", "name": "r", "created_at": 0.0, "writer": "test"},
        "snapshot": {"bytes": size, "tensors": placed},
    }  # fmt: skip


def test_llmc_names_have_the_roles_of_the_format() -> None:
    by_role: dict[str, list[str]] = {}
    for name, role in LLMC_ROLES.items():
        by_role.setdefault(role, []).append(name)
    assert by_role == {
        "token_embedding": ["wte"], "position_embedding": ["wpe"], "qkv": ["qkvw"], "attention_out": ["attprojw"],
        "mlp_in": ["fcw"], "mlp_out": ["fcprojw"], "unembedding": ["unembed"],
        "norm": ["ln1w", "ln1b", "ln2w", "ln2b", "lnfw", "lnfb"],
        "bias": ["qkvb", "attprojb", "fcb", "fcprojb", "unembedb"],
    }  # fmt: skip


def test_a_role_of_its_own_counts_before_the_name() -> None:
    document = manifest(("params/wte", "other"), ("params/tok_emb", "token_embedding"), ("params/wpe", None))
    assert tensors_with(document, "token_embedding") == ["params/tok_emb"]
    assert first_with(document, "position_embedding") == "params/wpe"
    assert first_with(document, "qkv") is None


def test_tensors_come_in_the_order_of_the_manifest() -> None:
    document = manifest(("params/b", "qkv"), ("params/qkvw", None), ("params/a", "qkv"))
    assert tensors_with(document, "qkv") == ["params/b", "params/qkvw", "params/a"]
    assert first_with(document, "qkv") == "params/b"


def test_only_parameters_have_roles() -> None:
    document = manifest(("grads/wte", None), ("grads/x", "qkv"), ("params/verb", None))
    assert [role_of(tensor) for tensor in document["snapshot"]["tensors"]] == [None, None, None]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_accepted(role: str) -> None:
    assert parse(json.dumps(manifest(("params/x", role))).encode(), "m").snapshot.tensors[0].role == role


@pytest.mark.parametrize("role", ["embedding", "QKV", "qkv ", 3, ["qkv"], {"qkv": 1}, True], ids=repr)
def test_any_other_role_is_refused_by_tensor_and_field(role: Any) -> None:
    with pytest.raises(
        ManifestError, match=r"^m: tensor 'params/x' \(number 1\): role: .*'token_embedding'"
    ) as refused:
        parse(json.dumps(manifest(("params/w", "qkv"), ("params/x", role))).encode(), "m")
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize("role", [None, ""], ids=repr)
def test_an_empty_role_is_refused(role: Any) -> None:
    document = manifest(("params/x", None))
    document["snapshot"]["tensors"][0]["role"] = role
    with pytest.raises(ManifestError, match=r"role: "):
        parse(json.dumps(document).encode(), "m")


def test_other_keys_of_a_tensor_are_kept() -> None:
    document = manifest(("params/x", "qkv"))
    more = {"original": "h.0.attn", "causal": True, "group": "attn"}
    document["snapshot"]["tensors"][0] |= more
    raw = parse(json.dumps(document).encode(), "m").raw["snapshot"]["tensors"][0]
    assert {name: raw[name] for name in more} == more
