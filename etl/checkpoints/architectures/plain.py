"""Tensors under their own names: what the usual words in a name say of each, for models of any kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from etl.checkpoints.architectures.planning import Layout, Model, Plan, missing_plan, plain_plan
from etl.checkpoints.formats.contents import Stored
from etl.run.roles import Role
from etl.run.wrapping import layer_and_group

RoleOf = Callable[[str], Role | None]
"""The role of a tensor by its name; None where the name does not tell."""

_ATTENTION: Final[Mapping[str, Role]] = {
    **dict.fromkeys(("c_attn", "qkv", "qkv_proj", "query_key_value", "Wqkv", "in_proj", "in_proj_weight"), "qkv"),
    **dict.fromkeys(("q_proj", "query", "wq", "q_lin", "to_q", "W_Q"), "q"),
    **dict.fromkeys(("k_proj", "key", "wk", "k_lin", "to_k", "W_K"), "k"),
    **dict.fromkeys(("v_proj", "value", "wv", "v_lin", "to_v", "W_V"), "v"),
    **dict.fromkeys(("o_proj", "out_proj", "c_proj", "wo", "out_lin", "dense", "to_out", "W_O"), "attention_out"),
}
_MLP: Final[Mapping[str, Role]] = {
    **dict.fromkeys(("c_fc", "fc1", "up_proj", "linear1", "lin1", "fc_in", "dense_h_to_4h", "W_in"), "mlp_in"),
    **dict.fromkeys(("gate_proj", "W_gate"), "mlp_gate"),
    **dict.fromkeys(("c_proj", "fc2", "down_proj", "linear2", "lin2", "fc_out", "dense_4h_to_h", "W_out"), "mlp_out"),
}
_OUTSIDE: Final[Mapping[str, Role]] = {
    **dict.fromkeys(
        ("wte", "embed_tokens", "word_embeddings", "tok_embeddings", "embed_in", "W_E"), "token_embedding"
    ),
    **dict.fromkeys(("wpe", "embed_positions", "position_embeddings", "W_pos"), "position_embedding"),
    **dict.fromkeys(("lm_head", "embed_out", "unembed", "W_U"), "unembedding"),
}
_IN_ATTENTION: Final = re.compile(r"attn|attention", re.IGNORECASE)
_NORM: Final = re.compile(
    r"(^|[._])(ln|norm|layernorm|rmsnorm|batchnorm|groupnorm|bn)([._]?[0-9a-z]*)?$", re.IGNORECASE
)
_BIAS: Final = re.compile(r"(^|[._])(bias|b_[A-Za-z]+)$|_bias$")
_BUFFERS: Final = re.compile(
    r"(^|\.)(masked_bias|IGNORE|mask|causal_mask|inv_freq|rotary_(sin|cos)|position_ids|token_type_ids"
    r"|num_batches_tracked|running_(mean|var))$"
)
_AXES: Final[Mapping[Role, Sequence[str]]] = {
    "token_embedding": ("token", "channel"),
    "position_embedding": ("position", "channel"),
    "unembedding": ("token", "channel"),
}


def role_by_words(name: str) -> Role | None:
    """What the usual words in a name say; None where there are none."""
    *path, leaf = name.split(".")
    owner = path[-1] if path else ""
    if _NORM.search(owner) or re.search(r"(norm|(^|[._])ln)[0-9_]*(scale|weight|bias)?$", leaf, re.IGNORECASE):
        return "norm"
    if _BIAS.search(leaf):
        return "bias"
    if "experts" in path:
        return "expert"
    words = (leaf, owner)
    inside = _ATTENTION if any(_IN_ATTENTION.search(part) for part in path) else _MLP
    for table in (_OUTSIDE, inside):
        for word in words:
            if word in table:
                return table[word]
    return "conv" if re.search(r"(^|[._])conv[0-9]?d?[0-9_]*$", owner) else None


def is_buffer(name: str, stored: Stored) -> bool:
    """Whether a tensor is what a model computes with and does not learn: masks, positions, running statistics."""
    if _BUFFERS.search(name) or stored.dtype in ("bool", "int16", "int32", "int64"):
        return True
    # The causal mask of GPT-2 and GPT-NeoX.
    return name.endswith(".bias") and len(stored.shape) == 4


_EMBEDDING: Final = re.compile(r"(^|[._])emb(ed(ding)?s?)?$")
"""How the module is called whose rows are looked up, if not by tokens: token_type_embeddings, user_emb."""


def axes_of(name: str, shape: Sequence[int], role: Role | None) -> list[str]:
    """Names of axes, as PyTorch's layers have them where the name is one of theirs; axis0, axis1, ... where not."""
    rank, (path, _, leaf) = len(shape), name.rpartition(".")
    unknown = [f"axis{number}" for number in range(rank)]
    if rank == 1:
        return ["channel"] if role == "norm" else ["out"]
    if role is not None and role in _AXES:
        return list(_AXES[role]) if rank == 2 else unknown
    if rank == 2 and (_EMBEDDING.search(path) or leaf == "kernel"):
        return ["in", "out"] if leaf == "kernel" else ["index", "channel"]
    if role == "expert" and rank == 3:
        return ["expert", "out", "in"]
    if leaf == "weight" or leaf.startswith("weight_") or leaf == "in_proj_weight":
        return (
            (["out", "in", "kernel"][:rank] if rank < 4 else ["out", "in", "height", "width"])
            if rank <= 4
            else unknown
        )
    return unknown


def own_plans(model: Model, names: Sequence[str], role_of: RoleOf = role_by_words) -> list[Plan]:
    """The plans of some of a model's tensors under their own names."""
    plans = []
    for name in names:
        stored, original = model.tensors[name], model.originals[name]
        if is_buffer(name, stored):
            dims = [f"axis{number}" for number in range(len(stored.shape))]
            plans.append(plain_plan("buffers", name, stored, dims, original=original))
            continue
        role, place = role_of(name), layer_and_group(name)
        layer, group = place if place is not None else (None, None)
        dims = axes_of(name, stored.shape, role)
        plans.append(plain_plan("params", name, stored, dims, original=original, role=role, layer=layer, group=group))
    return plans + [missing_plan("params", name, why) for name, why in model.left_out.items()]


def layout(model: Model) -> Layout:
    """Any model: every tensor under its own name, and what the settings tell of it."""
    told = model.config.get("model_type")
    named = isinstance(told, str) and told.isprintable() and told not in ("", "gpt2")
    return Layout(described(model, str(told)[:200] if named else "unknown"), own_plans(model, list(model.tensors)))


def described(model: Model, family: str) -> dict[str, object]:
    """The manifest's `model` from Hugging Face's settings, what they do not tell left out; the number of layers also
    from the names, vocabulary and width from the embedding of tokens."""
    layers = {place[0] for name in model.tensors if (place := layer_and_group(name)) is not None}
    V, C = _embedding(model)
    told = {
        "n_layer": model.number("num_hidden_layers", "n_layer") or len(layers) or None,
        "n_head": model.number("num_attention_heads", "n_head"),
        "n_kv_head": model.number("num_key_value_heads"),
        "n_embd": model.number("hidden_size", "n_embd") or C,
        "mlp_width": model.number("intermediate_size", "n_inner"),
        "vocab_size": model.number("vocab_size") or V,
        "block_size": model.number("max_position_embeddings", "n_positions", "block_size"),
        "head_size": model.number("head_dim"),
    }
    return {"family": family} | {key: value for key, value in told.items() if value is not None}


def _embedding(model: Model) -> tuple[int | None, int | None]:
    """(tokens, channels) of the first embedding of tokens."""
    shapes = [model.shape(name) for name in model.tensors if role_by_words(name) == "token_embedding"]
    found = next((shape for shape in shapes if len(shape) == 2), None)
    return (found[0], found[1]) if found is not None else (None, None)
