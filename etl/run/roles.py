"""What a params tensor is in its model, so that a reader finds the embedding or the queries without knowing names.

A manifest's tensor may say its `role`; llm.c's names have theirs without saying so, whatever the family.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

Role = Literal[
    "token_embedding", "position_embedding", "unembedding", "qkv", "q", "k", "v", "attention_out", "mlp_in",
    "mlp_gate", "mlp_out", "norm", "bias", "conv", "recurrent", "expert", "other",
]  # fmt: skip
ROLES: Final[tuple[Role, ...]] = get_args(Role)

LLMC_ROLES: Final[Mapping[str, Role]] = {
    "wte": "token_embedding",
    "wpe": "position_embedding",
    "qkvw": "qkv",
    "attprojw": "attention_out",
    "fcw": "mlp_in",
    "fcprojw": "mlp_out",
    "unembed": "unembedding",
    # A norm's shift belongs to the norm, as its scale does.
    **dict.fromkeys(("ln1w", "ln1b", "ln2w", "ln2b", "lnfw", "lnfb"), "norm"),
    **dict.fromkeys(("qkvb", "attprojb", "fcb", "fcprojb", "unembedb"), "bias"),
}
"""llm.c's name of a params tensor -> the role that it has unless the manifest says another."""


def role_of(tensor: Mapping[str, Any]) -> Role | None:
    """The role of one entry of the manifest's `snapshot.tensors`: its own, or that of its llm.c name.

    None where neither tells, and for tensors of other sections: only parameters have roles.
    """
    section, _, name = str(tensor["name"]).partition("/")
    if section != "params":
        return None
    role: Role | None = tensor.get("role")
    return role or LLMC_ROLES.get(name)


def tensors_with(manifest: Mapping[str, Any], role: Role) -> list[str]:
    """The tensors of a role as "params/NAME", in the order of the manifest (its plain JSON)."""
    return [str(tensor["name"]) for tensor in manifest["snapshot"]["tensors"] if role_of(tensor) == role]


def first_with(manifest: Mapping[str, Any], role: Role) -> str | None:
    """The first tensor of a role as "params/NAME"; None where the model has none."""
    return next(iter(tensors_with(manifest, role)), None)
