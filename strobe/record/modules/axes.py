"""What the axes of a module's tensors mean, by the module's type: the `dims` of the manifest."""

from __future__ import annotations

from typing import Any, Final

_WINDOWS: Final = {1: ("kernel",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def axes(module: Any, rank: int, role: str) -> tuple[str, ...]:
    """The names of the `rank` axes of a parameter of `module`; ("one",) where it has none.

    Linear layers, recurrent ones and attention's projections are (out, in); Hugging Face's Conv1D is (in, out), an
    embedding (token, channel) or (position, channel), a convolution (out, in, height, width), transposed (in, out,
    ...), a stack of experts (expert, ...). What the type does not tell is axis0, axis1, ...
    """
    if rank == 0:
        return ("one",)
    names = _by_type(module, rank, role)
    return names if names is not None and len(names) == rank else tuple(f"axis{number}" for number in range(rank))


def _by_type(module: Any, rank: int, role: str) -> tuple[str, ...] | None:
    import torch
    from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

    if role == "position_embedding":
        return (*("one",) * (rank - 2), "position", "channel")
    if role in ("token_embedding", "unembedding"):
        return ("token", "channel")
    if isinstance(module, torch.nn.Embedding | torch.nn.EmbeddingBag):
        return ("index", "channel")
    if rank == 1:
        return ("channel",) if role == "norm" else ("out",)
    if isinstance(module, _ConvNd):
        ends = ("in", "out") if isinstance(module, _ConvTransposeNd) else ("out", "in")
        return (*ends, *_WINDOWS.get(rank - 2, ()))
    return _matrix(module, rank, role)


def _matrix(module: Any, rank: int, role: str) -> tuple[str, ...] | None:
    import torch

    if is_conv1d(module):
        return ("in", "out")
    if role == "expert" and rank == 3:
        return ("expert", "in", "out") if getattr(module, "is_transposed", False) else ("expert", "out", "in")
    plain = (torch.nn.Linear, torch.nn.RNNBase, torch.nn.RNNCellBase, torch.nn.MultiheadAttention)
    known = isinstance(module, plain) or type(module).__name__.endswith("Linear")
    return ("out", "in") if known else None


def is_conv1d(module: Any) -> bool:
    """Whether a module is Hugging Face's Conv1D: a linear layer whose weight is (in, out)."""
    return type(module).__name__ == "Conv1D" and hasattr(module, "nf")
