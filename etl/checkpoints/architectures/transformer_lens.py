"""Models as TransformerLens names their tensors, and the one-layer models of the papers on grokking, whose code came
before it: the same names, other shapes."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from etl.checkpoints.architectures.canonical import ACTIVATIONS, Canonical, Source, gpt2_or
from etl.checkpoints.architectures.plain import described, own_plans
from etl.checkpoints.architectures.planning import Array, Layout, Model, transposed

_NEEDED: Final = (
    "embed.W_E", "unembed.W_U", "blocks.0.attn.W_Q", "blocks.0.attn.W_K", "blocks.0.attn.W_V", "blocks.0.attn.W_O",
)  # fmt: skip
_FAMILY: Final = "transformer_lens"


class _Sizes(NamedTuple):
    """`early`: as Neel Nanda's code for "Progress measures for grokking via mechanistic interpretability" has them:
    W_E (C, V), W_Q (H, D, C), W_O (C, H D), W_in (F, C), W_out (C, F)."""

    L: int
    V: int
    C: int
    T: int
    H: int
    K: int
    D: int
    F: int
    early: bool


def layout(model: Model) -> Layout | None:
    """None for another architecture. Models that are none of GPT-2's family (rotary embeddings, gated MLPs) keep
    TransformerLens's names."""
    if any(name not in model for name in _NEEDED):
        return None
    sizes = _sizes(model)
    if sizes is not None:
        made = _taken(model, sizes)
        if all(place in made for place in ("wte", "wpe", "qkvw", "attprojw", "fcw", "fcprojw", "unembed")):
            return made.layout(gpt2_or(_FAMILY, _settings(model, made, sizes)))
    return Layout(described(model, _FAMILY), own_plans(model, list(model.tensors)))


def _sizes(model: Model) -> _Sizes | None:
    """None where the model lacks what GPT-2 has, or has what it lacks."""
    shapes = [model.shape(name) for name in ("pos_embed.W_pos", "embed.W_E", "blocks.0.mlp.W_in")]
    query, out = model.shape("blocks.0.attn.W_Q"), model.shape("blocks.0.attn.W_O")
    if any(len(shape) != 2 for shape in shapes) or "blocks.0.mlp.W_gate" in model or len(query) != 3:
        return None
    (T, C), early = shapes[0], len(out) == 2
    kv_heads = model.shape("blocks.0.attn.W_K")[0]
    V, F = (shapes[1][1], shapes[2][0]) if early else (shapes[1][0], shapes[2][1])
    layers = 0
    while f"blocks.{layers}.attn.W_Q" in model:
        layers += 1
    return _Sizes(layers, V, C, T, query[0], kv_heads, query[1] if early else query[2], F, early)


def _taken(model: Model, sizes: _Sizes) -> Canonical:
    L, V, C, T, H, K, D, F, early = sizes
    made, turn = Canonical(model), None if early else transposed
    classes = model.shape("unembed.W_U")[-1]
    made.add("wte", "embed.W_E", [[Source("embed.W_E", transposed if early else None)]], (V, C))
    made.add("wpe", "pos_embed.W_pos", [[Source("pos_embed.W_pos")]], (T, C))
    # It may be as large as the vocabulary: it is read as it lies.
    made.add("unembed", "unembed.W_U", [[Source("unembed.W_U")]], (C, classes), axes=("channel", "token"))
    made.add("unembedb", "unembed.b_U", [[Source("unembed.b_U")]], (classes,))
    heads = None if early else _heads_first
    for place, names, shape, change in (
        ("qkvw", ("attn.W_Q", "attn.W_K", "attn.W_V"), ((H + 2 * K) * D, C), heads),
        ("qkvb", ("attn.b_Q", "attn.b_K", "attn.b_V"), ((H + 2 * K) * D,), None),
        ("attprojw", ("attn.W_O",), (C, H * D), None if early else _heads_last),
        ("attprojb", ("attn.b_O",), (C,), None),
        ("fcw", ("mlp.W_in",), (F, C), turn), ("fcb", ("mlp.b_in",), (F,), None),
        ("fcprojw", ("mlp.W_out",), (C, F), turn), ("fcprojb", ("mlp.b_out",), (C,), None),
        ("ln1w", ("ln1.w",), (C,), None), ("ln1b", ("ln1.b",), (C,), None),
        ("ln2w", ("ln2.w",), (C,), None), ("ln2b", ("ln2.b",), (C,), None),
    ):  # fmt: skip
        rows = [[Source(f"blocks.{number}.{name}", change) for name in names] for number in range(L)]
        made.add(place, f"blocks.*.{', '.join(names)}", rows, shape)
    for place, name in (("lnfw", "ln_final.w"), ("lnfb", "ln_final.b")):
        made.add(place, name, [[Source(name)]], (C,))
    return made


def _heads_first(values: Array) -> Array:
    """(heads, C, D) as the rows of each head: (heads D, C)."""
    return values.transpose(0, 2, 1).reshape(-1, values.shape[1])


def _heads_last(values: Array) -> Array:
    """(H, D, C) as columns of each head: (C, H D)."""
    return values.reshape(-1, values.shape[2]).T


def _settings(model: Model, made: Canonical, sizes: _Sizes) -> dict[str, Any]:
    """What the tensors and the settings tell. Of a model of one layer without norms neither tells more than that: it
    is taken for the papers', with ReLU and no norm, and `assumed` says so."""
    L, V, C, T, H, K, D, F, _ = sizes
    told = {key: value for key, value in _told(model, made).items() if value is not None}
    papers = {"activation": "relu", "layernorm": "none"} if L == 1 and "ln1w" not in made else {}
    assumed = {key: value for key, value in papers.items() if key not in told}
    return {
        "n_layer": L, "n_head": H, "n_embd": C, "mlp_width": F, "block_size": T, "vocab_size": V,
        "layernorm_eps": 1e-5, "bias": all(place in made for place in ("qkvb", "attprojb", "fcb", "fcprojb")),
        "tied_embeddings": False,
        **({"head_size": D} if H * D != C else {}), **({"n_kv_head": K} if K != H else {}),
        **told, **assumed, **({"assumed": sorted(assumed)} if assumed else {}),
    }  # fmt: skip


def _told(model: Model, made: Canonical) -> dict[str, Any]:
    """By the words of TransformerLens's configuration, or ours."""
    config = {**model.facts, **_dict(model.facts.get("config")), **_dict(model.facts.get("cfg")), **model.config}
    norm = config.get("layernorm", {"LN": "pre", "LNPre": "pre"}.get(str(config.get("normalization_type"))))
    eps = config.get("layernorm_eps", config.get("eps"))
    return {
        "activation": ACTIVATIONS.get(config.get("activation", config.get("act_fn", config.get("act_type")))),
        "layernorm": "pre" if "ln1w" in made else norm,
        "layernorm_eps": float(eps) if isinstance(eps, int | float) else None,
    }


def _dict(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
