"""A recorded run's folder: manifest, snapshots, line logs, and the check of every byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.run.folder import Run

__all__ = ["Run"]


def __getattr__(name: str) -> Any:
    # Late, so that reading and writing snapshots needs numpy alone and not the manifest's pydantic.
    if name == "Run":
        from etl.run.folder import Run

        return Run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
