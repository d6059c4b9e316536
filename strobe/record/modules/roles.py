"""What the parameters of a module are, as far as module types and their usual names tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from etl.run.roles import Role
from strobe.record.modules.axes import is_conv1d

_POSITION: Final = re.compile(
    r"(^|[._])(wpe|pos|position|positional)(_?(emb|embed|embedding|embeddings|encoding))?s?\b"
)
_TOKEN: Final = re.compile(
    r"(^|[._])(wte|tok|token|word|embed_tokens|shared|embed)(_?(emb|embed|embedding|embeddings))?s?\b"
)
_NO_TOKEN: Final = re.compile(r"type|segment|relative|pos")
_HEADS: Final = re.compile(r"attn|attention", re.IGNORECASE)

_ATTENTION: Final[Mapping[str, Role]] = {
    **dict.fromkeys(("c_attn", "qkv", "qkv_proj", "query_key_value", "Wqkv", "c_qkv", "in_proj"), "qkv"),
    **dict.fromkeys(("q", "q_proj", "query", "wq", "q_lin", "to_q"), "q"),
    **dict.fromkeys(("k", "k_proj", "key", "wk", "k_lin", "to_k"), "k"),
    **dict.fromkeys(("v", "v_proj", "value", "wv", "v_lin", "to_v"), "v"),
    **dict.fromkeys(
        ("o", "o_proj", "out_proj", "c_proj", "wo", "out_lin", "dense", "proj", "to_out"), "attention_out"
    ),
}
_MLP: Final[Mapping[str, Role]] = {
    **dict.fromkeys(("c_fc", "fc1", "up_proj", "linear1", "lin1", "dense_h_to_4h", "wi"), "mlp_in"),
    **dict.fromkeys(("gate_proj", "wi_0"), "mlp_gate"),
    **dict.fromkeys(("c_proj", "fc2", "down_proj", "linear2", "lin2", "dense_4h_to_h", "wo"), "mlp_out"),
}  # fmt: skip
_DENSE: Final[Mapping[tuple[str, str], Role]] = {("intermediate", "dense"): "mlp_in", ("output", "dense"): "mlp_out"}
"""BERT's, by the last two parts of the name."""
_PACKED: Final[Mapping[str, Role]] = {
    "in_proj_weight": "qkv", "q_proj_weight": "q", "k_proj_weight": "k", "v_proj_weight": "v",
}  # fmt: skip


_ADAPTED: Final = ".base_layer"
"""What an adapter such as LoRA calls the layer that it adapts."""


class Roles:
    """The roles of one model's parameters. Names are the model's own, without what wraps it."""

    def __init__(self, modules: Mapping[str, Any]) -> None:
        """`modules` are all of the model's, by such names."""
        self._modules = modules
        embeddings = {name: module for name, module in modules.items() if _is_embedding(module)}
        self._tokens = _token_embeddings(embeddings)
        self._vocabularies = {embeddings[name].num_embeddings for name in self._tokens}

    def of(self, name: str, layer: int | None) -> Role:
        """The role of the parameter `name`; "other" where nothing tells."""
        path, _, leaf = name.rpartition(".")
        module = self._modules.get(path)
        if _is_embedding(module):
            return self._embedding(path)
        if _is_norm(module):
            return "norm"
        if leaf.startswith("bias") or leaf.endswith("bias"):
            return "bias"
        return _by_type(module) or self._by_name(path, leaf, module, layer)

    def _embedding(self, path: str) -> Role:
        if path in self._tokens:
            return "token_embedding"
        return "position_embedding" if _POSITION.search(path) and "relative" not in path else "other"

    def _by_name(self, path: str, leaf: str, module: Any, layer: int | None) -> Role:
        if _POSITION.search(f"{path}.{leaf}") and not _is_linear(module):
            return "position_embedding"
        if re.search(r"(^|[._])experts?\b", path):
            return "expert"
        if leaf in _PACKED:
            return _PACKED[leaf]
        if not _is_linear(module):
            return "other"
        if layer is None:
            return "unembedding" if _width(module) in self._vocabularies else "other"
        return self._in_layer(path)

    def _in_layer(self, path: str) -> Role:
        parents, _, last = path.removesuffix(_ADAPTED).rpartition(".")
        if _HEADS.search(parents) or self._is_attention(parents):
            return _ATTENTION.get(last, "other")
        return _MLP.get(last) or _DENSE.get((parents.rpartition(".")[2], last), "other")

    def _is_attention(self, path: str) -> bool:
        return path in self._modules and bool(_HEADS.search(type(self._modules[path]).__name__))


def _token_embeddings(embeddings: Mapping[str, Any]) -> set[str]:
    """The names of those that embed tokens: by their names, or the only one that is left."""
    left = [name for name in embeddings if not _NO_TOKEN.search(name.rpartition(".")[2])]
    named = [name for name in left if _TOKEN.search(name.rpartition(".")[2])]
    return set(named or (left if len(left) == 1 else []))


def _by_type(module: Any) -> Role | None:
    import torch
    from torch.nn.modules.conv import _ConvNd

    if isinstance(module, _ConvNd):
        return "conv"
    return "recurrent" if isinstance(module, torch.nn.RNNBase | torch.nn.RNNCellBase) else None


def _is_embedding(module: Any) -> bool:
    import torch

    return isinstance(module, torch.nn.Embedding | torch.nn.EmbeddingBag)


def _is_norm(module: Any) -> bool:
    return type(module).__name__.rstrip("123d").endswith("Norm")


def _is_linear(module: Any) -> bool:
    import torch

    return isinstance(module, torch.nn.Linear) or is_conv1d(module) or type(module).__name__.endswith("Linear")


def _width(module: Any) -> int | None:
    return getattr(module, "out_features", None)
