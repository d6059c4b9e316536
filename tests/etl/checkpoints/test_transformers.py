"""Checkpoints that transformers itself writes, whole and in shards: every tensor's statistics, roles and layers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from etl.checkpoints.run import open_run
from etl.ingest.load import ingest
from etl.store.catalogue import Store

pytestmark = pytest.mark.slow

_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24}


def gpt2(models: Any) -> Any:
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    return models.GPT2LMHeadModel(
        models.GPT2Config(n_layer=2, n_head=2, n_embd=16, vocab_size=40, n_positions=12, **ends)
    )


def llama(models: Any) -> Any:
    config = models.LlamaConfig(**_SIZES, num_key_value_heads=2, vocab_size=40, max_position_embeddings=12)
    return models.LlamaForCausalLM(config)


def bert(models: Any) -> Any:
    return models.BertForMaskedLM(models.BertConfig(**_SIZES, vocab_size=40, max_position_embeddings=12))


def neox(models: Any) -> Any:
    return models.GPTNeoXForCausalLM(models.GPTNeoXConfig(**_SIZES, vocab_size=40, max_position_embeddings=12))


@pytest.fixture
def models() -> Any:
    return pytest.importorskip("transformers")


ROLES = {
    "llama": {"token_embedding": 1, "unembedding": 1, "q": 2, "k": 2, "v": 2, "attention_out": 2, "mlp_gate": 2},
    "bert": {"token_embedding": 1, "position_embedding": 1, "q": 2, "k": 2, "v": 2, "mlp_in": 2, "mlp_out": 2},
    "gpt_neox": {"token_embedding": 1, "unembedding": 1, "qkv": 2, "attention_out": 2, "mlp_in": 2, "mlp_out": 2},
}
"""How many tensors have which role."""
_TIED = {"gpt2": {"lm_head.weight"}, "bert": {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}}
"""Names of state_dict() that safetensors has under another."""

_RENAMED = {"gpt_neox": {"lm_head.weight": "embed_out.weight"}}
"""What transformers writes under another name than its models have it."""


@pytest.mark.parametrize("shards", [{}, {"max_shard_size": "4KB"}], ids=["whole", "sharded"])
@pytest.mark.parametrize("make", [gpt2, llama, bert, neox])
def test_what_transformers_wrote_is_read(
    tmp_path: Path, models: Any, make: Callable[[Any], Any], shards: dict[str, str]
) -> None:
    torch.manual_seed(0)
    model, folder = make(models), tmp_path / "run"
    for step in (10, 20):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.01)
        model.save_pretrained(folder / f"checkpoint-{step}", **shards)
    assert len(list((folder / "checkpoint-20").glob("*.safetensors"))) > 1 or not shards
    (report,) = ingest([folder], tmp_path / "store")
    assert (report.snapshots, report.lost) == (2, [])
    family = open_run(folder).manifest.raw["model"]["family"]
    rows = Store(tmp_path / "store").sql("SELECT * FROM tensors WHERE run = 'run' AND step = 20").to_pylist()
    renamed = _RENAMED.get(family, {})
    held = {renamed.get(name, name): value for name, value in model.state_dict().items()}
    due = {name: value for name, value in held.items() if name not in _TIED.get(family, ())}
    if family == "gpt2":
        check_gpt2(rows, due)
        return
    stored = open_run(folder).at(20)
    assert {name.removeprefix("params/") for name in stored.names} == set(due)
    for name, value in due.items():
        assert torch.equal(torch.from_numpy(stored[f"params/{name}"].copy()), value), name
    roles = Counter(entry.get("role") for entry in open_run(folder).manifest.raw["snapshot"]["tensors"])
    assert {role: roles[role] for role in ROLES[family]} == ROLES[family]
    assert math.isclose(
        sum(row["l2"] ** 2 for row in rows), sum(float(value.double().square().sum()) for value in due.values()),
        rel_tol=1e-5,
    )  # fmt: skip
    assert open_run(folder).manifest.raw["model"].get("n_kv_head") == (2 if family == "llama" else None)


def check_gpt2(rows: list[dict[str, Any]], due: dict[str, torch.Tensor]) -> None:
    """Hugging Face's Conv1D weights are [in, out]: llm.c's names have them turned, which no norm tells."""
    norms = {(row["tensor"], row["layer"]): row["l2"] for row in rows}
    for layer in (0, 1):
        for ours, theirs in (("qkvw", "attn.c_attn"), ("fcw", "mlp.c_fc"), ("fcprojw", "mlp.c_proj")):
            wanted = float(due[f"transformer.h.{layer}.{theirs}.weight"].norm())
            assert norms[ours, layer] == pytest.approx(wanted, rel=1e-5)
    assert norms["wte", None] == pytest.approx(float(due["transformer.wte.weight"].norm()), rel=1e-5)
    assert len(norms) == len(due)
