"""The names that a model's tensors have without what wraps the model."""

from __future__ import annotations

from etl.run.wrapping import unwrapped

__all__ = ["unwrapped"]
