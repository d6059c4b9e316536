"""GPT-2 as Hugging Face and nanoGPT write it: the same names, and matrices that lie the other way round."""

from __future__ import annotations

from typing import Any, Final

from etl.checkpoints.architectures.canonical import ACTIVATIONS, Canonical, Source, gpt2_or
from etl.checkpoints.architectures.planning import Layout, Model, transposed
from etl.checkpoints.formats.contents import Facts

_PREFIXES: Final = ("transformer.", "", "model.transformer.", "gpt2.")
_UNLIKE: Final = ("scale_attn_by_inverse_layer_idx", "add_cross_attention")
"""Settings under which Hugging Face's GPT-2 computes something else."""


def layout(model: Model) -> Layout | None:
    """None for another architecture."""
    before = next((each for each in _PREFIXES if f"{each}h.0.attn.c_attn.weight" in model), None)
    if before is None or f"{before}wte.weight" not in model:
        return None
    V, C = model.shape(f"{before}wte.weight")
    first = model.shape(f"{before}h.0.attn.c_attn.weight")
    if first not in ((C, 3 * C), (3 * C, C)):
        return None
    made = _taken(model, before, is_conv1d=first == (C, 3 * C))
    if any(place not in made for place in ("wte", "wpe", "qkvw", "attprojw", "fcw", "fcprojw")):
        return None
    _unembedding(made, model, before, V, C)
    told = _of_hugging_face(model.config) if first == (C, 3 * C) else _of_nanogpt(_arguments(model))
    return made.layout(gpt2_or("gpt2 without its settings", _settings(model, made, before) | told))


def _taken(model: Model, before: str, *, is_conv1d: bool) -> Canonical:
    """`is_conv1d`: matrices are (in, out)."""
    made = Canonical(model)
    (V, C), T = model.shape(f"{before}wte.weight"), model.shape(f"{before}wpe.weight")[:1]
    F = _mlp_width(model, before, is_conv1d=is_conv1d)
    made.add("wte", f"{before}wte.weight", [[Source(f"{before}wte.weight")]], (V, C))
    made.add("wpe", f"{before}wpe.weight", [[Source(f"{before}wpe.weight")]], (*T, C))
    numbers = range(_layers(model, before))
    turn = transposed if is_conv1d else None
    for place, name, shape in (
        ("ln1w", "ln_1.weight", (C,)), ("ln1b", "ln_1.bias", (C,)), ("qkvw", "attn.c_attn.weight", (3 * C, C)),
        ("qkvb", "attn.c_attn.bias", (3 * C,)), ("attprojw", "attn.c_proj.weight", (C, C)),
        ("attprojb", "attn.c_proj.bias", (C,)), ("ln2w", "ln_2.weight", (C,)), ("ln2b", "ln_2.bias", (C,)),
        ("fcw", "mlp.c_fc.weight", (F, C)), ("fcb", "mlp.c_fc.bias", (F,)),
        ("fcprojw", "mlp.c_proj.weight", (C, F)), ("fcprojb", "mlp.c_proj.bias", (C,)),
    ):  # fmt: skip
        change = turn if len(shape) == 2 else None
        sources = [[Source(f"{before}h.{number}.{name}", change)] for number in numbers]
        made.add(place, f"{before}h.*.{name}", sources, shape)
    for place, name in (("lnfw", "ln_f.weight"), ("lnfb", "ln_f.bias")):
        made.add(place, f"{before}{name}", [[Source(f"{before}{name}")]], (C,))
    return made


def _layers(model: Model, before: str) -> int:
    count = 0
    while f"{before}h.{count}.attn.c_attn.weight" in model:
        count += 1
    return count


def _mlp_width(model: Model, before: str, *, is_conv1d: bool) -> int:
    shape = model.shape(f"{before}h.0.mlp.c_fc.weight")
    return shape[is_conv1d] if len(shape) == 2 else 0


def _unembedding(made: Canonical, model: Model, before: str, V: int, C: int) -> None:
    """Where it is the embedding once more, by its place in the file, it is none of its own."""
    name = "lm_head.weight"
    if name not in model:
        return
    if model.tensors[name].place == model.tensors[f"{before}wte.weight"].place:
        made.leave_out(name)
    else:
        made.add("unembed", name, [[Source(name)]], (V, C))


def _settings(model: Model, made: Canonical, before: str) -> dict[str, Any]:
    """What the tensors tell by themselves."""
    V, C = model.shape(f"{before}wte.weight")
    hugging_face = model.shape(f"{before}h.0.attn.c_attn.weight") == (C, 3 * C)
    return {
        "n_layer": _layers(model, before), "n_embd": C, "vocab_size": V,
        "mlp_width": _mlp_width(model, before, is_conv1d=hugging_face),
        "block_size": model.shape(f"{before}wpe.weight")[0], "bias": "qkvb" in made,
        "layernorm": "pre" if "ln1w" in made else None, "tied_embeddings": "unembed" not in made,
    }  # fmt: skip


def _of_hugging_face(config: Facts) -> dict[str, Any]:
    """From config.json, with the defaults that GPT2Config has for what is not in it; nothing without it."""
    heads = config.get("n_head", config.get("num_attention_heads", 12 if "n_embd" in config else None))
    if not config or any(config.get(key) for key in _UNLIKE) or not config.get("scale_attn_weights", True):
        return {}
    return {
        "n_head": heads,
        "activation": ACTIVATIONS.get(config.get("activation_function", "gelu_new")),
        "layernorm_eps": float(config.get("layer_norm_epsilon", 1e-5)),
    }


def _arguments(model: Model) -> Facts:
    """nanoGPT's `model_args`, or settings beside the checkpoint."""
    arguments = model.facts.get("model_args")
    return {**model.config, **(arguments if isinstance(arguments, dict) else {})}


def _of_nanogpt(arguments: Facts) -> dict[str, Any]:
    """nanoGPT's model: its activation and its epsilon are constants of the program."""
    heads = arguments.get("n_head")
    if type(heads) is not int:
        return {}
    return {
        "n_head": heads,
        "activation": ACTIVATIONS.get(arguments.get("activation", "gelu")),
        "layernorm_eps": 1e-5,
    }
