"""Strobe, a training-dynamics workbench.

>>> import strobe
>>> store = strobe.open("store")          # tables of every ingested run
>>> store.sql("SELECT run, last_value FROM metrics WHERE name = 'val_loss'")
>>> wte = store.run("grok-p97").at(4200)["params/wte"]   # read-only, memory-mapped
"""

from __future__ import annotations

# Not from typing, whose import takes long enough for a Ctrl-C to come before `strobe.entry` listens.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from etl.store.catalogue import Store

    __version__: str

__all__ = ["Recorder", "__version__", "finish", "init", "log", "open", "run_memorization", "watch"]


def open(path: str | Path | None = None) -> Store:
    """Open a store for reading; `None` means `$STROBE_STORE`, else `./store`.

    The example run is attached beside it until it is hidden. A store that does not exist yet is an empty store.
    """
    from strobe.settings import open_store

    return open_store(path)


def __getattr__(name: str) -> Any:
    # torch is imported only by those who record.
    if name == "__version__":
        from strobe.version import __version__

        return __version__
    if name == "Recorder":
        from strobe.record import Recorder

        return Recorder
    if name == "watch":
        from strobe.record.watching.watch import watch

        return watch
    if name == "run_memorization":
        from strobe.studies.memorization.api import run_memorization

        return run_memorization
    if name in ("init", "log", "finish"):
        from strobe.record.watching import scalars

        return getattr(scalars, name)
    raise AttributeError(f"module 'strobe' has no attribute {name!r}")
