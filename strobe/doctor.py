"""What `strobe doctor` looks at."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from etl.errors import StrobeError
from etl.store.catalogue import hides_example
from etl.store.files import Files
from etl.store.manage import check_parts
from strobe.settings import example_path, query_timeout_s, store_path, with_store

_NEEDED = ("numpy", "pyarrow", "duckdb", "streamlit", "altair", "plotly", "numba", "pydantic", "vl-convert-python")
_OPTIONAL = {"torch": "pip install -e '.[train]' to train and record", "pandas": "for Store.sql(...).to_pandas()"}
_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `remedy` says what to do about anything but "ok"."""

    level: Literal["ok", "note", "bad"]
    what: str
    remedy: str = ""


def examine(store: Path | None = None) -> list[Finding]:
    """Look at the packages, the environment, and every file of the store and of the example."""
    target = store if store is not None else store_path()
    example = example_path()
    findings = [
        Finding("ok", f"Python {sys.version.split()[0]}, {os.cpu_count()} cores"),
        *_packages(),
        *_environment(),
    ]
    findings += _store(target, target)
    if example is not None and not _hides_example(target):
        findings += _store(example, target, name="the example")
    return findings


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packages() -> list[Finding]:
    found = {package: _version(package) for package in (*_NEEDED, *_OPTIONAL)}
    missing = [Finding("bad", f"{name} is missing", "pip install -e .") for name in _NEEDED if found[name] is None]
    notes = [
        Finding("note", f"{name} is not installed", why) for name, why in _OPTIONAL.items() if found[name] is None
    ]
    there = ", ".join(f"{name} {version}" for name, version in found.items() if version is not None)
    return [Finding("ok", there), *missing, *notes]


def _environment() -> list[Finding]:
    try:
        seconds = query_timeout_s()
    except SystemExit as error:
        return [Finding("bad", str(error), "unset it, or give seconds")]
    return [Finding("ok", f"typed SQL may run for {seconds:g} s")]


def _hides_example(target: Path) -> bool:
    try:
        return hides_example(target)
    except StrobeError:
        return False


def _store(path: Path, target: Path, name: str = "the store") -> list[Finding]:
    """What there is to say of the store at `path`, which is `target` or shown beside it."""
    if not path.exists():
        return [Finding("note", f"{name} {path} does not exist yet", "strobe ingest FOLDER makes it")]
    files = Files(path)
    files.attached = path != target
    try:
        checked = list(check_parts(files))
    except (StrobeError, OSError) as error:
        return [Finding("bad", f"{name}: {error}", "give another folder with --store")]
    bad = [
        Finding("bad", f"{name}: {item.subject}", with_store(item.remedy, target))
        for item in checked
        if item is not None
    ]
    sound = sum(item is None for item in checked)
    findings = [Finding("ok", f"{name} {path}: {sound:,} Parquet files are sound"), *bad]
    if not os.access(path, os.W_OK):
        findings.append(Finding("note", f"{name} {path} is read-only", "ingest needs to write there"))
    free = shutil.disk_usage(path).free
    if free < _FREE_BYTES:
        findings.append(Finding("note", f"{free / 1e9:.1f} GB are free on its disk", "free some space"))
    return findings
