"""The names that a model's tensors have without what wraps the model, and the layers that numbers in them count."""

from __future__ import annotations

import re
from typing import Final

_ANYWHERE: Final = ("_orig_mod.", "_fsdp_wrapped_module.")
"""What torch.compile and FSDP put before the names of whatever they wrap, the model or a part of it."""
_IN_FRONT: Final = "module."
"""What data parallel training puts before all names; further on, it is the model's own."""
_NUMBER: Final = re.compile(r"(?:^|(?<=\.))([0-9]+)\.")


def unwrapped(name: str) -> str:
    """`name` as the model has it."""
    for wrapper in _ANYWHERE:
        name = name.replace(wrapper, "")
    while name.startswith(_IN_FRONT):
        name = name.removeprefix(_IN_FRONT)
    return name


def layer_and_group(name: str) -> tuple[int, str] | None:
    """The first whole part of a name that is a number, and the name without it; None where there is none, and where
    what it counts are no blocks with parts of their own: "3.weight" is the fourth of several modules in a row."""
    match = _NUMBER.search(name)
    if match is None or "." not in name[match.end() :]:
        return None
    return int(match[1]), name[: match.start()] + name[match.end() :]
