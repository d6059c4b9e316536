"""The error of a recording that cannot begin."""

from __future__ import annotations

from etl.errors import StrobeError


class RecorderError(StrobeError):
    """A recorder that cannot begin; once it has begun it raises nothing."""
