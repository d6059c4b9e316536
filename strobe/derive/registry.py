"""Every analysis there is: whatever module beside this one has an ANALYSIS.

The command line, staleness, the tables of a store and the list in docs/analyses.md are made from it, or held to it.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Final

import strobe.derive
from etl.store.schema import register
from strobe.derive.analysis import Analysis, SnapshotAnalysis

ANALYSES: Final[dict[str, Analysis]] = {}
"""Table -> its analysis: first those of snapshots, then those of other tables, in the order that people see."""


def find() -> None:
    """Fill ANALYSES, and tell the store about their tables. Raises ValueError when two have one name."""
    ANALYSES.clear()
    modules = [name for _, name, package in pkgutil.iter_modules(strobe.derive.__path__) if not package]
    loaded = [importlib.import_module(f"strobe.derive.{name}") for name in modules if name != "registry"]
    each = [module.ANALYSIS for module in loaded if hasattr(module, "ANALYSIS")]
    for analysis in sorted(each, key=lambda a: (not isinstance(a, SnapshotAnalysis), a.order, a.table)):
        if analysis.table in ANALYSES:
            raise ValueError(f"two analyses fill the table {analysis.table!r}")
        register(analysis.table, analysis.schema)
        ANALYSES[analysis.table] = analysis


find()
