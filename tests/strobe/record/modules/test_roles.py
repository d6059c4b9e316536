"""What a module's types and names tell of its parameters: role, axes, layer and the name that layers share."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

from strobe.record.modules.source import ModuleSource


def told(model: nn.Module) -> dict[str, tuple[Any, ...]]:
    """name -> (role, dims, layer, group) of every parameter."""
    specs = ModuleSource(model, sections=("params",)).specs()
    return {spec.name: (spec.role, tuple(spec.dims), spec.layer, spec.group) for spec in specs}


def test_a_transformer_encoder_of_torch() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    found = told(nn.TransformerEncoder(layer, 2))
    assert found["layers.1.self_attn.in_proj_weight"] == (
        "qkv", ("out", "in"), 1, "layers.self_attn.in_proj_weight",
    )  # fmt: skip
    assert found["layers.0.self_attn.out_proj.weight"][0] == "attention_out"
    assert found["layers.0.linear1.weight"][0] == "mlp_in"
    assert found["layers.0.linear2.weight"][0] == "mlp_out"
    assert found["layers.0.norm1.bias"][:2] == ("norm", ("channel",))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_scripted_model_has_the_layers_of_what_it_was_made_of() -> None:
    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])
            self.more = nn.Sequential(*(nn.Sequential(nn.Linear(3, 3)) for _ in range(2)), nn.Conv1d(3, 3, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for block in self.blocks:
                x = block(x)
            return x

    plain, scripted = told(Blocks()), told(torch.jit.script(Blocks()))
    assert plain["blocks.1.weight"][2:] == (1, "blocks.weight")
    assert plain["more.1.0.weight"][2:] == (1, "more.0.weight")
    assert plain["more.2.weight"][2:] == (None, None)
    assert {name: place[2:] for name, place in scripted.items()} == {name: place[2:] for name, place in plain.items()}


def test_embeddings_are_told_apart_by_name_and_an_output_layer_by_its_width() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tok_emb, self.pos_emb = nn.Embedding(11, 4), nn.Embedding(6, 4)
            self.token_type_embeddings = nn.Embedding(2, 4)
            self.readout, self.other = nn.Linear(4, 11, bias=False), nn.Linear(4, 3)
            self.pos_embed = nn.Parameter(torch.zeros(1, 6, 4))

    found = told(Model())
    assert found["tok_emb.weight"][:2] == ("token_embedding", ("token", "channel"))
    assert found["pos_emb.weight"][:2] == ("position_embedding", ("position", "channel"))
    assert found["pos_embed"][:2] == ("position_embedding", ("one", "position", "channel"))
    assert found["token_type_embeddings.weight"][:2] == ("other", ("index", "channel"))
    assert found["readout.weight"][:2] == ("unembedding", ("token", "channel"))
    assert found["other.weight"][:2] == ("other", ("out", "in"))


def test_convolutions_and_recurrent_layers() -> None:
    found = told(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.ConvTranspose1d(2, 1, 3)))
    assert found["0.weight"] == ("conv", ("out", "in", "height", "width"), None, None), "no layers of one kind"
    assert found["2.weight"][:2] == ("conv", ("in", "out", "kernel"))
    recurrent = told(nn.LSTM(3, 4))
    assert recurrent["weight_hh_l0"][:2] == ("recurrent", ("out", "in"))
    assert recurrent["bias_hh_l0"][0] == "bias"


def test_blocks_of_a_sequential_are_layers_and_experts_are_within_one() -> None:
    def block() -> nn.Module:
        part = nn.Module()
        part.experts = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
        return part

    found = told(nn.Sequential(block(), block()))
    assert found["1.experts.0.weight"] == ("expert", ("out", "in"), 1, "experts.0.weight")


class Routed(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.router = nn.Linear(2, 3)
        setattr(self, name, nn.ModuleList([nn.Linear(2, 2) for _ in range(3)]))


@pytest.mark.parametrize(("name", "role"), [("experts", "expert"), ("branches", "other")])
def test_experts_at_the_top_are_no_layers(name: str, role: str) -> None:
    """They stand beside each other: by their name, or by the router beside them."""
    assert told(Routed(name))[f"{name}.1.weight"] == (role, ("out", "in"), None, None)
    stacked = nn.Module()
    stacked.layers = nn.ModuleList([Routed(name), Routed(name)])
    assert told(stacked)[f"layers.1.{name}.2.weight"][2:] == (1, f"layers.{name}.2.weight")


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("GPT2LMHeadModel", "GPT2Config", {
            "h.attn.c_attn.weight": ("qkv", ("in", "out")), "h.mlp.c_fc.weight": ("mlp_in", ("in", "out")),
            "wte.weight": ("token_embedding", ("token", "channel")),
            "wpe.weight": ("position_embedding", ("position", "channel")),
        }),
        ("LlamaForCausalLM", "LlamaConfig", {
            "layers.self_attn.k_proj.weight": ("k", ("out", "in")),
            "layers.mlp.gate_proj.weight": ("mlp_gate", ("out", "in")),
            "layers.mlp.down_proj.weight": ("mlp_out", ("out", "in")), "norm.weight": ("norm", ("channel",)),
            "lm_head.weight": ("unembedding", ("token", "channel")),
        }),
        ("BertForMaskedLM", "BertConfig", {
            "layer.attention.self.query.weight": ("q", ("out", "in")),
            "layer.attention.output.dense.weight": ("attention_out", ("out", "in")),
            "layer.intermediate.dense.weight": ("mlp_in", ("out", "in")),
            "layer.output.dense.weight": ("mlp_out", ("out", "in")),
        }),
        ("MixtralForCausalLM", "MixtralConfig", {
            "layers.mlp.experts.down_proj": ("expert", ("expert", "out", "in")),
        }),
    ],
)  # fmt: skip
def test_models_of_hugging_face(name: str, config: str, expected: dict[str, tuple[Any, ...]]) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {
        "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "vocab_size": 11, "bos_token_id": 1, "eos_token_id": 2, "num_local_experts": 2, "num_key_value_heads": 2,
    }  # fmt: skip
    model = getattr(transformers, name)(getattr(transformers, config)(**sizes))
    found = {
        re.sub(r"^(transformer|model|bert\.encoder)\.", "", group or name): (role, dims)
        for name, (role, dims, _, group) in told(model).items()
    }
    assert {key: found[key] for key in expected} == expected
    entry = ModuleSource(model).model_entry()
    assert entry is not None
    assert (entry["n_layer"], entry["n_head"], entry["n_embd"], entry["vocab_size"]) == (2, 2, 8, 11)
