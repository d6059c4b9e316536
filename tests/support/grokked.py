"""The embedded run's weights as a folder of TransformerLens-shaped state dicts, and that model in PyTorch."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from etl.run.folder import Run
from tests.support.places import ROOT

SNAPSHOTS = ROOT / "examples" / "runs" / "grok-p97" / "snapshots"
P, HEADS, HEAD = 97, 4, 32
_NAMES = ("wte", "wpe", "qkvw", "attprojw", "fcw", "fcprojw", "unembed")


def state_dict(step: int) -> dict[str, torch.Tensor]:
    """The weights at a step, with the names, shapes and order that HookedTransformer.state_dict() has."""
    w = _weights(step)
    q, k, v = w["qkvw"][0].reshape(3, HEADS, HEAD, -1)
    return {
        "embed.W_E": w["wte"],
        "pos_embed.W_pos": w["wpe"],
        "blocks.0.attn.W_Q": q.transpose(1, 2).contiguous(),
        "blocks.0.attn.W_O": w["attprojw"][0].T.reshape(HEADS, HEAD, -1).contiguous(),
        "blocks.0.attn.W_K": k.transpose(1, 2).contiguous(),
        "blocks.0.attn.W_V": v.transpose(1, 2).contiguous(),
        "blocks.0.attn.mask": torch.ones(3, 3).tril().bool(),
        "blocks.0.attn.IGNORE": torch.tensor(-torch.inf),
        "blocks.0.mlp.W_in": w["fcw"][0].T.contiguous(),
        "blocks.0.mlp.W_out": w["fcprojw"][0].T.contiguous(),
        "unembed.W_U": w["unembed"].T.contiguous(),
    }


def _weights(step: int) -> dict[str, torch.Tensor]:
    """A snapshot's; of a step between two snapshots what lies between their weights, in proportion."""
    run = Run(SNAPSHOTS)
    low = max(each for each in run.steps() if each <= step)
    high = min(each for each in run.steps() if each >= step)
    at = {each: run.at(each) for each in {low, high}}
    weights = {
        each: {name: torch.from_numpy(np.array(at[each].values(f"params/{name}"), np.float32)) for name in _NAMES}
        for each in at
    }
    share = (step - low) / (high - low) if high > low else 0.0
    return {name: torch.lerp(weights[low][name], weights[high][name], share) for name in _NAMES}


def steps() -> list[int]:
    return Run(SNAPSHOTS).steps()


def thirty() -> list[int]:
    """The steps of the embedded run's snapshots, and as many between the last of them as make thirty."""
    own = steps()
    between = [(low + high) // 2 for low, high in itertools.pairwise(own)]
    return sorted([*own, *between[len(between) - max(0, 30 - len(own)) :]])


def write_folder(folder: Path, chosen: Sequence[int]) -> Path:
    """`folder` with a `.pth` a step, and beside them what is learned."""
    folder.mkdir()
    for step in chosen:
        torch.save(state_dict(step), folder / f"{step}.pth")
    task = Run(SNAPSHOTS).manifest.task
    (folder / "strobe.json").write_text(json.dumps({"task": task}))
    return folder


def passed(weights: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """(neurons after ReLU, logits of the residues) at the last position for all a, b, in float64: (p * p, ...)."""
    w: dict[str, Any] = {name: value.double() for name, value in weights.items() if value.is_floating_point()}
    a, b = torch.arange(P).repeat_interleave(P), torch.arange(P).repeat(P)
    tokens = torch.stack([a, b, torch.full_like(a, P)], dim=1)
    x = w["embed.W_E"][tokens] + w["pos_embed.W_pos"][:3]
    q, k, v = (torch.einsum("bpc,hcd->bphd", x, w[f"blocks.0.attn.W_{name}"]) for name in "QKV")
    scores = torch.einsum("bhd,bkhd->bhk", q[:, -1], k) / HEAD**0.5
    z = torch.einsum("bhk,bkhd->bhd", scores.softmax(-1), v)
    x = x[:, -1] + torch.einsum("bhd,hdc->bc", z, w["blocks.0.attn.W_O"])
    neurons = torch.relu(x @ w["blocks.0.mlp.W_in"])
    logits = (x + neurons @ w["blocks.0.mlp.W_out"]) @ w["unembed.W_U"]
    return neurons, logits[:, :P]
