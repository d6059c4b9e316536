"""How fast PyTorch trains the same model: what the CUDA trainer is compared with."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass


class NotCheckedError(Exception):
    """Why a check could not be made."""


@dataclass(frozen=True)
class Size:
    """A model and its batch for measuring speed."""

    name: str
    flags: list[str]
    layers: int
    heads: int
    width: int
    vocab: int
    B: int
    T: int
    steps: int


def require_torch(device: str) -> None:
    """Raises NotCheckedError where PyTorch cannot run on `device`."""
    try:
        import torch
    except ImportError:
        raise NotCheckedError("python3 has no torch") from None
    if device == "cuda" and not torch.cuda.is_available():
        raise NotCheckedError("torch sees no CUDA device")


def pytorch_speed(size: Size, device: str, compiled: bool) -> float:
    """Tokens a second of the same model in PyTorch, float32 without TF32, fused AdamW."""
    require_torch(device)
    import torch

    from strobe.train.model import GPT
    from strobe.train.model_config import ModelConfig

    if compiled and shutil.which("gcc") is None and shutil.which("cc") is None:
        raise NotCheckedError("torch.compile needs a C compiler")
    torch.backends.cuda.matmul.allow_tf32 = False
    config = ModelConfig(size.layers, size.heads, size.width, 4 * size.width, size.T, size.vocab)
    model = GPT(config).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    tokens = torch.randint(size.vocab, (size.B, size.T + 1), device=device)

    def loss_of(tokens: torch.Tensor) -> torch.Tensor:
        logits = model(tokens[:, :-1]).flatten(0, 1)
        return torch.nn.functional.cross_entropy(logits, tokens[:, 1:].flatten())

    function = torch.compile(loss_of) if compiled else loss_of

    def steps(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            loss = function(tokens)
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
            optimizer.step()
        float(loss.detach())
        return time.perf_counter() - began

    try:
        steps(3)
        count = max(2, size.steps // 4)
        return size.B * size.T * count / steps(count)
    except Exception as error:
        raise NotCheckedError(f"{type(error).__name__}: {str(error).splitlines()[0][:120]}") from None
