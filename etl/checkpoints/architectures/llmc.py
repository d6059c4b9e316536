"""GPT-2 as llm.c writes it: the names, the order and the shapes are those of a run already."""

from __future__ import annotations

from etl.checkpoints.architectures.canonical import AXES, gpt2_or
from etl.checkpoints.architectures.planning import Layout, Model, plain_plan


def layout(model: Model) -> Layout | None:
    """None for another architecture."""
    sizes = model.facts.get("llmc")
    if not isinstance(sizes, dict):
        return None
    told = {
        "n_layer": sizes["layers"], "n_head": sizes["heads"], "n_embd": sizes["width"],
        "mlp_width": 4 * sizes["width"], "block_size": sizes["positions"], "vocab_size": sizes["vocabulary"],
        "activation": "gelu_tanh", "layernorm": "pre", "layernorm_eps": 1e-5, "bias": True, "tied_embeddings": True,
    }  # fmt: skip
    plans = [plain_plan("params", name, stored, AXES[name], original=name) for name, stored in model.tensors.items()]
    return Layout(gpt2_or("gpt2", told), plans)
