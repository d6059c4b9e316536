"""The names that a model's tensors have without what wraps the model."""

from __future__ import annotations

from typing import Final

_ANYWHERE: Final = ("_orig_mod.", "_fsdp_wrapped_module.")
"""What torch.compile and FSDP put before the names of whatever they wrap, the model or a part of it."""
_IN_FRONT: Final = "module."
"""What data parallel training puts before all names; further on, it is the model's own."""


def unwrapped(name: str) -> str:
    """`name` as the model has it."""
    for wrapper in _ANYWHERE:
        name = name.replace(wrapper, "")
    while name.startswith(_IN_FRONT):
        name = name.removeprefix(_IN_FRONT)
    return name
