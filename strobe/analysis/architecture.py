"""What a model of the GPT-2 family is besides its parameters, and under which names those are taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from etl.run.roles import LLMC_ROLES
from strobe.analysis.nonlinearities import NONLINEARITIES


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the parameters do not tell by themselves."""

    n_layer: int
    n_head: int
    activation: str
    """"gelu_tanh", "gelu" or "relu"."""
    layernorm: str
    """"pre" or "none"."""
    layernorm_eps: float
    tied_embeddings: bool
    head_size: int | None = None
    """D, where it is not C / H."""
    n_kv_head: int | None = None
    """How many heads of keys and values there are, where they are fewer than those of queries."""

    @classmethod
    def of(cls, model: Mapping[str, Any]) -> Architecture:
        """From the `model` object of a manifest. Raises ValueError for another family, KeyError for what it lacks."""
        if model.get("family") != "gpt2":
            raise ValueError(f"model family {model.get('family')!r} has no forward pass here; only 'gpt2' has")
        optional = ("head_size", "n_kv_head")
        return cls(**{name: model[name] for name in cls.__slots__ if name not in optional or name in model})

    @property
    def kv_heads(self) -> int:
        """How many heads of keys and values there are."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    def __post_init__(self) -> None:
        for name in ("head_size", "n_kv_head"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name} is {value!r:.80}, not an integer from 1 on")
        if self.n_head % self.kv_heads:
            raise ValueError(f"n_head {self.n_head} is no multiple of n_kv_head {self.n_kv_head}")
        if self.activation not in NONLINEARITIES or self.layernorm not in ("pre", "none"):
            raise ValueError(f"no activation {self.activation!r} with layernorm {self.layernorm!r} is known")


_OF_ROLE: Mapping[str, str] = {role: name for name, role in LLMC_ROLES.items() if role not in ("norm", "bias")}
"""Role -> the name under which `forward` takes the one weight that has it."""


def weight_names(roles: Mapping[str, str | None]) -> dict[str, str]:
    """Under which name `forward` takes each params tensor: the model's name -> llm.c's, given the model's -> role.

    Norms and biases have one role each and go by llm.c's names; tensors without a role, or with "other", are left
    out. Raises ValueError for a tensor that has no place here (it would be ignored), and for two in one place.
    """
    names: dict[str, str] = {}
    for name, role in roles.items():
        if role is None or role == "other":
            continue
        place = _OF_ROLE.get(role, name)
        if LLMC_ROLES.get(place) != role:
            raise ValueError(f"its tensor {name!r}, role {role}, has no place in the forward pass of GPT-2")
        if place in names.values():
            raise ValueError(f"two of its tensors have the role {role}")
        names[name] = place
    return names


def missing_weights(names: Iterable[str], architecture: Architecture) -> list[str]:
    """What a forward pass needs, by llm.c's names, and is not among `names`; biases and norms may be absent."""
    needed = [name for name in _OF_ROLE.values() if name != "unembed" or not architecture.tied_embeddings]
    return [name for name in needed if name not in set(names)]
