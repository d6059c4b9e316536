"""What a training's loss is measured in, where that is known: nats for a cross-entropy, and for no other loss."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

NATS: Final = "nats"
_NAMED: Final = ("loss", "loss_fn", "loss_function", "criterion", "objective")
"""Settings that name the loss."""
_OF_TOKENS: Final = ("vocab_size", "block_size", "n_positions", "n_ctx")
"""Sizes that a model of tokens alone has."""
_CROSS_ENTROPY: Final = re.compile(r"cross.?entropy|\bnll|negative.?log.?likelihood|bce", re.IGNORECASE)
_CLASSIFYING: Final = re.compile(r"addition|text|language|\blm\b|classif|translat", re.IGNORECASE)
"""Kinds of tasks whose loss is a cross-entropy unless something else is said."""


def loss_unit(manifest: Mapping[str, Any]) -> str | None:
    """Of the losses of a run, from its manifest: what names the loss decides, else the kind of the task, else whether
    the model maps tokens to tokens; None where none of them tells."""
    parts = [part for name in ("task", "training") if isinstance(part := manifest.get(name), Mapping)]
    for part in parts:
        if (said := _said(part)) is not None:
            return NATS if _CROSS_ENTROPY.search(said) else None
    if any(_CLASSIFYING.search(str(part.get("kind", ""))) for part in parts):
        return NATS
    return NATS if _is_language_model(manifest) else None


def unit_by_settings(settings: Mapping[str, Any]) -> str | None:
    """Of the losses of a log, from the settings beside it: what names the loss decides, else whether the model is one
    of tokens; None where neither tells."""
    if (said := _said(settings)) is not None:
        return NATS if _CROSS_ENTROPY.search(said) else None
    return NATS if any(type(settings.get(key)) is int for key in _OF_TOKENS) else None


def _said(settings: Mapping[str, Any]) -> str | None:
    """What settings call the loss; None where they do not."""
    return next((said for key in _NAMED if isinstance(said := settings.get(key), str)), None)


def _is_language_model(manifest: Mapping[str, Any]) -> bool:
    model, tensors = manifest.get("model", {}), manifest.get("snapshot", {}).get("tensors", [])
    if model.get("family") == "gpt2":
        return True
    roles = {tensor.get("role") for tensor in tensors}
    return "token_embedding" in roles and ("unembedding" in roles or bool(model.get("tied_embeddings")))
