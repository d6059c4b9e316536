"""How many floating-point operations training a transformer takes, and what share of a device's peak that is.

One multiplication and one addition are two operations; the backward pass takes twice what the forward pass does.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TransformerShape:
    """The sizes that its matrices have: `head_size` x `n_head` is what attention works in, `gated` a SwiGLU's three
    matrices in place of two, `n_kv_head` fewer heads of keys and values than of queries."""

    n_layer: int
    n_head: int
    head_size: int
    width: int
    mlp_width: int
    vocab_size: int
    n_kv_head: int | None = None
    gated: bool = False


def attention_flops(n_layer: int, n_head: int, head_size: int, sequence_length: int) -> float:
    """12 L H Q T a token: scores and their sums over T positions, forward and backward, without the half that a
    causal mask leaves out (Chowdhery et al., "PaLM", 2022, appendix B)."""
    return 12.0 * n_layer * n_head * head_size * sequence_length


def dense_flops(n_params: float, n_layer: int, n_head: int, head_size: int, sequence_length: int) -> float:
    """6 N + 12 L H Q T a token, N counting every parameter (PaLM, appendix B)."""
    return 6.0 * n_params + attention_flops(n_layer, n_head, head_size, sequence_length)


def matrix_flops(shape: TransformerShape, sequence_length: int) -> float:
    """A token's operations, matrix by matrix: 6 for each weight that a token is multiplied with, and attention. What
    is looked up or added takes none: embeddings, biases, norms."""
    inner = shape.n_head * shape.head_size
    inner_kv = (shape.n_kv_head or shape.n_head) * shape.head_size
    attention = shape.width * (2 * inner + 2 * inner_kv)
    mlp = (3 if shape.gated else 2) * shape.width * shape.mlp_width
    weights = shape.n_layer * (attention + mlp) + shape.width * shape.vocab_size
    return 6.0 * weights + attention_flops(shape.n_layer, shape.n_head, shape.head_size, sequence_length)


def utilization(flops_per_token: float, tokens: float, seconds: float, peak: float, devices: int) -> float:
    """MFU: operations of `tokens` in `seconds`, over what `devices` of `peak` FLOP/s could do. All positive."""
    return flops_per_token * tokens / (seconds * peak * devices)
