"""What of the pages fits a run, by the task of its manifest: the one place that decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from strobe.analysis.token_text import are_bytes
from strobe.views.run_view import RunView

_OF_WORDS: Final = ("text", "memorization")
"""Tasks whose tokens are words or bytes: nothing of them goes round in a circle."""


def task_of(view: RunView) -> Mapping[str, Any]:
    """The manifest's `task`; empty where the snapshots are not on this machine."""
    snapshots = view.snapshots()
    return {} if snapshots is None else snapshots.manifest.task


def may_be_round(view: RunView) -> bool:
    """Whether it is worth asking how round an embedding lies: of residues, and where the task is not known."""
    return task_of(view).get("kind") not in _OF_WORDS


def reads_as_text(view: RunView) -> bool:
    """Whether a probe sequence is a text, whose tokens belong beside its attention."""
    return are_bytes(task_of(view))
