"""Families that are none of GPT-2's: GPT-NeoX and Pythia, Llama with Qwen and Mistral, BERT. Their tensors keep their
names; roles, layers and heads are told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from etl.checkpoints.architectures.plain import RoleOf, described, own_plans, role_by_words
from etl.checkpoints.architectures.planning import Layout, Model
from etl.run.roles import Role


class _Family(NamedTuple):
    """Known by a tensor whose name ends so; `says` is what every model of the family has."""

    name: str
    ending: str
    role_of: RoleOf = role_by_words
    says: Mapping[str, Any] = {}


_BERT: Final[Mapping[str, Role]] = {
    r"(^|\.)intermediate\.dense\.weight$": "mlp_in",
    r"(?<!attention)\.output\.dense\.weight$": "mlp_out",
    r"(^|\.)predictions\.decoder\.weight$": "unembedding",
    r"(^|\.)token_type_embeddings\.weight$": "other",
    r"(^|\.)LayerNorm\.(gamma|beta)$": "norm",
}


def _role_in_bert(name: str) -> Role | None:
    return next((role for pattern, role in _BERT.items() if re.search(pattern, name)), None) or role_by_words(name)


_FAMILIES: Final = (
    _Family("gpt_neox", "layers.0.attention.query_key_value.weight", says={"qkv_layout": "interleaved"}),
    _Family("bert", "encoder.layer.0.attention.self.query.weight", _role_in_bert),
    _Family("llama", "layers.0.self_attn.q_proj.weight"),
)


def layout(model: Model) -> Layout | None:
    """None for another architecture."""
    for family in _FAMILIES:
        if any(name.endswith(family.ending) for name in model.tensors):
            told = model.config.get("model_type")
            name = str(told)[:200] if isinstance(told, str) and told.isprintable() and told else family.name
            plans = own_plans(model, list(model.tensors), family.role_of)
            # The name of GPT-2's family stands for a forward pass that these do not have.
            return Layout({**described(model, name if name != "gpt2" else family.name), **family.says}, plans)
    return None
