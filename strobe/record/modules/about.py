"""What a module says of itself: the manifest's `model`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from etl.run.wrapping import unwrapped
from strobe.record.modules.places import layer_of, unwrap

_CONFIG: Final[Mapping[str, tuple[str, ...]]] = {
    "n_layer": ("num_hidden_layers", "n_layer"),
    "n_head": ("num_attention_heads", "n_head"),
    "n_kv_head": ("num_key_value_heads",),
    "n_embd": ("hidden_size", "n_embd", "d_model"),
    "mlp_width": ("intermediate_size", "n_inner"),
    "vocab_size": ("vocab_size",),
    "block_size": ("max_position_embeddings", "n_positions"),
    "head_size": ("head_dim",),
}
"""Our word -> those of Hugging Face's configurations."""


def model_entry(model: Any) -> dict[str, Any]:
    """The family (the class's name), how many parameters there are, and what a configuration or the modules tell."""
    inner = unwrap(model)
    entry = {"family": type(inner).__name__, "n_params": sum(p.numel() for p in _sized(model.parameters()))}
    config = getattr(inner, "config", None)
    told = {ours: _number(config, theirs) for ours, theirs in _CONFIG.items()}
    return entry | _of_modules(model) | {name: number for name, number in told.items() if number is not None}


def tied_names(model: Any) -> dict[str, str]:
    """The further names of tensors that have several -> the name that they are recorded under."""
    first: dict[int, str] = {}
    tied = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        shown = unwrapped(name)
        if first.setdefault(id(parameter), shown) != shown:
            tied[shown] = first[id(parameter)]
    return tied


def _sized(parameters: Any) -> Any:
    import torch

    return (parameter for parameter in parameters if not torch.nn.parameter.is_lazy(parameter))


def _number(config: Any, names: tuple[str, ...]) -> int | None:
    """The first of the settings that is a whole number."""
    found = (getattr(config, name, None) for name in names)
    return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), None)


def _of_modules(model: Any) -> dict[str, int]:
    """Layers by names, and heads and width of torch's own attention."""
    import torch

    numbers = [layer_of(model, name, unwrapped(name))[0] for name, _ in model.named_parameters()]
    layers = {number for number in numbers if number is not None}
    entry = {"n_layer": len(layers)} if layers else {}
    heads = next((m for m in model.modules() if isinstance(m, torch.nn.MultiheadAttention)), None)
    return entry | {"n_head": heads.num_heads, "n_embd": heads.embed_dim} if heads is not None else entry
