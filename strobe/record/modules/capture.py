"""What one forward pass of a model went through: the output of each module, and all attention weights."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, Final

from strobe.record.modules.forward import passed
from strobe.record.modules.places import unwrap

_ATTENTION: Final = re.compile(r"attn|attention", re.IGNORECASE)


class Capture:
    """`outputs` (each module's first tensor) and `attention` (batch, head, query, key), by the modules' names."""

    def __init__(self, model: Any, probe: Any, *, outputs: bool, attention: bool) -> None:
        self.outputs: dict[str, Any] = {}
        self.attention: dict[str, Any] = {}
        self._stack: list[tuple[str, Any]] = []
        self._wants = (outputs, attention)
        with self._hooked(unwrap(model)), self._attending(attention):
            passed(model, probe)

    @contextlib.contextmanager
    def _hooked(self, model: Any) -> Iterator[None]:
        handles = []
        try:
            for name, module in model.named_modules():
                handles.append(module.register_forward_pre_hook(self._enter(name), with_kwargs=True))
                handles.append(module.register_forward_hook(self._leave, always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _attending(self, wanted: bool) -> contextlib.AbstractContextManager[Any]:
        from strobe.record.modules.attending import Attending

        return Attending(self._note, self._attends) if wanted else contextlib.nullcontext()

    def _enter(self, name: str) -> Any:
        import torch

        from strobe.record.modules.attending import with_weights

        def hook(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            self._stack.append((name, module))
            asks = self._wants[1] and isinstance(module, torch.nn.MultiheadAttention)
            return with_weights(args, kwargs) if asks else None

        return hook

    def _leave(self, module: Any, _: Any, output: Any) -> None:
        import torch

        name, _ = self._stack[-1]
        if self._wants[1] and isinstance(module, torch.nn.MultiheadAttention) and output is not None:
            self._note(output[1])
        first = _first_tensor(output)
        if self._wants[0] and name and first is not None:
            self.outputs[name] = first.detach()
        self._stack.pop()

    def _attends(self) -> bool:
        return any(
            _ATTENTION.search(name) or _ATTENTION.search(type(module).__name__) for name, module in self._stack
        )

    def _note(self, weights: Any) -> None:
        while weights.dim() < 4:
            weights = weights.unsqueeze(0)
        name, number = self._stack[-1][0] if self._stack else "attention", 1
        name = name or "attention"
        key = name
        while key in self.attention:
            number += 1
            key = f"{name}.{number}"
        self.attention[key] = weights.detach()


def _first_tensor(output: Any) -> Any:
    """The first floating tensor of a module's output; None where it has none."""
    import torch

    if isinstance(output, torch.Tensor):
        return output if output.is_floating_point() or output.is_complex() else None
    values = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return next((found for value in values if (found := _first_tensor(value)) is not None), None)
