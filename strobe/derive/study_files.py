"""What a memorization study leaves in its run's folder: `memorization/study.json`, and a Parquet file an epoch point.

Each row is a passage at that epoch, with `compression` and `token_compression` by layer. The files are written once,
whole, and never changed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from etl.errors import StrobeError

FOLDER: Final = "memorization"
STUDY: Final = "study.json"
_POINT: Final = re.compile(r"epoch_([0-9]{6,9})\.parquet")
_TEXT, _DOUBLE, _BIG = pa.string(), pa.float64(), pa.int64()

SCHEMA: Final = pa.schema([
    ("epoch", _BIG), ("step", _BIG), ("passage", pa.int32()), ("split", _TEXT), ("tokens", _BIG),
    ("accuracy", _DOUBLE), ("exact_matches", _BIG), ("edit_distance", _BIG), ("prefix_5", _DOUBLE),
    ("prefix_10", _DOUBLE), ("prefix_20", _DOUBLE), ("prefix_50", _DOUBLE), ("perplexity", _DOUBLE),
    ("memorized", pa.bool_()), ("chance", _DOUBLE), ("prompt", _TEXT), ("target", _TEXT), ("continuation", _TEXT),
    ("compression", pa.list_(_DOUBLE)), ("token_compression", pa.list_(pa.list_(pa.float32()))),
])  # fmt: skip


def point_name(epoch: int) -> str:
    """The file of an epoch."""
    return f"epoch_{epoch:06d}.parquet"


def points(run: Path) -> dict[int, Path]:
    """Epoch -> file, ascending, of the run in a folder; empty where it is no study, or has measured nothing yet."""
    folder = run / FOLDER
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    matched = [(found, folder / name) for name in names if (found := _POINT.fullmatch(name))]
    return dict(sorted((int(found[1]), path) for found, path in matched))


def read_point(path: Path, columns: list[str] | None = None) -> pa.Table:
    """The rows of one epoch. Raises StrobeError for a file that is damaged."""
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        first = str(error).partition("\n")[0]
        raise StrobeError(f"{path}: cannot be read ({first:.120}); put a copy of it back") from None


def study_of(run: Path) -> dict[str, Any] | None:
    """How the study of a run was asked for; None where the run is none. Raises StrobeError for a damaged file."""
    path = run / FOLDER / STUDY
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StrobeError(f"{path}: cannot be read ({error}); put a copy of it back") from None
    if not isinstance(found, dict):
        raise StrobeError(f"{path}: is no study; put a copy of it back")
    return found
