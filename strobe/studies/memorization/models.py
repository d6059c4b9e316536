"""The model that a study trains: the reference GPT-2, or a GPT-2 of Hugging Face's as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from etl.errors import StrobeError
from strobe.studies.memorization.grammar import prose
from strobe.studies.memorization.passages import LEAST_TOKENS, Passages, made_up, require_size, words_of
from strobe.studies.memorization.plan import Plan
from strobe.train.model import GPT
from strobe.train.model_config import ModelConfig

Weights = dict[str, torch.Tensor]
_TURNED = {"qkvw": "attn.c_attn", "attprojw": "attn.c_proj", "fcw": "mlp.c_fc", "fcprojw": "mlp.c_proj"}
_BIASES = {name.removesuffix("w") + "b": place for name, place in _TURNED.items()}


def subject(plan: Plan) -> tuple[Passages, Callable[[int], GPT]]:
    """(passages, what makes the model to train from a seed). Raises StrobeError."""
    if plan.model is not None:
        return _of_hugging_face(plan, Path(plan.model))
    passages = made_up(plan.passages, plan.longest, plan.seed)
    config = ModelConfig(
        plan.layers,
        plan.heads,
        plan.width,
        4 * plan.width,
        passages.longest,
        passages.vocab_size,
        init_std=plan.init_std,
    )
    return passages, lambda seed: GPT(config, seed)


def _of_hugging_face(plan: Plan, folder: Path) -> tuple[Passages, Callable[[int], GPT]]:
    try:
        from transformers import AutoTokenizer, GPT2LMHeadModel
    except ImportError:
        raise StrobeError("--model needs transformers: pip install -e '.[frameworks]'") from None
    if not folder.is_dir():
        raise StrobeError(f"{folder}: is no folder; --model takes a GPT-2 that save_pretrained wrote")
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = GPT2LMHeadModel.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).partition("\n")[0]
        raise StrobeError(f"{folder}: holds no GPT-2 with its tokenizer ({first:.160})") from None
    config, weights = as_reference(model)
    tokens = _tokens(plan, tokenizer)
    _require_fit(folder, plan.longest, tokens, config)

    def make(_: int) -> GPT:
        made = GPT(config)
        made.load_state_dict(weights)
        return made

    def text(tokens: Sequence[int]) -> str:
        return str(tokenizer.decode(list(tokens)))

    return Passages(tokens, plan.passages // 2, config.vocab_size, text), make


def _tokens(plan: Plan, tokenizer: Any) -> list[list[int]]:
    """Made-up passages in the tokenizer's tokens, without those that it sets at an end."""
    require_size(plan.passages, plan.longest)
    words = words_of(plan.passages, plan.longest, plan.seed)
    return [tokenizer.encode(prose(some), add_special_tokens=False)[: plan.longest] for some in words]


def _require_fit(folder: Path, longest: int, tokens: Sequence[Sequence[int]], config: ModelConfig) -> None:
    """Raises StrobeError where the model has no place for a passage, or no row for one of its tokens."""
    if longest > config.block_size:
        raise StrobeError(f"passages of {longest} tokens; {folder} has {config.block_size} positions: give --tokens")
    shortest, last = min(map(len, tokens)), max(token for passage in tokens for token in passage)
    if last >= config.vocab_size:
        raise StrobeError(f"{folder}: its tokenizer has a token {last}, its model {config.vocab_size} rows")
    if shortest < LEAST_TOKENS:
        raise StrobeError(f"{folder}: its tokenizer makes {shortest} tokens of a passage; at least {LEAST_TOKENS}")


def as_reference(model: Any) -> tuple[ModelConfig, Weights]:
    """The config and the weights of a GPT2LMHeadModel, as the reference model takes them; it has no dropout.

    Raises StrobeError for an activation or a scaling that it does not know.
    """
    own = model.config
    activation = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "relu": "relu"}.get(
        own.activation_function
    )
    if activation is None or own.scale_attn_by_inverse_layer_idx or not own.scale_attn_weights:
        raise StrobeError(f"a GPT-2 with the activation {own.activation_function!r} or its scaling is not known here")
    config = ModelConfig(
        own.n_layer, own.n_head, own.n_embd, own.n_inner or 4 * own.n_embd, own.n_positions, own.vocab_size,
        activation=activation, layernorm_eps=own.layer_norm_epsilon,  # type: ignore[arg-type]
    )  # fmt: skip
    state: Weights = model.state_dict()

    def stacked(place: str) -> torch.Tensor:
        return torch.stack([state[f"transformer.h.{layer}.{place}"] for layer in range(own.n_layer)])

    weights = {
        "wte": state["transformer.wte.weight"], "wpe": state["transformer.wpe.weight"],
        **{f"ln{k}{name[0]}": stacked(f"ln_{k}.{name}") for k in (1, 2) for name in ("weight", "bias")},
        **{name: stacked(f"{place}.weight").transpose(1, 2).contiguous() for name, place in _TURNED.items()},
        **{name: stacked(f"{place}.bias") for name, place in _BIASES.items()},
        "lnfw": state["transformer.ln_f.weight"], "lnfb": state["transformer.ln_f.bias"],
    }  # fmt: skip
    return config, {name: tensor.detach().clone() for name, tensor in weights.items()}
