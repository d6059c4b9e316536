"""Roles, layers and heads of the families that keep their own names, and the early code of the grokking paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etl.checkpoints.run import open_run
from tests.support.checkpoints import safetensors

C, F, V = 8, 12, 20

NEOX = {
    "gpt_neox.embed_in.weight": ((V, C), "token_embedding"),
    "gpt_neox.layers.0.input_layernorm.weight": ((C,), "norm"),
    "gpt_neox.layers.0.input_layernorm.bias": ((C,), "norm"),
    "gpt_neox.layers.0.attention.query_key_value.weight": ((3 * C, C), "qkv"),
    "gpt_neox.layers.0.attention.query_key_value.bias": ((3 * C,), "bias"),
    "gpt_neox.layers.0.attention.dense.weight": ((C, C), "attention_out"),
    "gpt_neox.layers.0.mlp.dense_h_to_4h.weight": ((F, C), "mlp_in"),
    "gpt_neox.layers.0.mlp.dense_4h_to_h.weight": ((C, F), "mlp_out"),
    "gpt_neox.final_layer_norm.weight": ((C,), "norm"),
    "embed_out.weight": ((V, C), "unembedding"),
    "gpt_neox.layers.0.attention.rotary_emb.inv_freq": ((2,), None),
    "gpt_neox.layers.0.attention.bias": ((1, 1, 4, 4), None),
    "gpt_neox.layers.0.attention.masked_bias": ((), None),
}
LLAMA = {
    "model.embed_tokens.weight": ((V, C), "token_embedding"),
    "model.layers.10.self_attn.q_proj.weight": ((C, C), "q"),
    "model.layers.0.self_attn.q_proj.weight": ((C, C), "q"),
    "model.layers.0.self_attn.k_proj.weight": ((C // 2, C), "k"),
    "model.layers.0.self_attn.k_proj.bias": ((C // 2,), "bias"),
    "model.layers.0.self_attn.v_proj.weight": ((C // 2, C), "v"),
    "model.layers.0.self_attn.o_proj.weight": ((C, C), "attention_out"),
    "model.layers.0.self_attn.q_norm.weight": ((2,), "norm"),
    "model.layers.0.mlp.gate_proj.weight": ((F, C), "mlp_gate"),
    "model.layers.0.mlp.up_proj.weight": ((F, C), "mlp_in"),
    "model.layers.0.mlp.down_proj.weight": ((C, F), "mlp_out"),
    "model.layers.0.input_layernorm.weight": ((C,), "norm"),
    "model.norm.weight": ((C,), "norm"),
    "model.layers.0.block_sparse_moe.experts.1.w1.weight": ((F, C), "expert"),
    "lm_head.weight": ((V, C), "unembedding"),
}
BERT = {
    "bert.embeddings.word_embeddings.weight": ((V, C), "token_embedding"),
    "bert.embeddings.position_embeddings.weight": ((4, C), "position_embedding"),
    "bert.embeddings.token_type_embeddings.weight": ((2, C), "other"),
    "bert.embeddings.LayerNorm.gamma": ((C,), "norm"),
    "bert.encoder.layer.0.attention.self.query.weight": ((C, C), "q"),
    "bert.encoder.layer.0.attention.self.key.weight": ((C, C), "k"),
    "bert.encoder.layer.0.attention.self.value.bias": ((C,), "bias"),
    "bert.encoder.layer.0.attention.output.dense.weight": ((C, C), "attention_out"),
    "bert.encoder.layer.0.attention.output.LayerNorm.weight": ((C,), "norm"),
    "bert.encoder.layer.0.intermediate.dense.weight": ((F, C), "mlp_in"),
    "bert.encoder.layer.0.output.dense.weight": ((C, F), "mlp_out"),
    "cls.predictions.decoder.weight": ((V, C), "unembedding"),
    "bert.embeddings.position_ids": ((1, 4), None),
}
GQA = {"num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": C, "num_hidden_layers": 11}


@pytest.mark.parametrize(
    ("tensors", "config", "model"),
    [
        (NEOX, {"model_type": "gpt_neox", "num_attention_heads": 2}, {"family": "gpt_neox", "n_head": 2, "n_layer": 1,
                                                                      "qkv_layout": "interleaved"}),
        (LLAMA, GQA, {"family": "llama", "vocab_size": V, "n_head": 4, "n_kv_head": 2, "n_embd": C, "n_layer": 11}),
        (LLAMA, GQA | {"model_type": "qwen2"}, {"family": "qwen2", "n_kv_head": 2}),
        (BERT, {"model_type": "bert"}, {"family": "bert", "n_layer": 1, "n_embd": C, "vocab_size": V}),
    ],
    ids=["neox", "llama", "qwen", "bert"],
)  # fmt: skip
def test_roles_layers_and_heads(tensors: Any, config: dict[str, Any], model: dict[str, Any], tmp_path: Path) -> None:
    arrays = {
        name: np.zeros(shape, np.int64 if "ids" in name else np.float32) for name, (shape, _) in tensors.items()
    }
    (tmp_path / "step1").mkdir()
    (tmp_path / "step1" / "model.safetensors").write_bytes(safetensors(arrays))
    (tmp_path / "step1" / "config.json").write_text(json.dumps(config))
    manifest = open_run(tmp_path).manifest.raw
    assert {key: manifest["model"].get(key) for key in model} == model
    found = {entry["name"]: entry for entry in manifest["snapshot"]["tensors"]}
    for name, (shape, role) in tensors.items():
        entry = found[f"params/{name}" if role else f"buffers/{name}"]
        assert entry.get("role") == role, name
        assert entry["shape"] == (list(shape) or [1])
        numbers = [int(part) for part in name.split(".") if part.isdigit()]
        if role:
            assert entry.get("layer") == (numbers[0] if numbers else None), name


def test_the_early_code_of_the_grokking_paper(tmp_path: Path) -> None:
    torch.manual_seed(0)
    H, D, T = 2, 4, 3
    state = {
        "embed.W_E": torch.randn(C, V), "pos_embed.W_pos": torch.randn(T, C), "unembed.W_U": torch.randn(C, V),
        "blocks.0.attn.W_K": torch.randn(H, D, C), "blocks.0.attn.W_Q": torch.randn(H, D, C),
        "blocks.0.attn.W_V": torch.randn(H, D, C), "blocks.0.attn.W_O": torch.randn(C, H * D),
        "blocks.0.attn.mask": torch.ones(T, T).tril(), "blocks.0.mlp.W_in": torch.randn(F, C),
        "blocks.0.mlp.b_in": torch.randn(F), "blocks.0.mlp.W_out": torch.randn(C, F),
        "blocks.0.mlp.b_out": torch.randn(C),
    }  # fmt: skip
    torch.save(state, tmp_path / "100.pth")
    run = open_run(tmp_path)
    model = run.manifest.raw["model"]
    assert (model["family"], model["activation"], model["layernorm"]) == ("gpt2", "relu", "none")
    assert model["assumed"] == ["activation", "layernorm"], "the tensors do not tell, and so it is said"
    snapshot = run.at(100)
    np.testing.assert_array_equal(snapshot["params/wte"], state["embed.W_E"].T)
    stacked = torch.cat([state[f"blocks.0.attn.W_{name}"].reshape(H * D, C) for name in "QKV"])
    np.testing.assert_array_equal(snapshot["params/qkvw"][0], stacked)
    np.testing.assert_array_equal(snapshot["params/attprojw"][0], state["blocks.0.attn.W_O"])
    np.testing.assert_array_equal(snapshot["params/fcw"][0], state["blocks.0.mlp.W_in"])
    np.testing.assert_array_equal(snapshot["params/fcb"][0], state["blocks.0.mlp.b_in"])
