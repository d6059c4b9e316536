"""What a recorded training takes on disk, from its model's shape alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

from etl.run.layout import HEADER_BYTES, aligned
from strobe.record.tensors import SCALARS
from strobe.train.model_config import ModelConfig

_WHOLE, _DOUBLE = 4, 8
"""Bytes of an entry: float32 and int32, float64."""
_STATE = 3
"""Of the state to resume from: a parameter and its two moments."""


def parameters(config: ModelConfig) -> int:
    """How many a model has."""
    return sum(math.prod(shape) for _, shape in config.shapes().values())


def state_bytes(config: ModelConfig) -> int:
    """About what the saved state takes, which is kept once."""
    return _STATE * _WHOLE * parameters(config)


def snapshot_bytes(config: ModelConfig, probe: tuple[int, int], samples: tuple[int, int] | None = None) -> int:
    """Bytes of one snapshot file of a reference training, whose probe is of (sequences, positions), and which keeps
    `samples` (sequences, tokens) of what the model writes."""
    entries = [*_entries(config, *probe), *([math.prod(samples)] if samples else [])]
    return HEADER_BYTES + sum(aligned(_WHOLE * n) for n in entries) + len(SCALARS) * aligned(_DOUBLE)


def _entries(config: ModelConfig, B: int, T: int) -> Iterator[int]:
    """How many entries each tensor has that `strobe.record.adapters.gpt2` records."""
    L, H, C, F = config.n_layer, config.n_head, config.n_embd, config.mlp_width
    for dims, shape in config.shapes().values():
        n = math.prod(shape)
        norms = shape[0] if dims[0] == "layer" else 1
        yield from (n, n, norms, norms)
    yield from (L * B * H * T * T, B * T * C, L * B * T * C, B * T)
    yield from (L, L * F)
    if config.layernorm == "pre":
        yield from (L, L, L, L, 1, 1)
